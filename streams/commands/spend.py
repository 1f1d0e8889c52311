"""spend: what hosted engines have cost, what is reserved, and what waits for a person."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, get_args

import click
from click.core import ParameterSource

from streams.commands.spend_shown import Asked, Spent, show
from streams.commands.terminal import echo_json
from streams.commands.verb import App, Failure, VerbGroup, pass_app, subverb
from streams.runtime.errors import EXIT_FAILED, EXIT_OK, EXIT_USAGE

if TYPE_CHECKING:
    from inference.engines.ledger import Answer, Ledger, Row
    from inference.engines.ledger.reporting import By


class _Groups(click.ParamType[tuple["By", ...]]):
    """Names separated by commas."""

    name = "names"

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> tuple[By, ...]:
        from inference.engines.ledger.reporting import By

        names = tuple(each.strip() for each in value.split(","))
        known: Mapping[str, By] = {name: name for name in get_args(By)}
        if not set(names) <= set(known) or len(set(names)) != len(names):
            self.fail(f"{value!r}; give some of {','.join(known)}, each once", parameter, context)
        return tuple(known[name] for name in names)


_BY_HELP = "Groups, with commas: day, campaign, engine, model, run."
_DAY = click.DateTime(["%Y-%m-%d"])
_LEDGER_HELP = "A path, or postgresql://USER@HOST/DATABASE; default: the setting `ledger`."


@click.group("spend", cls=VerbGroup, invoke_without_command=True, subcommand_metavar="[settle]")
@click.option("--by", type=_Groups(), default="day,campaign,engine", show_default=True, help=_BY_HELP)
@click.option("--since", type=_DAY, metavar="DAY", help="From this day (UTC), as 2026-11-23.")
@click.option("--until", type=_DAY, metavar="DAY", help="To the end of this day (UTC).")
@click.option("--audit", "audited", is_flag=True, help="Add all calls up anew; 1 where budgets differ.")
@click.option("--ledger", "address", metavar="PATH|URL", help=_LEDGER_HELP)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def command(
    context: click.Context,
    by: tuple[By, ...],
    since: dt.datetime | None,
    until: dt.datetime | None,
    audited: bool,
    address: str | None,
    as_json: bool,
) -> None:
    """Show what was spent, what is reserved, and what waits for a person.

    SPENT is what was charged; RESERVED is held for calls under way and for outcomes without a price yet;
    UNKNOWN may have been charged, and nobody here knows. Such a call is never sent again: `spend settle`
    ends it.
    """
    if context.invoked_subcommand is not None:
        _refuse_own_options(context)
        return
    asked = Asked(
        by=by, since=since.date() if since else None, until=until.date() if until else None, audited=audited
    )
    if asked.since and asked.until and asked.until < asked.since:
        raise click.UsageError(f"--until {asked.until} is before --since {asked.since}; exchange them")
    with _opened(context.ensure_object(App), address) as ledger:
        found = gathered(ledger, asked)
    if as_json:
        echo_json(found.as_mapping())
    else:
        show(found)
    if found.faults:
        raise Failure("; ".join(found.faults))


command.examples = (
    "glyphstream spend",
    "glyphstream spend --by engine --since 2026-11-01 --json",
    "glyphstream spend settle 3fa9c1 --usd 0.04",
)
command.exits = (EXIT_OK, EXIT_FAILED, EXIT_USAGE)


@subverb(
    command,
    "settle",
    examples=(
        "glyphstream spend settle 3fa9c1 --usd 0.04 --reason 'on the invoice of 30 November'",
        "glyphstream spend settle 3fa9c1 --usd 0 --reason 'not on the invoice'",
    ),
)
@click.argument("call")
@click.option("--usd", required=True, metavar="USD", help="What the provider's bill says.")
@click.option("--reason", default="", help="How you know; it is kept with the call.")
@click.option("--ledger", "address", metavar="PATH|URL", help=_LEDGER_HELP)
@pass_app
def settle(app: App, call: str, usd: str, reason: str, address: str | None) -> None:
    """Say what a call of unknown outcome has cost.

    CALL is a name from `glyphstream spend`, or its beginning. With 0 dollars its job may be sent again; with
    more it has failed, and is paid for. A picture, a refusal or a failure without a price gets its price the
    same way.
    """
    from inference.engines.ledger import micros, spelled
    from inference.engines.ledger.reporting import find

    try:
        amount = micros(usd)
    except ValueError as error:
        raise click.UsageError(f"--{error}") from error
    with _opened(app, address) as ledger:
        row = find(ledger.database, call)
        settled = ledger.settle(row, _said_by_a_person(row, amount, reason))
    click.echo(f"call {settled.name}: {settled.state}, {spelled(amount)}")


def gathered(ledger: Ledger, asked: Asked) -> Spent:
    """What the verb shows; what waits is shown whatever days were asked for."""
    from inference.engines.ledger.reporting import audit, report, unpriced, waiting

    return Spent(
        ledger=ledger.database.name,
        asked=asked,
        lines=report(ledger.database, asked.by, since=asked.since, until=asked.until),
        waiting=waiting(ledger.database),
        unpriced=unpriced(ledger.database),
        faults=audit(ledger.database) if asked.audited else (),
    )


@contextmanager
def _opened(app: App, address: str | None) -> Iterator[Ledger]:
    """Raises:
    Failure: there is no such ledger, or it does not answer.
    """
    from inference.engines.ledger import Ledger, LedgerError

    place = address or app.settings().ledger_address
    try:
        ledger = Ledger.open(place, create=False)
        try:
            # Of calls whose workers left no other process may run to say so.
            ledger.recover()
            yield ledger
        finally:
            ledger.close()
    except LedgerError as error:
        raise Failure(str(error)) from error


def _said_by_a_person(row: Row, amount: int, reason: str) -> Answer:
    """Raises:
    Failure: the call waits for nobody.
    """
    from inference.engines.ledger import Answer, spelled

    said = f"settled by {getpass.getuser()}: {reason}".rstrip(": ")
    billed: Literal["billed", "never"] = "billed" if amount else "never"
    match row.state:
        case "unknown":
            return Answer(outcome="failed", micros=amount, kind="unknown", billed=billed, reason=said)
        case "image" | "refused" | "failed" if row.settled is None:
            return Answer(
                outcome=row.state,
                micros=amount,
                kind=row.kind,
                billed=billed,
                reason="; ".join(filter(None, [row.reason, said])),
                asset_uri=row.asset_uri,
                drawn_id=row.drawn_id,
            )
        case "intended" | "sent" | "accepted":
            raise Failure(f"call {row.name}: {row.worker} has it under way; it waits for nobody yet")
    raise Failure(f"call {row.name}: it is {row.state} at {spelled(row.committed)} and waits for nobody")


def _refuse_own_options(context: click.Context) -> None:
    for parameter in context.command.params:
        if not parameter.expose_value:
            continue  # an option of every verb, which may stand anywhere
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{parameter.opts[0]} belongs to `spend` alone; "
                f"put options of {context.invoked_subcommand!r} after its name"
            )
