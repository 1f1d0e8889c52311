"""The figures as tables: ours by engine; first pictures beside finals beside the brief's own story."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from streams.commands.terminal import cells, table
from streams.demo.figures import EngineFigures, Share, Yardstick

BRIEF_SECONDS = "38 s -> 7 s"
BRIEF_READ = "62 % -> 91 %"
BRIEF_DOLLARS = "$120 -> $28"
NONE = "-"


def engine_table(rows: Sequence[EngineFigures]) -> Table:
    """A row an engine. Dollars of what the emulator drew are list prices that nobody paid."""
    shown = table(
        "Engines",
        "ENGINE", "DRAWN BY", "DRAWN", "S P50", "S P95", "LEGIBILITY", "$/1,000 DRAWN", "ACCEPTED",
        "$/1,000 ACCEPTED", "DOLLARS ARE",
        right=("DRAWN", "S P50", "S P95", "LEGIBILITY", "$/1,000 DRAWN", "ACCEPTED", "$/1,000 ACCEPTED"),
    )  # fmt: skip
    for row in rows:
        shown.add_row(
            *cells(
                row.engine,
                _drawn_by(row),
                f"{row.rendered}{f' + {row.found} found' if row.found else ''}",
                seconds(row.p50_s),
                seconds(row.p95_s),
                NONE if row.legibility is None else f"{row.legibility:.2f}",
                dollars(row.usd_per_1000_rendered),
                row.accepted,
                dollars(row.usd_per_1000_accepted),
                "list price, emulated" if row.emulated else "measured",
            )
        )
    return shown


def _drawn_by(row: EngineFigures) -> str:
    """Who plays the engine; where nobody does, the models, without what they were asked."""
    if row.emulated:
        return f"emulated {', '.join(name for name in row.resolved if name != row.engine)}".strip()
    return ", ".join(model.partition(" (")[0] for model in row.models) or "itself"


def yardstick_table(measured: Yardstick) -> Table:
    shown = table(
        "First pictures, finals, and the brief's story",
        "", "FIRST PICTURES", "FINALS", "THE BRIEF'S OWN STORY",
        right=("FIRST PICTURES", "FINALS", "THE BRIEF'S OWN STORY"),
    )  # fmt: skip
    shown.add_row(
        *cells(
            "seconds of rendering, median",
            seconds(measured.first_median_s),
            seconds(measured.final_median_s),
            BRIEF_SECONDS,
        )
    )
    shown.add_row(
        *cells(
            "expected texts read by OCR (95 %)",
            share(measured.first_read),
            share(measured.final_read),
            BRIEF_READ,
        )
    )
    shown.add_row(
        *cells(
            "dollars for 1,000 finals",
            f"{dollars(measured.usd_per_1000_hosted_only)} if all were hosted",
            dollars(measured.usd_per_1000),
            BRIEF_DOLLARS,
        )
    )
    return shown


NOTE = (
    "The last column is the story told in the brief, before -> after, not a measurement of ours. Where the "
    "emulator draws, seconds are its scripted delays, misspellings its dice, dollars list prices nobody paid."
)


def seconds(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f} s"


def dollars(value: float | None) -> str:
    if value is None:
        return NONE
    digits = 0 if value >= 10 else 2 if value >= 0.1 else 4
    return f"${value:,.{digits}f}"


def share(value: Share) -> str:
    if value.value is None or value.interval is None:
        return NONE
    low, high = value.interval
    return f"{value.hits} of {value.total}, {value.value:.0%} ({low:.0%} to {high:.0%})"
