"""What the gate said, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from inference.bench.baseline import Report
from inference.bench.gate import Check
from inference.bench.html import wording
from inference.bench.html.markup import Markup, el, foreign, joined

_MUST: Final = {"<": "at least", "<=": "above", ">": "at most", ">=": "below"}

_LUCK: Final = {
    (True, True): "this could be luck",
    (True, False): "luck alone can hardly explain it",
    (False, True): "by luck alone it could have tripped",
    (False, False): "luck alone would hardly trip it",
}


def verdict(checks: Sequence[Check], report: Report, baseline: Report | None) -> Markup:
    """Where a check tripped, those that held are folded away."""
    tripped = sum(check.tripped for check in checks)
    title = (
        f"Gate: {tripped} of {wording.counted(len(checks), 'check')} tripped"
        if tripped
        else f"Gate: {wording.counted(len(checks), 'check')}, all held"
    )
    emulated = {engine.engine for engine in report.engines if engine.figures.emulated}
    items = {
        state: [_item(check, emulated=check.engine in emulated) for check in checks if check.tripped is state]
        for state in (True, False)
    }
    held = el("ul", items[False], class_="checks")
    folded = el("details", el("summary", f"{wording.counted(len(items[False]), 'check')} held"), held)
    return el(
        "section",
        el("h2", title),
        el("p", _against(baseline), class_="quiet") if baseline else None,
        el("ul", items[True], class_="checks") if tripped else None,
        (folded if tripped else held) if items[False] else None,
        id="gate",
        class_="tripped" if tripped else "held",
    )


def _against(baseline: Report) -> Markup:
    when = f"{baseline.made:%Y-%m-%d %H:%M %Z}" if baseline.made else "an unknown day"
    machine = foreign(baseline.conditions.machine)
    return joined((f"Compared with the baseline of {when}, measured on ", machine, "."))


def _item(check: Check, *, emulated: bool) -> Markup:
    state = "tripped" if check.tripped else "held"
    return el(
        "li",
        el(
            "p",
            wording.icon("cross" if check.tripped else "tick"),
            el("b", state),
            " ",
            wording.engine(check.engine, emulated=emulated),
            class_="by",
        ),
        el("p", sentence(check)),
        el("p", "Condition: ", el("code", check.condition.text or str(check.condition)), class_="quiet"),
        class_=state,
    )


def sentence(check: Check) -> str:
    """The check for somebody who does not read conditions."""
    name, show = wording.METRIC[check.condition.metric]
    if math.isnan(check.ours):
        return f"{name}: there is nothing to measure, so nothing speaks for the engine."
    must = f"it must be {_MUST[check.condition.comparison]} {wording.number(check.limit, show)}"
    before = "" if check.baseline is None else f" (baseline {wording.number(check.baseline, show)})"
    if check.condition.significantly:
        must += ", unless the difference could be luck"
    return f"{name} is {wording.number(check.ours, show)}; {must}{before}. {_margin(check, show)}"


def _margin(check: Check, show: wording.Show) -> str:
    def either(value: float) -> str:
        return wording.signed(value, apart)

    apart = wording.METRIC_APART.get(check.condition.metric, show)
    margin = check.margin
    told = f"{wording.number(margin.value, either)} ({wording.between(margin.low, margin.high, either)})"
    return f"From the limit: {told}; {_LUCK[check.tripped, check.could_be_luck]}."
