"""What `glyphstream spend` shows: tables for people, one mapping for programs."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from streams.commands.terminal import cells, console, dollars, table

if TYPE_CHECKING:
    from rich.table import Table

    from inference.engines.ledger import Row
    from inference.engines.ledger.reporting import By, Line

MONEY = ("settled", "reserved", "doubtful", "above")
SHOWN = 20
SETTLE = "`glyphstream spend settle CALL --usd ...`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to show; both days are inclusive."""

    by: tuple[By, ...]
    since: dt.date | None
    until: dt.date | None
    audited: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What the ledger says. `faults`, where asked for, are counters that differ from the calls they count."""

    ledger: str
    asked: Asked
    lines: tuple[Line, ...]
    waiting: tuple[Row, ...]
    unpriced: tuple[Row, ...]
    faults: tuple[str, ...]

    def as_mapping(self) -> dict[str, object]:
        return {
            "ledger": self.ledger,
            "since": self.asked.since,
            "until": self.asked.until,
            "lines": [_line_as_mapping(line, self.asked.by) for line in self.lines],
            "waiting": [_row_as_mapping(row) for row in self.waiting],
            "unpriced": [_row_as_mapping(row) for row in self.unpriced],
            "faults": list(self.faults),
        }


def _line_as_mapping(line: Line, by: tuple[By, ...]) -> dict[str, object]:
    told = asdict(line)
    told.pop("group")
    money = {f"{name}_usd": told.pop(name) / 1_000_000 for name in MONEY}
    return {**dict(zip(by, line.group, strict=True)), **told, **money}


def _row_as_mapping(row: Row) -> dict[str, object]:
    ref = row.call.ref
    return {
        "call": row.name,
        "state": row.state,
        "source": ref.source,
        "id": ref.id,
        "variant": ref.variant,
        "run": ref.run,
        "ordinal": row.call.ordinal,
        "campaign": row.call.campaign,
        "engine": row.call.engine,
        "model": row.call.model,
        "emulated": row.call.emulated,
        "provider_id": row.provider_id,
        "intended_at": dt.datetime.fromtimestamp(row.intended_ms / 1000, dt.UTC),
        "reserved_usd": row.call.reserve / 1_000_000,
        "held": row.held,
        "reason": row.reason,
        "worker": row.worker,
    }


def show(found: Spent) -> None:
    output = console()
    for emulated in (False, True):
        lines = [line for line in found.lines if line.emulated is emulated]
        if lines:
            output.print(_spent(lines, found.asked.by, "Emulated: no money was spent" if emulated else ""))
    if not found.lines:
        output.print(f"{found.ledger}: nothing was spent in these days.", markup=False)
    for title, rows in (
        (f"Of unknown outcome, never sent again: {SETTLE}", found.waiting),
        (f"Without a price, still reserved: {SETTLE}", found.unpriced),
    ):
        if rows:
            output.print(_listed(title, rows[:SHOWN]))
        if len(rows) > SHOWN:
            output.print(f"{len(rows) - SHOWN} more; --json has all of them.")


def _spent(lines: list[Line], by: tuple[By, ...], title: str) -> Table:
    numbers = ("CALLS", "IMAGES", "REFUSED", "FAILED", "SPENT", "RESERVED", "UNKNOWN")
    shown = table(title, *(name.upper() for name in by), *numbers, right=numbers)
    for line in lines:
        shown.add_row(*cells(*(name or "-" for name in line.group), *_figures([line])))
    if len(lines) > 1 and by:
        shown.add_section()
        shown.add_row(*cells("all", *("" for _ in by[1:]), *_figures(lines)))
    return shown


def _figures(lines: list[Line]) -> tuple[str, ...]:
    counts = (sum(getattr(line, name) for line in lines) for name in ("calls", "images", "refused", "failed"))
    money = (sum(getattr(line, name) for line in lines) for name in ("settled", "reserved", "doubtful"))
    return (*map(str, counts), *(dollars(amount / 1_000_000) for amount in money))


def _listed(title: str, rows: tuple[Row, ...]) -> Table:
    shown = table(
        title, "CALL", "SINCE", "PROMPT", "ENGINE", "UP TO", "PROVIDER'S ID", "WHY", right=("UP TO",)
    )
    for row in rows:
        ref = row.call.ref
        shown.add_row(
            *cells(
                row.name,
                f"{dt.datetime.fromtimestamp(row.intended_ms / 1000, dt.UTC):%Y-%m-%d %H:%M}",
                f"{ref.source} {ref.id} {ref.variant}",
                row.call.engine + (", emulated" if row.call.emulated else ""),
                dollars(row.call.reserve / 1_000_000),
                row.provider_id or "-",
                "; ".join(filter(None, [row.held, row.reason])) or "-",
            )
        )
    return shown
