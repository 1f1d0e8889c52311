"""Type set for a poster: sizes from the words as they should be, lines from the words as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import regex

from inference.legibility.calibration.faces import face_named
from inference.legibility.calibration.posters import Sketch
from inference.typography.contrast import Box
from inference.typography.fitting import Measured, measure, wrap
from inference.typography.paint import SetLine
from inference.typography.shaping import Glyph, paragraph, shape

_ROOM = 0.86
_TOP = 0.13
_TALLEST = 0.62
_LEAST_PX = 18.0
_GAP = 0.22
_GUTTER = 0.06
_LETTER = regex.compile(r"[\p{L}\p{Nd}]")


@dataclass(frozen=True, slots=True)
class Letter:
    """A glyph that stands for a letter or digit, with the box of its ink in px."""

    line: int
    glyph: Glyph
    box: Box


@dataclass(frozen=True, slots=True)
class Block:
    """One text as set: its lines and their letters, left to right."""

    text: str
    size: float
    lines: tuple[SetLine, ...]
    letters: tuple[Letter, ...]

    @property
    def longest(self) -> tuple[Letter, ...]:
        """The letters of the line with the most ink across."""
        lines = [self.on(line) for line in range(len(self.lines))]
        return max(lines, key=lambda row: row[-1].box[0] + row[-1].box[2] - row[0].box[0] if row else 0.0)

    def on(self, line: int) -> tuple[Letter, ...]:
        return tuple(letter for letter in self.letters if letter.line == line)

    @property
    def box(self) -> Box:
        """What holds all its letters."""
        left = min(letter.box[0] for letter in self.letters)
        top = min(letter.box[1] for letter in self.letters)
        right = max(letter.box[0] + letter.box[2] for letter in self.letters)
        bottom = max(letter.box[1] + letter.box[3] for letter in self.letters)
        return left, top, right - left, bottom - top


def set_type(
    sketch: Sketch,
    written: Sequence[str],
    extra: Sequence[str] = (),
    sizes: Mapping[int, float] | None = None,
) -> tuple[Block, ...]:
    """A block for each written text, in the order of the list wherever they stand, then one for `extra`.

    `extra` stands at the foot. `sizes` overrides the size in px to the em of single texts, by their place.
    """
    asked = _sizes(sketch)
    asked.update(sizes or {})
    width, height = sketch.size
    found: dict[int, Block] = {}
    y = _TOP * height
    for row in _rows(sketch, len(written)):
        room = (_ROOM - _GUTTER * (len(row) - 1)) / len(row)
        for column, place in enumerate(row):
            left = (1 - _ROOM) / 2 + column * (room + _GUTTER)
            found[place] = _set(sketch, written[place], place, asked[place], y, (left * width, room * width))
        below = max(found[place].lines[-1].baseline + 0.3 * asked[place] for place in row)
        y = below + 0.45 * asked[1]
    blocks = [found[place] for place in range(len(written))]
    if extra:
        size = max(_LEAST_PX, 0.03 * height)
        top = max(height - (len(extra) * 1.4 + 0.9) * size, y)
        blocks.append(_set(sketch, "\n".join(extra), 1, size, top, ((1 - _ROOM) / 2 * width, _ROOM * width)))
    return tuple(blocks)


def _rows(sketch: Sketch, count: int) -> list[tuple[int, ...]]:
    """Which texts stand in each row, from the top down."""
    if sketch.order == "listed":
        return [(place,) for place in range(count)]
    if sketch.order == "side by side" and count > 2:
        return [(0,), tuple(range(1, count))]
    if sketch.order == "headline second":
        return [(1,), (0,), *((place,) for place in range(2, count))]
    return [(count - 1,), *((place,) for place in range(count - 1))]


def _sizes(sketch: Sketch) -> dict[int, float]:
    width, height = sketch.size
    found: dict[int, float] = {}
    for place, text in enumerate(sketch.texts):
        measured = _measured(sketch, text.text, place)
        size = (
            min(0.2 * height, 0.2 * width)
            if not place
            else max(_LEAST_PX, min(0.42 * found[0], 0.06 * width))
        )
        most = 1 + (len(text.text) > 10) if place else 2
        while wrap(measured, _ROOM * width / size, most) is None:
            size *= 0.95
        found[place] = size
    while sum(size * (1 + _GAP) * 1.6 for size in found.values()) > _TALLEST * height:
        found = {place: max(_LEAST_PX, size * 0.94) for place, size in found.items()}
    return found


def _measured(sketch: Sketch, words: str, place: int) -> Measured:
    face = face_named(sketch.faces[min(place, 1)])
    return measure(paragraph(words, [face], direction="ltr", locale=sketch.locale))


def _set(
    sketch: Sketch, words: str, place: int, size: float, top: float, column: tuple[float, float]
) -> Block:
    """One text from `top` px down in a column of (left, width) px, smaller where it must be."""
    measured = _measured(sketch, words, place)
    left, room = column
    while (cuts := wrap(measured, 1.04 * room / size)) is None:
        size *= 0.97
    pitch = (measured.ascent + measured.descent + _GAP) * size
    lines = []
    for index, (start, end) in enumerate(cuts):
        shaped = shape(measured.para, start, end)
        x = left + (room - shaped.advance * size) / 2 if sketch.centred else left
        lines.append(SetLine(shaped, x, top + measured.ascent * size + index * pitch, size))
    letters = [
        Letter(index, glyph, box)
        for index, line in enumerate(lines)
        for glyph in line.shaped.glyphs
        if _LETTER.match(words[glyph.cluster]) and (box := _ink(line, glyph))
    ]
    return Block(words, size, tuple(lines), tuple(letters))


def _ink(line: SetLine, glyph: Glyph) -> Box | None:
    extents = glyph.face.font.get_glyph_extents(glyph.id)
    if extents is None or not extents.width:
        return None
    scale = line.size / glyph.face.upem
    left = line.x + glyph.x * line.size + extents.x_bearing * scale
    top = line.baseline - glyph.y * line.size - extents.y_bearing * scale
    return left, top, extents.width * scale, -extents.height * scale
