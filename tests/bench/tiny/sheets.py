"""Posters side by side with what was read in each, as small JPEG files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from inference.typography import canvas
from inference.typography.canvas import Pixels
from inference.typography.paint import Words, draw
from streams.demo.sheet.lettering import Rgb, letter
from tests.bench.tiny.journal import Journal, Read
from tests.bench.tiny.pictures import ASKED, DISTILLED, STEPS, Picture, Setting

PAPER: Final[Rgb] = (250, 249, 246)
INK: Final[Rgb] = (24, 26, 31)
WRONG: Final[Rgb] = (196, 38, 46)
SIDE: Final = 176
GAP: Final = 16
CAPTION: Final = 30
TYPE: Final = 15.0
# Two titles of eight letters must fit under one poster.
SMALL_TYPE: Final = 12.5
MARGIN: Final = 24
LABEL: Final = 110
COLUMNS: Final = 6
MOST_BYTES: Final = 390_000


@dataclass(frozen=True, slots=True)
class Cell:
    """A poster's pixels and its caption, red where something was misread."""

    pixels: Pixels
    caption: str
    wrong: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """Cells side by side; the lines of the label stand at their left."""

    label: tuple[str, ...]
    cells: Sequence[Cell]


def posters(journal: Journal, count: int = 24) -> bytes:
    """The first posters as the target asks for them, not chosen."""
    cells = _cells(journal, ASKED, count)
    strips = [Strip((), cells[start : start + COLUMNS]) for start in range(0, len(cells), COLUMNS)]
    return sheet(strips)


def steps(journal: Journal, count: int = COLUMNS) -> bytes:
    """The first posters at each number of steps, and by the distilled model where there is one."""
    settings = [Setting("base", steps, ASKED.guidance) for steps in STEPS]
    strips = [Strip((f"{each.steps} steps",), _cells(journal, each, count)) for each in settings]
    strips.append(Strip(("distilled,", f"{DISTILLED.steps} steps"), _cells(journal, DISTILLED, count)))
    return sheet([strip for strip in strips if strip.cells])


def sheet(strips: Sequence[Strip]) -> bytes:
    """JPEG of at most `MOST_BYTES`. Empty without strips."""
    if not strips:
        return b""
    left = MARGIN + (LABEL if any(strip.label for strip in strips) else 0)
    columns = max(len(strip.cells) for strip in strips)
    width = left + columns * (SIDE + GAP) - GAP + MARGIN
    pixels, surface = canvas.sheet(width, 2 * MARGIN - GAP + len(strips) * (SIDE + CAPTION + GAP))
    surface.drawPaint(canvas.fill(PAPER))
    words: list[Words] = []
    for row, strip in enumerate(strips):
        top = MARGIN + row * (SIDE + CAPTION + GAP)
        for line, text in enumerate(strip.label):
            words.append(
                letter(text, MARGIN, top + 24 + 22 * line, size=18, rgb=INK, width=LABEL, weight=600)
            )
        for column, cell in enumerate(strip.cells):
            x = left + column * (SIDE + GAP)
            small = Image.fromarray(cell.pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            pixels[top : top + SIDE, x : x + SIDE, :3] = np.asarray(small)
            rgb, weight, size = (WRONG, 600, SMALL_TYPE) if cell.wrong else (INK, 400, TYPE)
            baseline = top + SIDE + 20
            words.append(letter(cell.caption, x, baseline, size=size, rgb=rgb, width=SIDE, weight=weight))
    draw(pixels, (), words)
    return _small(pixels)


def _cells(journal: Journal, setting: Setting, count: int) -> list[Cell]:
    reads = [journal.found.get(Picture("title", index, setting).name) for index in range(count)]
    return [_cell(journal, read) for read in reads if read is not None]


def _cell(journal: Journal, read: Read) -> Cell:
    seen = read.title.upper() + (f" / {read.second.upper()}" if read.second else "")
    wanted = read.picture.poster.title
    caption = seen if read.exact else f"{seen or 'nothing'}, not {wanted}"
    return Cell(journal.pixels(read.picture), caption, not read.exact)


def _small(pixels: Pixels) -> bytes:
    """As good as fits. A palette would be as small and give small shapes colours of their neighbours."""
    image = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    for quality in (92, 85, 75, 60):
        out = io.BytesIO()
        image.save(out, "JPEG", quality=quality, subsampling=0, optimize=True)
        if out.tell() <= MOST_BYTES:
            break
    return out.getvalue()
