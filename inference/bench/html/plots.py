"""Plots as SVG whose lengths are percent, so that type keeps its size however narrow the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from inference.bench.html.axis import Axis
from inference.bench.html.markup import Markup, cut, el
from inference.bench.html.wording import Show

_TRACK: Final = 22.0
_MIDDLE: Final = 11.0
_BARS: Final = 26.0
_LABEL: Final = 17.0
# Hundredths of a narrow plot's width that a letter of a name takes, and the room between dot and name.
_LETTER: Final = 2.6
_ROOM: Final = 4.0
# Names stand above their dots, so that a dot beside it at the same height is not written over.
_RAISED: Final = 8.0
_GUTTER: Final = 10.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A value with the ends of its interval, None where nothing is known of an end."""

    value: float
    low: float | None
    high: float | None
    kind: Literal["full", "hollow"] = "full"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a dot plot. `said` is the same in words; `bars` are heights from 0 to 1 along the axis."""

    label: Markup
    said: Markup
    marks: tuple[Mark, ...] = ()
    bars: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """One place in a scatter plot, with the vertical interval."""

    label: str
    across: float
    up: Mark


def dot_plot(lines: Sequence[Line], axis: Axis, show: Show) -> Markup:
    """A row a line: label, track, words; the axis below. What is drawn is also written, so it is hidden
    from screen readers."""
    rows = [
        el(
            "li",
            el("div", line.label, class_="label"),
            el("div", line.said, class_="said"),
            _track(line, axis),
        )
        for line in lines
    ]
    return el("ul", rows, el("li", _ticks(axis, show), class_="axis", aria_hidden="true"), class_="dots")


def histogram(values: Sequence[float], axis: Axis, bins: int = 60) -> tuple[float, ...]:
    """How many values stand in each part of the axis, the fullest being 1."""
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int(axis.place(value) / 100 * bins))] += 1
    most = max(counts, default=0)
    return tuple(count / most for count in counts) if most else ()


def scatter(
    points: Sequence[Point],
    across: Axis,
    up: Axis,
    *,
    show: tuple[Show, Show],
    label: str,
) -> Markup:
    """Labelled points; labels that would lie on each other are moved apart."""
    height = 240.0 + _LABEL * len(points)
    top, bottom = 14.0, height - 26.0

    def level(value: float) -> float:
        return bottom - (bottom - top) * up.place(value) / 100

    grid = [
        el("line", x1="0%", x2="100%", y1=level(tick), y2=level(tick), class_="grid") for tick in up.ticks
    ]
    names = [el("text", show[1](tick), x="0%", y=level(tick) - 4, class_="tick") for tick in up.ticks]
    foot = [
        el(
            "text",
            show[0](tick),
            x=_across(across, tick),
            y=height - 6,
            class_="tick",
            text_anchor="end" if tick == across.high else "middle",
        )
        for tick in across.ticks
    ]
    dots = [_dot(point, across, level) for point in points]
    labels = _labels(points, across, level)
    return el(
        "svg", grid, foot, names, labels, dots, class_="scatter", width="100%", height=height, role="img",
        aria_label=label,
    )  # fmt: skip


def _track(line: Line, axis: Axis) -> Markup:
    above = _BARS if line.bars else 0.0
    middle = above + _MIDDLE
    drawn = [
        el(
            "line",
            x1=_percent(axis.place(tick)),
            x2=_percent(axis.place(tick)),
            y1=0,
            y2=above + _TRACK,
            class_="grid",
        )
        for tick in axis.ticks
    ]
    wide = 100 / len(line.bars) if line.bars else 0.0
    drawn += [
        el("rect", x=_percent(place * wide), y=above - height * above + 2, width=_percent(wide * 0.8),
           height=height * above, class_="bar")
        for place, height in enumerate(line.bars)
        if height
    ]  # fmt: skip
    for mark in line.marks:
        drawn += _interval(mark, axis, middle)
    drawn += [
        el("circle", cx=_percent(axis.place(mark.value)), cy=middle, r=5, class_=f"dot {mark.kind}")
        for mark in line.marks
    ]
    return el("svg", drawn, width="100%", height=above + _TRACK, class_="track", aria_hidden="true")


def _interval(mark: Mark, axis: Axis, middle: float) -> list[Markup]:
    """The whisker; an open end runs to the end of the axis, dashed."""
    known = mark.low is not None and mark.high is not None
    low = axis.place(axis.low if mark.low is None else mark.low)
    high = axis.place(axis.high if mark.high is None else mark.high)
    kind = "whisker" if known else "whisker open"
    return [el("line", x1=_percent(low), x2=_percent(high), y1=middle, y2=middle, class_=kind)]


def _ticks(axis: Axis, show: Show) -> Markup:
    labels = [
        el("text", show(tick), x=_percent(axis.place(tick)), y=13, class_="tick", text_anchor=anchor)
        for tick, anchor in zip(axis.ticks, _anchors(axis), strict=True)
    ]
    return el("svg", labels, width="100%", height=18)


def _anchors(axis: Axis) -> list[str]:
    """Labels at the ends of the axis stay within it."""
    places = [axis.place(tick) for tick in axis.ticks]
    return ["start" if place < 4 else "end" if place > 96 else "middle" for place in places]


def _dot(point: Point, across: Axis, level: Callable[[float], float]) -> Markup:
    x = _across(across, point.across)
    drawn = [el("circle", cx=x, cy=level(point.up.value), r=6, class_="dot full")]
    if point.up.low is not None and point.up.high is not None:
        ends = level(point.up.low), level(point.up.high)
        drawn.insert(0, el("line", x1=x, x2=x, y1=ends[0], y2=ends[1], class_="whisker"))
    return el("g", el("title", point.label), drawn)


def _labels(points: Sequence[Point], across: Axis, level: Callable[[float], float]) -> list[Markup]:
    """Above the dots, towards the middle of the plot; one below another where they could meet there."""
    left = [point for point in points if across.place(point.across) <= 55]
    right = [point for point in points if across.place(point.across) > 55]
    ends = [across.place(point.across) + _wide(point) for point in left]
    starts = [across.place(point.across) - _wide(point) for point in right]
    apart = max(ends, default=0.0) < min(starts, default=100.0)
    labels = []
    for group in (left, right) if apart else ([*left, *right],):
        own = sorted(group, key=lambda point: (level(point.up.value), point.label))
        heights = _spaced([level(point.up.value) - _RAISED for point in own], level(0.0) - 4)
        labels += [
            el(
                "text",
                _name(point),
                x=_across(across, point.across),
                dx=-8 if point in right else 8,
                y=height,
                text_anchor="end" if point in right else "start",
                class_="name",
            )
            for point, height in zip(own, heights, strict=True)
        ]
    return labels


def _wide(point: Point) -> float:
    return _ROOM + _LETTER * len(_name(point))


def _name(point: Point) -> str:
    return cut(point.label, 36)


def _spaced(heights: Sequence[float], lowest: float) -> list[float]:
    """Sorted heights moved apart by a line at least, downwards; those pushed below `lowest` push back up."""
    spaced: list[float] = []
    for height in heights:
        spaced.append(max(height, spaced[-1] + _LABEL) if spaced else height)
    limit = lowest
    for place in reversed(range(len(spaced))):
        spaced[place] = min(spaced[place], limit)
        limit = spaced[place] - _LABEL
    return spaced


def _across(axis: Axis, value: float) -> str:
    """Right of the labels of the other axis."""
    return _percent(_GUTTER + (100 - _GUTTER) * axis.place(value) / 100)


def _percent(share: float) -> str:
    return f"{share:.2f}%"
