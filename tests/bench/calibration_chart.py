"""The calibration's pictures: curves, and a sheet of every flaw at every severity."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image

from inference.legibility.calibration.drawing import picture
from inference.legibility.calibration.flaws import FLAWS, Trial
from inference.legibility.calibration.posters import Sketch
from inference.legibility.pixels import decode
from inference.typography import canvas
from inference.typography.canvas import Pixels, Point
from inference.typography.paint import Bar, Words, draw
from streams.demo.sheet.lettering import Align, Rgb, letter
from tests.bench.calibration_figures import Figures
from tests.bench.chart import HAIR, INK, OURS, PAPER, QUIET, THEIRS

WIDTH, MARGIN = 1_600, 60
FINE: Rgb = (20, 122, 74)
PLOT = 560
ROW = 30
COLUMNS, CELL, CAPTION = 8, (190, 232), 62
TONES = 192


class _Sheet:
    """Bars, lines and words, collected and then drawn on paper of the height they need."""

    def __init__(self) -> None:
        self.bars: list[Bar] = []
        self.words: list[Words] = []
        self.lines: list[tuple[Sequence[Point], Rgb, float]] = []

    def write(
        self, text: str, x: float, y: float, *, size: float = 19, rgb: Rgb = INK, weight: int = 400,
        align: Align = "left", width: float = WIDTH,
    ) -> None:  # fmt: skip
        self.words.append(letter(text, x, y, size=size, rgb=rgb, width=width, weight=weight, align=align))

    def line(self, points: Sequence[Point], rgb: Rgb, width: float) -> None:
        self.lines.append((points, rgb, width))

    def dot(self, x: float, y: float, radius: float, rgb: Rgb) -> None:
        self.bars.append(Bar((x - radius, y - radius, 2 * radius, 2 * radius), rgb, radius))

    def drawn(self, height: float) -> Pixels:
        pixels, surface = canvas.sheet(WIDTH, round(height))
        surface.drawPaint(canvas.fill(PAPER))
        for points, rgb, width in self.lines:
            for start, end in pairwise(points):
                surface.drawLine(*start, *end, canvas.line(rgb, width))
        draw(pixels, self.bars, self.words)
        return pixels


def curves(found: Figures) -> bytes:
    """Reliability and AUC beside the published formulas, and AUC by flaw; a PNG."""
    sheet = _Sheet()
    held_out = found["held_out"]
    sheet.write("Held-out fonts and scripts", MARGIN, 90, size=34, weight=700)
    sheet.write(
        f"{held_out['posters']} posters, {held_out['pictures']:,} pictures, score {found['version']}; "
        "thin lines are 95 % intervals over posters",
        MARGIN, 124, rgb=QUIET,
    )  # fmt: skip
    _reliability(sheet, held_out["reliability"], MARGIN + 50, 190)
    _formulas(sheet, held_out["versus"], MARGIN + 50 + PLOT + 130, 190)
    bottom = _flaws(sheet, held_out["flaws"], 190 + PLOT + 130)
    return canvas.to_png(sheet.drawn(bottom))


def _reliability(sheet: _Sheet, bins: Sequence[Figures], left: float, top: float) -> None:
    sheet.write("Reliability: share truly right by score", left - 50, top - 16, weight=600)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y, x = top + PLOT * (1 - share), left + PLOT * share
        sheet.line(((left, y), (left + PLOT, y)), HAIR, 1.5)
        sheet.write(f"{share:g}", left - 10, y + 6, size=16, rgb=QUIET, align="right")
        sheet.write(f"{share:g}", x - 8, top + PLOT + 26, size=16, rgb=QUIET)
    sheet.line(((left, top + PLOT), (left + PLOT, top)), HAIR, 3)
    most = max(each["count"] for each in bins)
    points = [(left + PLOT * each["score"], top + PLOT * (1 - each["right"])) for each in bins]
    sheet.line(points, OURS, 3)
    for (x, y), each in zip(points, bins, strict=True):
        sheet.dot(x, y, 5 + 13 * (each["count"] / most) ** 0.5, OURS)


def _formulas(sheet: _Sheet, versus: Figures, left: float, top: float) -> None:
    sheet.write("AUC, clean against defective", left, top - 16, weight=600)
    rows = [("glyphstream", versus["ours"]), *versus["formulas"].items()]
    low = min(0.5, *(row[1][1] for row in rows))
    width = WIDTH - MARGIN - left - 190

    def across(value: float) -> float:
        return float(left + 180 + (value - low) / (1 - low) * width)

    tall = len(rows) * 72
    for tick in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        sheet.line(((across(tick), top), (across(tick), top + tall)), HAIR, 1.5)
        sheet.write(f"{tick:g}", across(tick) - 12, top + tall + 26, size=16, rgb=QUIET)
    for place, (name, (value, least, most)) in enumerate(rows):
        y = top + 36 + place * 72
        rgb = OURS if not place else THEIRS
        sheet.write(name, left, y + 7, weight=600 if not place else 400)
        sheet.line(((across(least), y), (across(most), y)), rgb, 3)
        sheet.dot(across(value), y, 9, rgb)
        sheet.write(f"{value:.3f}", across(value) - 22, y - 16, size=16, rgb=rgb)
    ahead = versus["lead"]
    sheet.write(
        f"lead over the best of the five: {ahead[0]:+.3f} ({ahead[1]:+.3f} to {ahead[2]:+.3f})",
        left, top + tall + 62, size=18, rgb=QUIET,
    )  # fmt: skip


def _flaws(sheet: _Sheet, flaws: Sequence[Figures], top: float) -> float:
    sheet.write("By flaw and severity", MARGIN, top, size=34, weight=700)
    sheet.write(
        "AUC against clean posters. Red: a person would reject it, 1 is wanted."
        " Green: a person would pass it, 0.5 is wanted.",
        MARGIN, top + 34, rgb=QUIET,
    )  # fmt: skip
    left, right = MARGIN + 560, WIDTH - MARGIN - 170
    top += 64
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = left + tick * (right - left)
        sheet.line(((x, top), (x, top + len(flaws) * ROW)), HAIR, 1.5)
        sheet.write(f"{tick:g}", x - 12, top + len(flaws) * ROW + 24, size=16, rgb=QUIET)
    for place, flaw in enumerate(flaws):
        y = top + ROW * (place + 0.5)
        rgb = FINE if flaw["legible"] else OURS
        value, least, most = (left + share * (right - left) for share in flaw["auc"])
        sheet.write(f"{flaw['kind']} {flaw['severity']}", MARGIN, y + 6, size=17, weight=600)
        sheet.write(flaw["says"], MARGIN + 150, y + 6, size=17, rgb=QUIET)
        sheet.line(((least, y), (most, y)), rgb, 2)
        sheet.dot(value, y, 6, rgb)
        taken = f"{flaw['accepted']} of {flaw['pictures']} accepted"
        sheet.write(taken, WIDTH - MARGIN, y + 6, size=16, rgb=QUIET, align="right")
    return top + len(flaws) * ROW + 60


def flaw_sheet(sketches: Sequence[Sketch]) -> bytes:
    """Every flaw at every severity, each on another poster, with what a person would say; a PNG."""
    trials = [
        Trial(sketches[place * 5 % len(sketches)], flaw, place // len(sketches))
        for place, flaw in enumerate(FLAWS)
    ]
    rows = -(-len(trials) // COLUMNS)
    tall = CELL[1] + CAPTION
    sheet = _Sheet()
    shown: list[tuple[Image.Image, int, int]] = []
    for place, trial in enumerate(trials):
        flaw = trial.flaw
        assert flaw is not None
        x, y = 20 + place % COLUMNS * (CELL[0] + 8), 20 + place // COLUMNS * tall
        image = decode(picture(trial))
        image.thumbnail(CELL, Image.Resampling.LANCZOS)
        shown.append((image, x, y))
        caption = y + image.height + 18
        rgb = FINE if flaw.legible else OURS
        sheet.write(f"{flaw.kind} {flaw.severity}", x, caption, size=15, weight=600, rgb=rgb, width=CELL[0])
        sheet.write(flaw.says, x, caption + 18, size=12, rgb=QUIET, width=CELL[0])
    pixels = sheet.drawn(20 + rows * tall)
    for image, x, y in shown:
        pixels[y : y + image.height, x : x + image.width, :3] = np.asarray(image)
    out = io.BytesIO()
    Image.fromarray(pixels[..., :3]).quantize(TONES).save(out, "PNG", optimize=True)
    return out.getvalue()
