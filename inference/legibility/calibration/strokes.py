"""The ink of set type as a mask, and what can befall single letters in it."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import skia

from inference.legibility.calibration.setting import Block, Letter
from inference.typography import canvas
from inference.typography.contrast import Box
from inference.typography.fonts import Face, outline
from inference.typography.shaping import Glyph

Mask = npt.NDArray[np.float32]

_WHITE = (255, 255, 255)
# A letter that keeps more of its ink than this in its place looks much as before.
_PLAINLY_OTHER = 0.5


@dataclass(frozen=True, slots=True)
class Turn:
    """The whole sheet's type turned about the middle of the sheet by `degrees`, clockwise, and scaled."""

    degrees: float
    scale: float

    @classmethod
    def fitting(cls, degrees: float, blocks: Sequence[Block], size: tuple[int, int]) -> Turn:
        """As large as still fits the sheet with all its letters."""
        angle = math.radians(degrees)
        corners = [
            (x - size[0] / 2, y - size[1] / 2)
            for left, top, wide, tall in (block.box for block in blocks)
            for x in (left, left + wide)
            for y in (top, top + tall)
        ]
        reach_x = max(abs(x * math.cos(angle) - y * math.sin(angle)) for x, y in corners)
        reach_y = max(abs(x * math.sin(angle) + y * math.cos(angle)) for x, y in corners)
        return cls(degrees, min(1.0, 0.48 * size[0] / reach_x, 0.48 * size[1] / reach_y))


def ink(
    block: Block, size: tuple[int, int], turn: Turn | None = None, poses: Mapping[Letter, float] | None = None
) -> Mask:
    """How much of each pixel the block covers, (height, width) from 0 to 1.

    `poses` are degrees, clockwise, by which single letters are turned about their own middle.
    """
    pixels, surface = canvas.sheet(*size)
    white = canvas.fill(_WHITE)
    if turn:
        surface.translate(size[0] / 2, size[1] / 2)
        surface.rotate(turn.degrees)
        surface.scale(turn.scale, turn.scale)
        surface.translate(-size[0] / 2, -size[1] / 2)
    posed = {
        (letter.line, letter.glyph.x, letter.glyph.id): (letter, by) for letter, by in (poses or {}).items()
    }
    for index, line in enumerate(block.lines):
        for glyph in line.shaped.glyphs:
            surface.save()
            letter, degrees = posed.get((index, glyph.x, glyph.id), (None, 0.0))
            if letter:
                left, top, wide, tall = letter.box
                surface.rotate(degrees, left + wide / 2, top + tall / 2)
            scale = line.size / glyph.face.upem
            surface.translate(line.x + glyph.x * line.size, line.baseline - glyph.y * line.size)
            surface.scale(scale, -scale)
            surface.drawPath(_path(glyph), white)
            surface.restore()
    return (pixels[..., 0] / np.float32(255)).astype(np.float32)


def cracked(mask: Mask, block: Block, share: float, rng: random.Random) -> Mask:
    """Straight cracks through every line of type, `share` of an em wide."""
    height, width = mask.shape
    pixels, surface = canvas.sheet(width, height)
    pen = canvas.line(_WHITE, max(1.0, share * block.size))
    for line in range(len(block.lines)):
        for letter in block.on(line):
            left, top, wide, tall = letter.box
            surface.drawLine(left, top + rng.random() * tall, left + wide, top + rng.random() * tall, pen)
    return np.asarray(mask * (1 - pixels[..., 0].astype(np.float32) / 255), np.float32)


def amputated(mask: Mask, block: Block, rng: random.Random) -> Mask:
    """One letter without a band of itself that holds about two fifths of its ink."""
    found: list[tuple[float, tuple[slice, slice]]] = []
    for letter in rng.sample(block.letters, len(block.letters))[:6]:
        rows, columns = _slices(letter.box, mask.shape)
        whole = float(mask[rows, columns].sum()) or 1.0
        for at in range(3):
            for part in (
                (slice(*_third(rows, at)), columns),
                (rows, slice(*_third(columns, at))),
            ):
                found.append((abs(float(mask[part].sum()) / whole - 0.4), part))
    _, part = min(found, key=lambda each: each[0])
    out = mask.copy()
    out[part] = 0.0
    return out


def shuffled(mask: Mask, block: Block, count: int, rng: random.Random) -> Mask:
    """So many letters cut in nine and put together wrongly, none that would look much as before."""
    out = mask.copy()
    left = count
    for letter in rng.sample(block.letters, len(block.letters)):
        rows, columns = _slices(letter.box, mask.shape)
        whole = mask[rows, columns]
        other = _jumbled(whole, rng)
        if left and np.abs(other - whole).sum() >= _PLAINLY_OTHER * whole.sum() > 0:
            out[rows, columns] = other
            left -= 1
    return out


def lying(mask: Mask, letters: Sequence[Letter]) -> list[Letter]:
    """Those letters that a quarter turn plainly changes."""
    kept = []
    for letter in letters:
        rows, columns = _slices(letter.box, mask.shape)
        whole = mask[rows, columns]
        side = max(whole.shape)
        padded = np.zeros((side, side), np.float32)
        top, start = (side - whole.shape[0]) // 2, (side - whole.shape[1]) // 2
        padded[top : top + whole.shape[0], start : start + whole.shape[1]] = whole
        if np.abs(np.rot90(padded) - padded).sum() >= _PLAINLY_OTHER * padded.sum() > 0:
            kept.append(letter)
    return kept


def _jumbled(whole: Mask, rng: random.Random) -> Mask:
    rows = np.array_split(np.arange(whole.shape[0]), 3)
    columns = np.array_split(np.arange(whole.shape[1]), 3)
    tiles = [(row, column) for row in rows for column in columns]
    order = list(range(9))
    while any(place == source for place, source in enumerate(order)):
        rng.shuffle(order)
    out = np.zeros_like(whole)
    for place, source in enumerate(order):
        taken = whole[np.ix_(*tiles[source])]
        row, column = tiles[place]
        tall, wide = min(len(row), taken.shape[0]), min(len(column), taken.shape[1])
        out[np.ix_(row[:tall], column[:wide])] = taken[:tall, :wide]
    return out


def _slices(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    left, top, wide, tall = box
    return (
        slice(max(0, math.floor(top)), min(shape[0], math.ceil(top + tall))),
        slice(max(0, math.floor(left)), min(shape[1], math.ceil(left + wide))),
    )


def _third(whole: slice, at: int) -> tuple[int, int]:
    step = (whole.stop - whole.start) / 3
    return round(whole.start + at * step), round(whole.start + (at + 1) * step)


def _path(glyph: Glyph) -> skia.Path:
    return _drawn(glyph.face, glyph.id)


@lru_cache(maxsize=4096)
def _drawn(face: Face, glyph: int) -> skia.Path:
    path = skia.PathBuilder()
    commands = {"M": path.moveTo, "L": path.lineTo, "Q": path.quadTo, "C": path.cubicTo}
    for letter, points in outline(face, glyph):
        if letter == "Z":
            path.close()
        else:
            commands[letter](*points)
    return path.detach()
