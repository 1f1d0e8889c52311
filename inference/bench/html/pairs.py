"""Differences between engines in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from inference.bench.baseline import Report
from inference.bench.figures import COMPARED, Compared, Pair
from inference.bench.html import wording
from inference.bench.html.markup import Markup, el, joined

SURE: Final = 0.05
SHOWN: Final = 6
_TITLES: Final[Mapping[Compared, str]] = {
    "legibility": "Legibility",
    "accepted": "Accepted pictures",
    "seconds": "Seconds",
}
_BETTER: Final[Mapping[Compared, str]] = {
    "legibility": "reads better than",
    "accepted": "is accepted more often than",
    "seconds": "is faster than",
}
_SHOWN: Final[Mapping[Compared, wording.Show]] = {
    "legibility": wording.score,
    "accepted": wording.points,
    "seconds": wording.seconds,
}


def differences(report: Report) -> Markup:
    """A block for each measure: what can be told first, then what cannot."""
    emulated = {engine.engine: engine.figures.emulated for engine in report.engines}
    blocks = []
    for measure in COMPARED:
        found = [pair for pair in report.pairs if pair.measure == measure]
        if found:
            blocks.append(_block(measure, found, emulated))
    return el("div", blocks, class_="charts")


def told(pair: Pair) -> bool:
    """Whether the difference is more than luck, all pairs of engines taken together."""
    return pair.p_holm < SURE and pair.difference.value != 0


def _block(measure: Compared, pairs: Sequence[Pair], emulated: Mapping[str, bool]) -> Markup:
    sure = sorted((pair for pair in pairs if told(pair)), key=lambda pair: -abs(pair.difference.value))
    unsure = [pair for pair in pairs if not told(pair)]
    items = [el("li", sentence(pair, emulated)) for pair in (*sure, *unsure)]
    more = el("ul", items[SHOWN:], class_="differences")
    note = f"p corrected for {wording.counted(len(pairs), 'comparison')} (Holm)." if len(pairs) > 1 else None
    return el(
        "div",
        el("h3", _TITLES[measure]),
        el("ul", items[:SHOWN], class_="differences"),
        el("details", el("summary", f"{len(items) - SHOWN} more"), more) if items[SHOWN:] else None,
        el("p", note, class_="quiet") if note else None,
        class_="card",
    )


def sentence(pair: Pair, emulated: Mapping[str, bool]) -> Markup:
    show = _SHOWN[pair.measure]
    better = pair.difference.value < 0 if pair.measure == "seconds" else pair.difference.value > 0
    first, second = (
        wording.engine(name, emulated=emulated.get(name, False)) for name in (pair.first, pair.second)
    )
    if not told(pair):
        figures = _figures(pair, show, turned=False)
        pairs = wording.counted(pair.pairs, "pair")
        return joined((first, " and ", second, f": no difference can be told from {pairs}: ", figures))
    if not better:
        first, second = second, first
    return joined(
        (
            first,
            f" {_BETTER[pair.measure]} ",
            second,
            " on the same prompts: ",
            _figures(pair, show, turned=not better),
        )
    )


def _figures(pair: Pair, show: wording.Show, *, turned: bool) -> Markup:
    """The difference with its interval, as the better one less the other; and how sure it is."""
    low, high = pair.difference.low, pair.difference.high
    sign = -1.0 if turned else 1.0
    ends = [None if end is None else sign * end for end in ((high, low) if turned else (low, high))]

    def either(value: float) -> str:
        return wording.signed(value, show)

    value = el("b", wording.number(sign * pair.difference.value, either))
    interval = wording.between(ends[0], ends[1], either)
    return joined((value, f" ({interval}), {wording.probability(pair.p_holm)}"))
