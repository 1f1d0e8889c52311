"""Small type for the sheet: any script, one line, cut with an ellipsis where it is too long."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from inference.typography.bidirectional import base_direction
from inference.typography.fonts import Face, face
from inference.typography.paint import SetLine, Words
from inference.typography.shaping import NoGlyph, Shaped, graphemes, normalise, paragraph, shape

Align = Literal["left", "right"]
Rgb = tuple[int, int, int]

_FAMILIES = (
    "Rubik",
    "Noto Sans",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Sans CJK",
)
UNKNOWN = "?"


@lru_cache(maxsize=8)
def chain(weight: int) -> tuple[Face, ...]:
    return tuple(face(name, weight) for name in _FAMILIES)


def letter(
    text: str,
    x: float,
    baseline: float,
    *,
    size: float,
    rgb: Rgb,
    width: float,
    weight: int = 400,
    align: Align = "left",
    locale: str = "en",
) -> Words:
    """`text` in px, at most `width` wide; `x` is its left edge, or its right one."""
    shaped = fitted(text, size=size, width=width, weight=weight, locale=locale)
    left = x if align == "left" else x - shaped.advance * size
    return Words(text, (SetLine(shaped, left, baseline, size),), rgb)


@lru_cache(maxsize=4096)
def fitted(text: str, *, size: float, width: float, weight: int, locale: str) -> Shaped:
    """The line, without as many of its last graphemes as do not fit."""
    line = " ".join(normalise(text).split())
    shaped = _shaped(line, weight, locale)
    spans = graphemes(line)
    while shaped.advance * size > width and spans:
        surplus = max(1, int(len(spans) * (1 - width / (shaped.advance * size))) // 2)
        spans = spans[:-surplus]
        cut = line[: spans[-1][1]].rstrip() if spans else ""
        shaped = _shaped(f"{cut}…", weight, locale)
    return shaped


def _shaped(line: str, weight: int, locale: str) -> Shaped:
    faces = chain(weight)
    direction = base_direction(line, locale)
    try:
        return shape(paragraph(line, faces, direction=direction, locale=locale))
    except NoGlyph as error:
        for missing in error.characters:
            line = line.replace(missing, UNKNOWN)
        return shape(paragraph(line, faces, direction=direction, locale=locale))
