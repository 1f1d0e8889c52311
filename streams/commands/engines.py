"""engines: what is behind each logical name, today and here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from streams.commands.terminal import cells, console, dollars, echo_json, table
from streams.commands.verb import App, pass_app, verb

if TYPE_CHECKING:
    from inference.engines.registry import Engines, Entry

SOON_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One logical engine. `price_usd` is for one picture of 1024x1024, None where our machine's time is
    paid. `key` is the variable's name and whether it is set; `days_left` is None without an announced end;
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
    priced_on: dt.date
    per: str
    days_left: int | None
    key: str | None
    key_set: bool


@verb("engines", examples=("glyphstream engines", "glyphstream engines --json"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object an engine.")
@pass_app
def command(app: App, as_json: bool) -> None:
    """List the engines: role, price, key, what stands in.

    A logical name resolves to its living successor; where that has no key here, the emulator at
    GLYPHSTREAM_EMULATOR_URL stands in (`glyphstream run --emulate` and `demo` start one).
    """
    from inference.engines.registry import Engines, load_registry
    from streams.models import local_models

    settings = app.settings()
    today = dt.datetime.now(dt.UTC).date()
    registry = load_registry()
    engines = Engines(
        registry,
        today=lambda: today,
        emulator_url=settings.emulator_url or None,
        render_url=settings.render_url or None,
        environ=app.env,
        local=local_models(settings, registry),
    )
    listed = rows(engines, today, app.env)
    if as_json:
        for row in listed:
            echo_json(asdict(row))
        return
    _show(listed)


def rows(engines: Engines, today: dt.date, env: Mapping[str, str]) -> list[Row]:
    """In the order of the registry."""
    return [_row(engines, entry, today, env) for entry in engines.registry]


def _row(engines: Engines, entry: Entry, today: dt.date, env: Mapping[str, str]) -> Row:
    from inference.engines.registry import EngineGone, EngineUnavailable

    living, emulated, callable_, model = entry, False, True, ""
    try:
        living = engines.registry.resolve(entry.name, today=today)
        resolved = engines.resolve(entry.name)
        emulated, model, why = resolved.emulated, resolved.model, resolved.reason
    except (EngineGone, EngineUnavailable) as error:
        callable_, why = False, str(error)
    by_time = living.price.per != "image"
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
        price_usd=None if by_time else living.price.list_usd(1024, 1024),
        priced_on=living.price.priced_on,
        per=living.price.per,
        days_left=entry.days_left(today),
        key=living.key_env,
        key_set=bool(living.key_env and env.get(living.key_env)),
    )


def _show(listed: list[Row]) -> None:
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
                _days(row.days_left),
                "-" if row.key is None else f"{row.key}{' *' if row.key_set else ''}",
                "emulated" if row.emulated else "ready" if row.callable else "not callable",
            )
        )
    for column in shown.columns[:1] + shown.columns[2:4]:
        column.no_wrap = True
    output = console()
    output.print(shown)
    output.print("PRICE: list price of one 1024x1024 picture, or our own machine's time. KEY: * is set.")
    for row in listed:
        if row.adapter == "sd3_local" and row.callable and not row.emulated:
            why = f"; {row.why}" if row.why else ""
            output.print(f"{row.name} draws with {row.model}{why}.", markup=False)
    away = sum(not row.callable for row in listed)
    if away:
        output.print(
            f"{away} cannot be called here (--json tells why each); "
            "`glyphstream run --emulate` starts the emulator that stands in, `glyphstream demo` too."
        )


def _days(left: int | None) -> str:
    if left is None:
        return "-"
    if left < 0:
        return f"ended {-left} ago"
    return f"{left}, soon" if left <= SOON_DAYS else str(left)
