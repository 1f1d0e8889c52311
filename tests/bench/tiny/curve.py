"""The training's own probes as a picture: words read exactly, and the loss, by pictures seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from inference.typography import canvas
from inference.typography.canvas import Point
from inference.typography.paint import Words, draw
from streams.demo.sheet.lettering import Align, Rgb, letter

PAPER: Final[Rgb] = (250, 249, 246)
INK: Final[Rgb] = (24, 26, 31)
QUIET: Final[Rgb] = (112, 114, 120)
HAIR: Final[Rgb] = (222, 219, 210)
READ: Final[Rgb] = (196, 38, 46)
LETTERS: Final[Rgb] = (52, 110, 180)
WIDTH: Final = 1_200
LEFT: Final = 90.0
RIGHT: Final = WIDTH - 180.0
HEIGHT: Final = 300.0
TOPS: Final = (90.0, 500.0)
# Beyond it lies only the first minute, and the rest could not be told apart.
MOST_LOSS: Final = 1.5


@dataclass(slots=True)
class _Plot:
    """One pair of axes; `across` and `up` give pixels."""

    top: float
    most_x: float
    most_y: float
    lines: list[tuple[Sequence[Point], Rgb, float]] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)
    named: int = 0

    def at(self, x: float, y: float) -> Point:
        height = min(y / self.most_y, 1.0) * HEIGHT
        return LEFT + x / self.most_x * (RIGHT - LEFT), self.top + HEIGHT - height

    def write(self, text: str, x: float, y: float, rgb: Rgb, size: float = 17, align: Align = "left") -> None:
        self.words.append(letter(text, x, y, size=size, rgb=rgb, width=WIDTH, align=align))

    def frame(self, title: str, ticks: Sequence[float], form: Callable[[float], str]) -> None:
        self.words.append(
            letter(title, LEFT, self.top - 24, size=20, rgb=INK, width=WIDTH - 2 * LEFT, weight=600)
        )
        for tick in ticks:
            left, y = self.at(0, tick)
            self.lines.append((((left, y), (RIGHT, y)), HAIR, 1.2))
            self.write(form(tick), left - 12, y + 6, QUIET, align="right")
        step = _round_step(self.most_x)
        for count in range(int(self.most_x // step) + 1):
            x, y = self.at(count * step, 0)
            self.write(f"{count * step / 1_000:,.0f} k", x + 14, y + 28, QUIET, align="right")

    def curve(self, xs: Sequence[float], ys: Sequence[float], name: str, rgb: Rgb, width: float) -> None:
        self.lines.append(([self.at(x, y) for x, y in zip(xs, ys, strict=True)], rgb, width))
        self.named += 1
        self.write(name, RIGHT + 16, self.top - 16 + 26 * self.named, rgb)


def _round_step(most: float) -> float:
    """About six marks, of 1, 2 or 5 times a power of ten."""
    steps = [factor * 10.0**power for power in range(9) for factor in (1, 2, 5)]
    return next(step for step in steps if most / step <= 6)


def probes(path: Path) -> list[Mapping[str, Any]]:
    """The rows of `curve.jsonl`, a cut last one left out."""
    rows = []
    for line in path.read_text("utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def picture(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """PNG.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("rows: the curve has none yet: the training probes after its first minutes")
    seen = [float(row["flow_seen"]) for row in rows]
    share = _Plot(TOPS[0], seen[-1], 1.0)
    share.frame(
        f"Held-out posters, {rows[-1]['count']} at 14 steps and guidance 3",
        (0, 0.25, 0.5, 0.75, 1.0),
        "{:.0%}".format,
    )
    share.curve(seen, [row["clean"] for row in rows], "drawn clean", QUIET, 1.5)
    share.curve(seen, [row["letters"] for row in rows], "letters right", LETTERS, 3)
    share.curve(seen, [row["exact"] for row in rows], "read exactly", READ, 4)
    loss = _Plot(TOPS[1], seen[-1], MOST_LOSS)
    loss.frame("Flow-matching loss, mean of 50 steps", (0, 0.5, 1.0, 1.5), "{:.1f}".format)
    loss.curve(seen, [row["loss"]["flow"] for row in rows], "loss", INK, 3)
    loss.write("pictures seen in training", RIGHT, TOPS[1] + HEIGHT + 60, QUIET, align="right")
    pixels, surface = canvas.sheet(WIDTH, round(TOPS[1] + HEIGHT + 80))
    surface.drawPaint(canvas.fill(PAPER))
    for points, rgb, width in (*share.lines, *loss.lines):
        for start, end in pairwise(points):
            surface.drawLine(*start, *end, canvas.line(rgb, width))
    draw(pixels, (), [*share.words, *loss.words])
    return canvas.to_png(pixels)
