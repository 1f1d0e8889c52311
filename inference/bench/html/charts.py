"""What a report's plots show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from inference.bench.baseline import EngineReport, Report
from inference.bench.figures import EngineFigures, Estimate, Group
from inference.bench.html import wording
from inference.bench.html.axis import Axis, shares, spanning
from inference.bench.html.markup import Markup, el, joined
from inference.bench.html.plots import Line, Mark, Point, dot_plot, histogram, scatter
from inference.bench.metrics import counted

_INTERVALS = "The line through a dot is its 95 % interval."


def charts(report: Report) -> Markup:
    """Legibility, seconds, and what money buys."""
    figures = [engine.figures for engine in report.engines]
    return el(
        "div",
        _card("Legibility", f"Further right reads better. {_INTERVALS}", _legibility(figures)),
        _card("Seconds for a picture", *_seconds(report.engines)),
        _card("What an accepted picture costs", *_money(figures)),
        class_="charts",
    )


def groups(report: Report, kind: Literal["script", "regions"]) -> Markup:
    """A panel for each kind of prompt with a line for each engine, all over one axis."""
    found: dict[str, list[tuple[EngineFigures, Group]]] = {}
    for engine in report.engines:
        own = engine.figures.by_script if kind == "script" else engine.figures.by_regions
        for group in own:
            found.setdefault(group.name, []).append((engine.figures, group))
    told = [
        name
        for name in sorted(found, key=_numbers_first)
        if any(group.legibility for _, group in found[name])
    ]
    silent = [name for name in sorted(found, key=_numbers_first) if name not in told]
    axis = shares(_lows(group.legibility for name in told for _, group in found[name]))
    named = wording.script if kind == "script" else wording.regions
    panels = [
        el("div", el("h4", named(name)), dot_plot([_line(*each) for each in found[name]], axis, _tenth))
        for name in told
    ]
    note = f"Nothing to judge, or no reader for it: {', '.join(map(named, silent))}."
    return joined(
        (
            *([el("div", panels, class_="panels card")] if panels else []),
            *([el("p", note, class_="quiet silent")] if silent else []),
        )
    )


def _card(title: str, note: str, *plot: Markup) -> Markup:
    return el("div", el("h3", title), el("p", note, class_="quiet"), plot, class_="card chart")


def _legibility(figures: Sequence[EngineFigures]) -> Markup:
    axis = shares(_lows(each.legibility for each in figures))
    lines = [
        Line(
            wording.tagged(each),
            wording.estimate(each.legibility, wording.score),
            _marks(each.legibility),
        )
        for each in figures
    ]
    return dot_plot(lines, axis, _tenth)


def _seconds(engines: Sequence[EngineReport]) -> tuple[str, Markup]:
    """The note, and the plot."""
    times = {
        engine.engine: [sample.seconds for sample in counted(engine.samples) if sample.rendered]
        for engine in engines
    }
    axis = spanning([second for each in times.values() for second in each])
    lines = [
        Line(
            wording.tagged(engine.figures),
            _times(engine.figures),
            (*_marks(engine.figures.seconds_p50), *_marks(engine.figures.seconds_p95, hollow=True)),
            histogram(times[engine.engine], axis),
        )
        for engine in engines
    ]
    note = (
        "Further left is faster. Filled dot: half of the pictures took at most this long (p50); "
        f"ring: 95 of 100 did (p95). Bars: how many pictures took how long.{_scale(axis)}"
    )
    return note, dot_plot(lines, axis, _plain)


def _times(figures: EngineFigures) -> Markup:
    found = (("p50", figures.seconds_p50), ("p95", figures.seconds_p95))
    return joined(
        (
            el("span", f"{name} ", el("b", wording.number(wording.value(each), wording.seconds)))
            for name, each in found
        ),
        " · ",
    )


def _money(figures: Sequence[EngineFigures]) -> tuple[str, Markup]:
    """The note, and the plot."""
    points = [point for each in figures if (point := _point(each)) is not None]
    left = [wording.tagged(each) for each in figures if _point(each) is None]
    across = spanning([point.across for point in points])
    note = (
        "Up: the share of pictures accepted. Right: dollars for 1,000 accepted, hosted and machines. "
        f"The best place is at the top left.{_scale(across)}"
    )
    drawn = []
    if points:
        said = "; ".join(
            f"{point.label}: {wording.percent(point.up.value)}, {wording.money(point.across)}"
            for point in points
        )
        up = shares(point.up.low for point in points)
        drawn.append(scatter(points, across, up, show=(_dollars, wording.percent), label=said))
    if left:
        drawn.append(el("p", "Nothing accepted, so not in the plot: ", joined(left, ", "), class_="quiet"))
    return note, joined(drawn)


def _point(figures: EngineFigures) -> Point | None:
    cost, share = wording.total(figures.usd_per_1000_accepted), figures.accepted
    if cost is None or share is None:
        return None
    name = f"{figures.engine} (emulated)" if figures.emulated else figures.engine
    return Point(name, cost, Mark(share.value, share.low, share.high))


def _line(figures: EngineFigures, group: Group) -> Line:
    share = "none judged" if group.accepted is None else f"{wording.percent(group.accepted.value)} accepted"
    of = f"of {wording.counted(group.samples, 'picture')}, but those that no reader can judge"
    score = el("b", wording.number(wording.value(group.legibility), wording.score))
    return Line(
        wording.tagged(figures),
        joined((score, el("span", share, class_="note", title=of)), " "),
        _marks(group.legibility),
    )


def _marks(found: Estimate | None, *, hollow: bool = False) -> tuple[Mark, ...]:
    if found is None:
        return ()
    return (Mark(found.value, found.low, found.high, "hollow" if hollow else "full"),)


def _lows(found: Iterable[Estimate | None]) -> list[float | None]:
    return [each.value if each.low is None else each.low for each in found if each is not None]


def _scale(axis: Axis) -> str:
    return " Logarithmic axis." if axis.log else ""


def _plain(value: float) -> str:
    return f"{value:g} s"


def _tenth(value: float) -> str:
    return f"{value:.1f}"


def _dollars(value: float) -> str:
    return f"${value:,.10g}"


def _numbers_first(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() else (0, name)
