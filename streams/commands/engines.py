"""engines: what is behind each logical name, today and here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from streams.commands.terminal import cells, console, dollars, echo_json, table
from streams.commands.verb import App, pass_app, verb

if TYPE_CHECKING:
    from rich.table import Table

    from inference.engines.expiry import Ending, Level
    from inference.engines.registry import Engines, Entry


TOKENS = ("text_in", "image_in", "image_out", "text_out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One logical engine.

    `price_usd` is for one picture of 1024x1024, None where our machine's time is paid; an answer that counts
    its tokens costs `usd_per_million_tokens` instead, and at most `most_usd` for a prompt of 1,000 letters:
    that much is reserved of a budget. Model, price and key are those of `resolves_to`. `key`
    is the name of its variable. The last four are None without an announced end: `level` as in
    `inference.engines.expiry`, `followed_by` who draws then, `adds_usd` what a picture costs more by that.
    `aliases` are other names that `generate --model` takes.
    """

    name: str
    aliases: tuple[str, ...]
    roles: tuple[str, ...]
    adapter: str
    resolves_to: str
    model: str
    emulated: bool
    callable: bool
    why: str
    price_usd: float | None
    usd_per_million_tokens: Mapping[str, float] | None
    most_usd: float | None
    priced_on: dt.date
    per: str
    key: str | None
    key_set: bool
    days_left: int | None
    level: Level | None
    followed_by: str | None
    adds_usd: float | None


@verb("engines", examples=("glyphstream engines", "glyphstream engines --json"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object an engine.")
@pass_app
def command(app: App, as_json: bool) -> None:
    """List the engines: role, price, key, what stands in.

    A logical name resolves to its living successor, which is called where its key is set. Where that has no
    key here, the emulator at GLYPHSTREAM_EMULATOR_URL stands in (`glyphstream run --emulate` and `demo` start
    one). What ends is said 60, 30 and 7 days ahead, with who follows and what a picture costs then.
    """
    from inference.engines.expiry import endings
    from inference.engines.registry import load_registry
    from streams.drawing import engines_of, today
    from streams.models import local_models

    settings, day = app.settings(), today()
    registry = load_registry()
    listed = rows(engines_of(settings, registry, local_models(settings, registry), app.env), day, app.env)
    if as_json:
        for row in listed:
            echo_json(asdict(row))
        return
    _show(listed, endings(registry, today=day))


def rows(engines: Engines, today: dt.date, env: Mapping[str, str]) -> list[Row]:
    """In the order of the registry."""
    from inference.engines.expiry import endings

    ends = {ending.engine: ending for ending in endings(engines.registry, today=today)}
    return [_row(engines, entry, ends.get(entry.name), today, env) for entry in engines.registry]


def _row(
    engines: Engines, entry: Entry, ending: Ending | None, today: dt.date, env: Mapping[str, str]
) -> Row:

    from inference.engines.registry import EngineGone, EngineUnavailable

    living, emulated, callable_, model = entry, False, True, ""
    try:
        living = engines.registry.resolve(entry.name, today=today)
        resolved = engines.resolve(entry.name)
        emulated, model, why = resolved.emulated, resolved.model, resolved.reason
    except (EngineGone, EngineUnavailable) as error:
        callable_, why = False, str(error)
    tokens = living.price.per_million_tokens
    return Row(
        name=entry.name,
        aliases=entry.aliases,
        roles=entry.roles,
        adapter=living.adapter,
        resolves_to=living.name,
        model=model or living.model,
        emulated=emulated,
        callable=callable_,
        why=why,
        price_usd=living.price.list_usd(1024, 1024) if living.price.per == "image" else None,
        usd_per_million_tokens=None if tokens is None else {kind: getattr(tokens, kind) for kind in TOKENS},
        most_usd=living.price.most_usd(1024, 1024, 1000) if living.price.per == "image" else None,
        priced_on=living.price.priced_on,
        per=living.price.per,
        key=living.key_env,
        key_set=bool(living.key_env and env.get(living.key_env)),
        days_left=ending.days_left if ending else None,
        level=ending.level if ending else None,
        followed_by=ending.successor if ending else None,
        adds_usd=ending.adds_usd if ending else None,
    )


def _show(listed: Sequence[Row], ends: Iterable[Ending]) -> None:
    output = console()
    output.print(_engines(listed))
    output.print("PRICE: list price of one 1024x1024 picture, or our own machine's time.")
    output.print(f"KEY: {'; '.join(_keys(listed))}.", markup=False)
    for row in listed:
        if row.adapter == "sd3_local" and row.callable and not row.emulated:
            why = f"; {row.why}" if row.why else ""
            output.print(f"{row.name} draws with {row.model}{why}.", markup=False)
    output.print(_token_prices(listed))
    for ending in ends:
        if ending.level != "far":
            level = "" if ending.level == "ended" else f"{ending.level}: "
            output.print(f"{level}{ending}.", markup=False)
    away = sum(not row.callable for row in listed)
    if away:
        output.print(
            f"{away} cannot be called here (--json tells why each); "
            "`glyphstream run --emulate` starts the emulator that stands in, `glyphstream demo` too."
        )


def _engines(listed: Sequence[Row]) -> Table:
    shown = table(
        "", "ENGINE", "ROLES", "RESOLVES TO", "ADAPTER", "PRICE", "AS OF", "DAYS LEFT", "KEY", "HERE",
        right=("PRICE", "DAYS LEFT"),
    )  # fmt: skip
    for row in listed:
        shown.add_row(
            *cells(
                " ".join([row.name, *(f"({alias})" for alias in row.aliases)]),
                " ".join(row.roles),
                "itself" if row.resolves_to == row.name else row.resolves_to,
                row.adapter,
                row.per.replace("_", "-") if row.price_usd is None else dollars(row.price_usd),
                row.priced_on,
                _days(row),
                "-" if row.key is None else "set" if row.key_set else "not set",
                "emulated" if row.emulated else "ready" if row.callable else "not callable",
            )
        )
    for column in shown.columns[:1] + shown.columns[2:4]:
        column.no_wrap = True
    return shown


def _keys(listed: Sequence[Row]) -> list[str]:
    """The variables, and whose key each holds."""
    users: dict[str, list[str]] = {}
    for row in listed:
        if row.key is not None and row.resolves_to not in users.setdefault(row.key, []):
            users[row.key].append(row.resolves_to)
    return [f"{variable} for {', '.join(names)}" for variable, names in users.items()]


def _token_prices(listed: Sequence[Row]) -> Table:
    counting = {row.resolves_to: row for row in listed if row.usd_per_million_tokens}
    headings = (*(kind.replace("_", " ").upper() for kind in TOKENS), "A PICTURE AT MOST")
    shown = table("Where answers count tokens, by the million", "ENGINE", *headings, right=headings)
    for engine, row in counting.items():
        price = row.usd_per_million_tokens or {}
        shown.add_row(*cells(engine, *map(dollars, price.values()), dollars(row.most_usd or 0.0)))
    return shown


def _days(row: Row) -> str:
    if row.days_left is None:
        return "-"
    if row.days_left < 0:
        return f"ended {-row.days_left} ago"
    return str(row.days_left) if row.level == "far" else f"{row.days_left}, {row.level}"
