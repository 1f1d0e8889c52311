"""Figures in words, the same everywhere on the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, Literal

from inference.bench.figures import Dollars, EngineFigures, Estimate
from inference.bench.html.markup import Markup, el, foreign
from inference.bench.metrics import Metric
from inference.bench.samples import NO_SCRIPT, Sample
from schemas.events import Outcome

# Keeps a unit on the line of its number.
GAP: Final = "\u00a0"
Icon = Literal["tick", "cross", "dash"]
Show = Callable[[float], str]
NOTHING: Final = el("span", "—", title="nothing to measure")
EMULATED: Final = el(
    "span", "emulated", class_="tag emulated", title="drawn by the emulator, not by the model itself"
)
OUTCOMES: Final[tuple[Outcome, ...]] = ("rendered", "refused", "failed", "expired", "cancelled")


def seconds(value: float) -> str:
    return (
        f"{value:,.0f}{GAP}s"
        if abs(value) >= 100
        else f"{value:.1f}{GAP}s"
        if abs(value) >= 10
        else f"{value:.2f}{GAP}s"
    )


def score(value: float) -> str:
    return f"{value:.2f}"


def percent(value: float) -> str:
    return f"{100 * value:.0f}{GAP}%"


def money(value: float) -> str:
    return f"${value:,.2f}" if value < 1_000 else f"${value:,.0f}"


def cents(value: float) -> str:
    """Of one picture."""
    return "$0" if value == 0 else "< $0.001" if value < 0.001 else f"${value:.3f}"


def signed(value: float, show: Show) -> str:
    """With its sign; a value that rounds to nothing has none."""
    shown = show(abs(value))
    return shown if shown == show(0.0) else ("+" if value > 0 else "−") + shown


def points(value: float) -> str:
    return f"{100 * value:.0f}{GAP}points"


def number(value: float | None, show: Show) -> str:
    """For running text: a dash where nothing was measured, "?" where nobody knows how far."""
    if value is None or math.isnan(value):
        return "—"
    return show(value) if math.isfinite(value) else "?"


def value(found: Estimate | None) -> float | None:
    return None if found is None else found.value


def between(low: float | None, high: float | None, show: Show) -> str:
    """`0.03 to 0.13 s`; an end of which nothing is known is a question mark."""
    first, last = ("?" if end is None or not math.isfinite(end) else show(end) for end in (low, high))
    unit = last.partition(GAP)[2]
    return f"{first.removesuffix(GAP + unit) if unit else first} to {last}"


def estimate(found: Estimate | None, show: Show) -> Markup:
    """The value, its 95 % interval smaller beside it."""
    if found is None or math.isnan(found.value):
        return NOTHING
    interval = el("span", f"({between(found.low, found.high, show)})", class_="interval")
    return Markup(el("b", number(found.value, show)) + " " + interval)


def dollars(found: Dollars | None) -> Markup:
    if found is None:
        return NOTHING
    parts = f"hosted {money(found.hosted)}, machines {money(found.infrastructure)}"
    whole = el("b", money(found.hosted + found.infrastructure))
    return Markup(whole + " " + el("span", parts, class_="note"))


def total(found: Dollars | None) -> float | None:
    return None if found is None else found.hosted + found.infrastructure


def icon(name: Icon) -> Markup:
    """A sign drawn once in the page; words stand beside it wherever it is used."""
    return el("svg", el("use", href=f"#{name}"), class_=f"icon {name}", aria_hidden="true")


def engine(name: str, *, emulated: bool) -> Markup:
    shown = foreign(name, "bdi", class_="engine")
    return Markup(shown + " " + EMULATED) if emulated else shown


def tagged(figures: EngineFigures) -> Markup:
    return engine(figures.engine, emulated=figures.emulated)


def counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def outcomes(figures: EngineFigures) -> str:
    known = [f"{figures.outcomes[each]:,} {each}" for each in OUTCOMES if figures.outcomes.get(each)]
    other = [f"{count:,} {name}" for name, count in sorted(figures.outcomes.items()) if name not in OUTCOMES]
    return ", ".join(known + other) or "—"


def script(name: str) -> str:
    return "no letters" if name == NO_SCRIPT else name


def regions(name: str) -> str:
    return "no text" if name == "0" else counted(int(name), "text") if name.isdigit() else name


def probability(p: float) -> str:
    return f"p{GAP}<{GAP}0.001" if p < 0.001 else f"p{GAP}{p:.2g}" if p < 0.1 else f"p{GAP}{p:.2f}"


def accepted(sample: Sample) -> str:
    if not sample.rendered:
        return "no picture"
    if sample.accepted is None:
        return "no reader can judge it"
    return "accepted" if sample.accepted else "not accepted"


def _finer(value: float) -> str:
    return f"{value:.3f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}{GAP}%"


def _points(value: float) -> str:
    return f"{100 * value:.1f}{GAP}points"


METRIC: Final[Mapping[Metric, tuple[str, Show]]] = {
    "legibility": ("Legibility", _finer),
    "recall": ("Recall", _finer),
    "critical_exact": ("Share with every critical text exact", _percent),
    "accepted": ("Accepted", _percent),
    "rendered": ("Rendered", _percent),
    "p50": ("Seconds (p50)", seconds),
    "p95": ("Seconds (p95)", seconds),
    "usd_per_1000_rendered": ("Dollars per 1,000 rendered", money),
    "usd_per_1000_accepted": ("Dollars per 1,000 accepted", money),
}
# How far apart two values are, where that is said otherwise than the values.
METRIC_APART: Final[Mapping[Metric, Show]] = {
    "critical_exact": _points,
    "accepted": _points,
    "rendered": _points,
}
