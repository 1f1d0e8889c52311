"""The posters the tiny model learns from, drawn at 256 x 256 from the pinned fonts' outlines in 1 to 2 ms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import skia

from inference.sd3.tiny.words import ALPHABET, COLOURS, FIXED_PITCH, GROUNDS, Poster
from inference.typography import fonts
from inference.typography.canvas import Pixels, around, colour, fade, fill, over, polygon
from inference.typography.oklab import Rgb, lightness_of, mix
from inference.typography.shaping import paragraph, shape

SIDE: Final = 256
_MARGIN: Final = 14.0
_SHAPE_CENTRE: Final = (128.0, 148.0)
_SHAPE_RADIUS: Final = 38.0
_TITLE: Final = (64.0, 44.0)
_SECOND: Final = (224.0, 28.0)
_WORD_SPACE: Final = 0.6


@dataclass(frozen=True, slots=True)
class _Type:
    """A face ready to set: paths and advances by character, in em, y downwards; `pitch` 0 is proportional."""

    paths: dict[str, skia.Path]
    advances: dict[str, float]
    cap_height: float
    pitch: float


_FAMILIES: Final[dict[str, tuple[str, int, int]]] = {
    "bold": ("Noto Sans", 800, 75),
    "heavy": ("Anton", 400, 100),
    "tall": ("Bebas Neue", 400, 100),
    "narrow": ("Oswald", 600, 100),
    "plain": ("Noto Sans", 600, 100),
    "round": ("Rubik", 700, 100),
    "serif": ("Noto Serif", 700, 90),
    "elegant": ("Playfair Display", 800, 100),
}


def draw(poster: Poster) -> Pixels:
    """The poster as (256, 256, 3) sRGB.

    Raises:
        KeyError: the poster names a colour, ground or face that `words` does not list.
        FontMissing: a font package is not installed.
    """
    picture: Pixels = draw_batch([poster])[0]
    return picture


def draw_batch(posters: Sequence[Poster], rows: tuple[int, int] = (0, SIDE)) -> Pixels:
    """(count, rows, 256, 3) sRGB: of every poster the rows from `rows[0]` up to `rows[1]`, a view of RGBA."""
    top, bottom = rows
    pixels = np.zeros((len(posters), bottom - top, SIDE, 4), np.uint8)
    for poster, target in zip(posters, pixels, strict=True):
        canvas = over(target)
        canvas.translate(0, -top)
        _draw_poster(canvas, poster)
    return pixels[..., :3]


def _draw_poster(canvas: skia.Canvas, poster: Poster) -> None:
    ground = GROUNDS[poster.ground]
    edge = mix(ground, (0, 0, 0), 0.18)
    canvas.drawPaint(fade((0, 0), (0, SIDE), [(0.0, ground, 1.0), (1.0, edge, 1.0)]))
    _draw_shape(canvas, poster.shape, COLOURS[poster.colour])
    ink: Rgb = (250, 248, 240) if lightness_of(ground) < 0.6 else (24, 22, 30)
    _draw_line(canvas, poster.title, poster.face, _TITLE, ink)
    if poster.second:
        _draw_line(canvas, poster.second, poster.face, _SECOND, ink)


def _draw_shape(canvas: skia.Canvas, name: str, rgb: Rgb) -> None:
    x, y = _SHAPE_CENTRE
    r = _SHAPE_RADIUS
    paint = fill(rgb)
    if name == "circle":
        canvas.drawCircle(x, y, r, paint)
    elif name == "ring":
        band = skia.Paint(
            Color=colour(rgb), AntiAlias=True, Style=skia.Paint.kStroke_Style, StrokeWidth=r * 0.36
        )
        canvas.drawCircle(x, y, r * 0.8, band)
    elif name == "square":
        canvas.drawRect(skia.Rect.MakeXYWH(x - r * 0.85, y - r * 0.85, r * 1.7, r * 1.7), paint)
    else:
        canvas.drawPath(_corners(name), paint)


@lru_cache(maxsize=8)
def _corners(name: str) -> skia.Path:
    centre, r = _SHAPE_CENTRE, _SHAPE_RADIUS
    if name == "triangle":
        return polygon([around(centre, r * 1.1, angle) for angle in (-90, 30, 150)])
    if name == "diamond":
        x, y = centre
        return polygon([(x, y - r * 1.1), (x + r * 0.8, y), (x, y + r * 1.1), (x - r * 0.8, y)])
    if name == "star":
        return polygon([around(centre, r * (1.1 if k % 2 == 0 else 0.48), -90 + 36 * k) for k in range(10)])
    raise ValueError(f"shape: {name!r} cannot be drawn: use one that words.SHAPES lists")


def _draw_line(canvas: skia.Canvas, text: str, face: str, place: tuple[float, float], ink: Rgb) -> None:
    """Sets one line centred on the height `place[0]`, capitals at most `place[1]` px high."""
    middle, tallest = place
    style = _type(face)
    steps = [style.pitch or style.advances[character] for character in text]
    size = min(tallest / style.cap_height, (SIDE - 2 * _MARGIN) / sum(steps))
    pen = SIDE / 2 - sum(steps) * size / 2
    baseline = middle + style.cap_height * size / 2
    paint = fill(ink)
    for character, step in zip(text, steps, strict=True):
        lead = (step - style.advances[character]) / 2 if style.pitch else 0.0
        canvas.save()
        canvas.translate(pen + lead * size, baseline)
        canvas.scale(size, size)
        canvas.drawPath(style.paths[character], paint)
        canvas.restore()
        pen += step * size


@lru_cache(maxsize=16)
def _type(face: str) -> _Type:
    family, weight, width = _FAMILIES[face]
    source = fonts.face(family, weight, width)
    # Shaped, not looked up: Playfair's plain figures are old-style ones, of many heights.
    shaped = {c: shape(paragraph(c, [source], direction="ltr")) for c in ALPHABET}
    advances = {character: each.advance for character, each in shaped.items()}
    return _Type(
        {" ": skia.Path()} | {c: _path(source, each.glyphs[0].id) for c, each in shaped.items()},
        advances | {" ": _WORD_SPACE * advances["H"]},
        shaped["H"].ascent,
        _pitch(advances) if face in FIXED_PITCH else 0.0,
    )


def _pitch(advances: dict[str, float]) -> float:
    """Wide enough for all but M and W, which come closer to their neighbours as typewriters have them."""
    ranked = sorted(advances.values())
    return math.ceil(ranked[-4] * 100) / 100


def _path(source: fonts.Face, glyph: int) -> skia.Path:
    pen = skia.PathBuilder()
    em = source.upem
    for letter, points in fonts.outline(source, glyph):
        placed = [value / em * (-1 if index % 2 else 1) for index, value in enumerate(points)]
        if letter == "M":
            pen.moveTo(*placed)
        elif letter == "L":
            pen.lineTo(*placed)
        elif letter == "Q":
            pen.quadTo(*placed)
        elif letter == "C":
            pen.cubicTo(*placed)
        else:
            pen.close()
    return pen.detach()
