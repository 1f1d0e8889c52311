"""The figures as one picture: bars of speed and of CPU, and latencies by percentile."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from inference.typography import canvas
from inference.typography.canvas import Point
from inference.typography.paint import Bar, Words, draw
from streams.demo.sheet.lettering import Align, Rgb, letter
from tests.bench import targets
from tests.bench.figures import Spread
from tests.bench.targets import Figures, Series

PAPER: Rgb = (250, 249, 246)
INK: Rgb = (24, 26, 31)
QUIET: Rgb = (112, 114, 120)
HAIR: Rgb = (222, 219, 210)
OURS: Rgb = (196, 38, 46)
THEIRS: Rgb = (150, 152, 158)
WIDTH, MARGIN = 1_600, 60
ROW, BAR = 54, 26
LABEL = 330
PLOT_HEIGHT = 420


@dataclass(slots=True)
class _Drawing:
    bars: list[Bar]
    words: list[Words]
    lines: list[tuple[Sequence[Point], Rgb, float]]

    def write(
        self, text: str, x: float, y: float, *, size: float = 20, rgb: Rgb = INK, weight: int = 400,
        align: Align = "left",
    ) -> None:  # fmt: skip
        self.words.append(letter(text, x, y, size=size, rgb=rgb, width=WIDTH, weight=weight, align=align))


def picture(found: Figures) -> bytes:
    """PNG; parts that were not measured are left out."""
    drawing = _Drawing([], [], [])
    y = float(MARGIN)
    if "routing" in found:
        y = _routing(drawing, targets.measured(found["routing"]), y)
    if "latency" in found:
        y = _latency(drawing, found["latency"], y)
    pixels, surface = canvas.sheet(WIDTH, round(y))
    surface.drawPaint(canvas.fill(PAPER))
    draw(pixels, drawing.bars, ())
    for points, rgb, width in drawing.lines:
        for start, end in pairwise(points):
            surface.drawLine(*start, *end, canvas.line(rgb, width))
    draw(pixels, (), drawing.words)
    return canvas.to_png(pixels)


def _routing(drawing: _Drawing, series: Sequence[Series], top: float) -> float:
    drawing.write("The routing stage", MARGIN, top + 30, size=34, weight=700)
    drawing.write(
        "medians, least to most as a thin line; the same job, the same broker, in turns",
        MARGIN, top + 64, rgb=QUIET,
    )  # fmt: skip
    shown = [each for each in series if each.same_job]
    width = (WIDTH - 2 * MARGIN - LABEL) / 2 - 40
    left, right = MARGIN + LABEL, MARGIN + LABEL + width + 60
    top += 110
    drawing.write("events/s: more is better", left, top, weight=600)
    drawing.write("CPU µs an event: less is better", right, top, weight=600)
    slowest = max(Spread.of(each.cpu_us).median for each in shown)
    # One at a time costs so much more that on a linear scale nothing else could be told apart.
    roof = min(slowest, 3 * sorted(Spread.of(each.cpu_us).median for each in shown)[-2])
    fastest = max(max(each.rates) for each in shown)
    for place, each in enumerate(shown):
        y = top + 24 + place * ROW
        rgb = OURS if each.name == "glyphstream" else THEIRS
        bold = 600 if rgb is OURS else 400
        drawing.write(each.name, MARGIN, y + 19, weight=bold)
        note = "at-least-once, " if each.name == "FastStream" else ""
        drawing.write(note + each.setting, MARGIN, y + 40, size=16, rgb=QUIET)
        _bar(drawing, left, y, width - 110, each.rates, fastest, rgb, "{:,.0f}".format)
        _bar(drawing, right, y, width - 110, each.cpu_us, roof, rgb, "{:,.0f} µs".format)
    return top + 24 + len(shown) * ROW + 50


def _bar(
    drawing: _Drawing, left: float, top: float, width: float, values: Sequence[float], roof: float, rgb: Rgb,
    form: Callable[[float], str],
) -> None:  # fmt: skip
    found = Spread.of(values)
    length = min(1.0, found.median / roof) * width
    drawing.bars.append(Bar((left, top, max(length, 2), BAR), rgb, 3))
    beyond = found.median > roof
    if beyond:
        for step in (40, 52):
            drawing.lines.append(
                (((left + length - step, top + BAR + 4), (left + length - step + 14, top - 4)), PAPER, 5)
            )
    ends = [left + min(1.0, value / roof) * width for value in (found.least, found.most)]
    if not beyond:
        drawing.lines.append((((ends[0], top + BAR + 6), (ends[1], top + BAR + 6)), INK, 2))
    drawing.write(form(found.median), max(left + length, left + 2) + 10, top + 20, size=19)


def _latency(drawing: _Drawing, found: Figures, top: float) -> float:
    drawing.write(f"Latency at {found['rate']:,} events/s", MARGIN, top + 30, size=34, weight=700)
    drawing.write(
        "prompt produced to job in a read_committed reader's hand; share of events by milliseconds",
        MARGIN, top + 64, rgb=QUIET,
    )  # fmt: skip
    left, right = MARGIN + 90.0, WIDTH - MARGIN - 60.0
    top += 100
    bottom = top + PLOT_HEIGHT
    curves = {entry["name"]: entry["curve_ms"] for entry in found["contestants"]}
    least = min(curve[0] for curve in curves.values())
    most = max(curve[-1] for curve in curves.values())
    low, high = math.log10(least * 0.8), math.log10(most * 1.2)

    def across(value: float) -> float:
        return left + (math.log10(value) - low) / (high - low) * (right - left)

    for share in (0.0, 0.5, 0.9, 0.99):
        y = bottom - share * PLOT_HEIGHT
        drawing.lines.append((((left, y), (right, y)), HAIR, 1.5))
        drawing.write(f"p{share * 100:g}", left - 14, y + 7, size=17, rgb=QUIET, align="right")
    for tick in _ticks(10**low, 10**high):
        x = across(tick)
        drawing.lines.append((((x, top), (x, bottom)), HAIR, 1))
        drawing.write(f"{tick:g} ms", x - 16, bottom + 28, size=17, rgb=QUIET)
    for row, entry in enumerate(found["contestants"]):
        curve = entry["curve_ms"]
        rgb = OURS if entry["name"] == "glyphstream" else THEIRS
        points = [
            (across(value), bottom - (step + 1) / 1_000 * PLOT_HEIGHT) for step, value in enumerate(curve)
        ]
        drawing.lines.append((points, rgb, 4))
        half, tail = entry["percentiles_ms"]["50"], entry["percentiles_ms"]["99"]
        drawing.write(
            f"{entry['name']}: p50 {half:.1f} ms, p99 {tail:.1f} ms", right - 8, bottom - 70 + 34 * row,
            rgb=rgb, weight=600, align="right",
        )  # fmt: skip
    return bottom + 70


def _ticks(low: float, high: float) -> list[float]:
    steps = [factor * 10**power for power in range(-1, 6) for factor in (1, 2, 5)]
    return [step for step in steps if low <= step <= high]
