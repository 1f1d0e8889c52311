"""The page's figure: how the learning policy nears one who knows, and where hybrid is the wrong choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from inference.typography import canvas
from inference.typography.canvas import Point
from inference.typography.paint import Words, draw
from streams.demo.sheet.lettering import Align, Rgb, letter

PAPER: Rgb = (250, 249, 246)
INK: Rgb = (24, 26, 31)
QUIET: Rgb = (112, 114, 120)
HAIR: Rgb = (222, 219, 210)
BAND: Rgb = (240, 205, 205)
COLOURS: dict[str, Rgb] = {
    "expected": (196, 38, 46),
    "hybrid": (24, 26, 31),
    "local-first": (46, 110, 160),
    "hosted-first": (160, 120, 40),
}
WIDTH, HEIGHT, MARGIN = 1_600, 800, 60
TOP, BOTTOM = 190, 680


@dataclass(frozen=True, slots=True)
class Plot:
    """A rectangle of the sheet, and what its edges stand for."""

    left: float
    right: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> Point:
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + across * (self.right - self.left), BOTTOM - up * (BOTTOM - TOP)


@dataclass(slots=True)
class _Sheet:
    words: list[Words] = field(default_factory=list)
    lines: list[tuple[Sequence[Point], Rgb, float]] = field(default_factory=list)

    def write(
        self, text: str, x: float, y: float, *, size: float = 20, rgb: Rgb = INK, weight: int = 400,
        align: Align = "left",
    ) -> None:  # fmt: skip
        self.words.append(letter(text, x, y, size=size, rgb=rgb, width=WIDTH, weight=weight, align=align))

    def line(self, points: Sequence[Point], rgb: Rgb, width: float) -> None:
        self.lines.append((points, rgb, width))


def picture(
    curves: Sequence[Sequence[float]],
    block: int,
    halved_at: int,
    worths: Sequence[float],
    whole: dict[str, list[float]],
) -> bytes:
    """PNG. `curves` are cost ratios by block of prompts, one for each seed; `whole` is by `worths`."""
    sheet = _Sheet()
    _learning(sheet, np.array(curves), block, halved_at)
    _worth(sheet, worths, whole)
    pixels, surface = canvas.sheet(WIDTH, HEIGHT)
    surface.drawPaint(canvas.fill(PAPER))
    for points, rgb, width in sheet.lines:
        for start, end in pairwise(points):
            surface.drawLine(*start, *end, canvas.line(rgb, width))
    draw(pixels, (), sheet.words)
    return canvas.to_png(pixels)


def _learning(sheet: _Sheet, curves: np.ndarray, block: int, halved_at: int) -> None:
    count = curves.shape[1]
    top = max(1.3, float(np.ceil(np.quantile(curves, 0.9, axis=0).max() * 20) / 20))
    plot = Plot(MARGIN + 80, WIDTH / 2 - 50, (0, count * block), (0.95, top))
    sheet.write("Learning the rates", MARGIN, 70, size=34, weight=700)
    sheet.write("cost of an accepted image over that of one who knows every rate;", MARGIN, 104, rgb=QUIET)
    sheet.write(f"median of {len(curves)} seeds, the middle 80 % as bars", MARGIN, 132, rgb=QUIET)
    for value in np.arange(1.0, top + 0.001, 0.05):
        sheet.line((plot.at(0, value), plot.at(count * block, value)), HAIR, 1.5)
        x, y = plot.at(0, value)
        sheet.write(f"{value:.2f}", x - 14, y + 7, size=17, rgb=QUIET, align="right")
    limit = plot.at(0, 1.1), plot.at(count * block, 1.1)
    sheet.line(limit, QUIET, 3)
    sheet.write("10 % more", limit[1][0], limit[1][1] - 10, size=17, rgb=QUIET, align="right")
    sheet.line((plot.at(halved_at, 0.95), plot.at(halved_at, top)), QUIET, 2)
    x, y = plot.at(halved_at, top)
    sheet.write("an engine's rate is", x - 10, y + 18, size=17, rgb=QUIET, align="right")
    sheet.write("halved, unannounced", x - 10, y + 40, size=17, rgb=QUIET, align="right")
    places = (np.arange(count) + 0.5) * block
    for place, low, high in zip(places, *np.quantile(curves, (0.1, 0.9), axis=0), strict=True):
        sheet.line((plot.at(place, low), plot.at(place, high)), BAND, 14)
    middle = np.median(curves, axis=0)
    sheet.line([plot.at(x, y) for x, y in zip(places, middle, strict=True)], COLOURS["expected"], 4)
    for tick in range(0, count * block + 1, 1_000):
        x, y = plot.at(tick, 0.95)
        sheet.write(f"{tick:,}", x - 20, y + 30, size=17, rgb=QUIET)
    sheet.write("prompts", plot.left, BOTTOM + 62, size=17, rgb=QUIET)


def _worth(sheet: _Sheet, worths: Sequence[float], whole: dict[str, list[float]]) -> None:
    top = float(np.ceil(max(map(max, whole.values())) / 100) * 100)
    plot = Plot(WIDTH / 2 + 110, WIDTH - MARGIN - 150, (worths[0], worths[-1]), (0, top))
    left = WIDTH / 2 + 30
    sheet.write("Where hybrid is the wrong choice", left, 70, size=34, weight=700)
    sheet.write("whole cost of 1,000 prompts, persons included, by what it is worth", left, 104, rgb=QUIET)
    sheet.write("that words are drawn with the picture and not set over it", left, 132, rgb=QUIET)
    for value in range(0, int(top) + 1, 100):
        sheet.line((plot.at(worths[0], value), plot.at(worths[-1], value)), HAIR, 1.5)
        x, y = plot.at(worths[0], value)
        sheet.write(f"${value}", x - 14, y + 7, size=17, rgb=QUIET, align="right")
    for tick in worths:
        if round(tick * 10) == tick * 10:
            x, y = plot.at(tick, 0)
            sheet.write(f"${tick:.2f}", x - 18, y + 30, size=17, rgb=QUIET)
    for name, values in whole.items():
        rgb = COLOURS[name]
        sheet.line([plot.at(x, y) for x, y in zip(worths, values, strict=True)], rgb, 4)
        x, y = plot.at(worths[-1], values[-1])
        sheet.write(name, x + 14, y + 7, rgb=rgb, weight=600)
    crossing = crossing_at(worths, whole["hybrid"], whole["local-first"])
    if crossing is not None:
        sheet.line((plot.at(crossing, 0), plot.at(crossing, top)), QUIET, 2)
        x, y = plot.at(crossing, top)
        told = f"below ${crossing:.2f} local-first costs less than hybrid"
        sheet.write(told, x + 10, y + 18, size=17, rgb=QUIET)
    sheet.write("dollars a picture", plot.left, BOTTOM + 62, size=17, rgb=QUIET)


def crossing_at(at: Sequence[float], one: Sequence[float], other: Sequence[float]) -> float | None:
    """Where `one` begins to be the cheaper, by straight lines between; None where it never does."""
    gaps = [a - b for a, b in zip(one, other, strict=True)]
    for (x0, gap0), (x1, gap1) in pairwise(zip(at, gaps, strict=True)):
        if gap0 > 0 >= gap1:
            return x0 + (x1 - x0) * gap0 / (gap0 - gap1)
    return None
