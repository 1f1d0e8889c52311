"""The contact sheet as one picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from PIL import Image

from inference.typography import canvas
from inference.typography.canvas import Pixels, Point
from inference.typography.paint import Bar, Words, draw
from streams.demo.sheet.cards import Card, Side, Word
from streams.demo.sheet.grid import (
    CAPTION,
    FOOT,
    GAP,
    HEAD,
    MARGIN,
    PAD,
    PAGE,
    WORD,
    Placed,
    picture_size,
    picture_width,
    place,
)
from streams.demo.sheet.lettering import Rgb, fitted, letter

PAPER: Rgb = (241, 239, 233)
CARD: Rgb = (255, 255, 255)
INK: Rgb = (24, 26, 31)
QUIET: Rgb = (112, 114, 120)
HAIR: Rgb = (222, 219, 210)
READ: Rgb = (20, 122, 74)
MISSED: Rgb = (196, 38, 46)
NEUTRAL: Rgb = (128, 130, 136)
STATUS: Mapping[str, Rgb] = {
    "accepted": READ,
    "needs review": (170, 106, 0),
    "best effort": (170, 106, 0),
    "refused": (92, 94, 102),
    "failed": MISSED,
    "expired": (92, 94, 102),
    "cancelled": (92, 94, 102),
}
MASTHEAD = 250
RADIUS = 12.0


@dataclass(frozen=True, slots=True)
class Masthead:
    """The top of the sheet: a line of text, and figures as (large, small) pairs."""

    line: str
    figures: tuple[tuple[str, str], ...]
    note: str


@dataclass(slots=True)
class _Inks:
    """What is drawn over the paper, in order: bars, pictures, strokes, words."""

    bars: list[Bar] = field(default_factory=list)
    pictures: list[tuple[str, float, float, int, int]] = field(default_factory=list)
    strokes: list[tuple[tuple[Point, ...], Rgb, float]] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)


def contact_sheet(masthead: Masthead, cards: Sequence[Card], pictures: Mapping[str, bytes]) -> bytes:
    """The sheet as PNG; `pictures` are PNG bytes by SHA-256, all that the cards show."""
    placed, bottom = place(cards, MASTHEAD)
    pixels, surface = canvas.sheet(PAGE, round(bottom + MARGIN / 2))
    surface.drawPaint(canvas.fill(PAPER))
    inks = _Inks()
    _draw_masthead(masthead, inks)
    for each in placed:
        _draw_card(each, inks)
    draw(pixels, inks.bars, ())
    for sha256, x, y, width, height in inks.pictures:
        _paste(pixels, pictures[sha256], round(x), round(y), width, height)
    for points, rgb, thickness in inks.strokes:
        for start, end in pairwise(points):
            surface.drawLine(*start, *end, canvas.line(rgb, thickness))
    draw(pixels, (), inks.words)
    return _encoded(pixels)


def _draw_masthead(masthead: Masthead, inks: _Inks) -> None:
    room = PAGE - 2 * MARGIN
    inks.words.append(letter("glyphstream", MARGIN, 98, size=58, weight=700, rgb=INK, width=700))
    inks.words.append(letter(masthead.line, MARGIN, 140, size=23, rgb=QUIET, width=760))
    _legend(inks, MARGIN, 182)
    x = float(PAGE - MARGIN)
    for large, small in reversed(masthead.figures):
        wide = max(
            fitted(large, size=44, width=room, weight=600, locale="en").advance * 44,
            fitted(small, size=19, width=room, weight=400, locale="en").advance * 19,
        )
        inks.words.append(letter(large, x - wide, 100, size=44, weight=600, rgb=INK, width=room))
        inks.words.append(letter(small, x - wide, 140, size=19, rgb=QUIET, width=room))
        x -= wide + 64
    inks.words.append(
        letter(masthead.note, PAGE - MARGIN, 182, size=17, rgb=QUIET, width=room / 2 + 120, align="right")
    )
    inks.bars.append(Bar((MARGIN, 214, room, 1.5), INK))


def _legend(inks: _Inks, x: float, baseline: float) -> None:
    keys = (("read", READ, "read back by OCR"), ("missed", MISSED, "missed"))
    for verdict, rgb, meaning in (*keys, ("unreadable_by_reader", NEUTRAL, "no reader for this script")):
        _mark(inks, verdict, x, baseline, 17)
        words = letter(meaning, x + 26, baseline, size=19, rgb=rgb, width=400, weight=500)
        inks.words.append(words)
        x += 26 + words.lines[0].shaped.advance * 19 + 34
    inks.words.append(
        letter("one picture: the first was the final", x, baseline, size=19, rgb=QUIET, width=400)
    )


def _draw_card(placed: Placed, inks: _Inks) -> None:
    card, x, y = placed.card, placed.x, placed.y
    inks.bars.append(Bar((x, y + 2, placed.width, placed.height), HAIR, RADIUS))
    inks.bars.append(Bar((x, y, placed.width, placed.height), CARD, RADIUS))
    left, room = x + PAD, placed.width - 2 * PAD
    inks.words.append(letter(card.title, left, y + 37, size=21, weight=600, rgb=INK, width=room))
    pill = _pill(card.status, left, y + 48, inks)
    inks.words.append(letter(card.route, left + pill + 9, y + 65, size=14, rgb=INK, width=room - pill - 9))
    inks.words.append(letter(card.reason, left, y + 90, size=15, rgb=QUIET, width=room))
    for index, side in enumerate(card.sides):
        _draw_side(placed, side, left + index * placed.pitch, y + HEAD, inks)
    if len(card.sides) > 1:
        _arrow(left + placed.pitch - PAD - GAP / 2, y + HEAD + placed.picture_height / 2, inks)
    foot = y + placed.height - FOOT + 26
    inks.words.append(letter(card.foot, left, foot, size=14, rgb=QUIET, width=room))


def _pill(status: str, left: float, top: float, inks: _Inks) -> float:
    """Draws the status and says how wide it came out."""
    words = letter(status, left + 10, top + 17, size=14, weight=600, rgb=CARD, width=200)
    width = words.lines[0].shaped.advance * 14 + 20
    inks.bars.append(Bar((left, top, width, 24), STATUS.get(status, NEUTRAL), 12))
    inks.words.append(words)
    return width


def _arrow(x: float, y: float, inks: _Inks) -> None:
    """From the first picture to the final."""
    inks.strokes.append((((x - 11, y), (x + 11, y)), QUIET, 2.4))
    inks.strokes.append((((x + 3, y - 8), (x + 11, y), (x + 3, y + 8)), QUIET, 2.4))


def _draw_side(placed: Placed, side: Side, x: float, top: float, inks: _Inks) -> None:
    band = picture_width()
    width, height = picture_size(side)
    if side.image is None:
        inks.bars.append(Bar((x, top, width, height), PAPER, 4))
        inks.words.append(letter("no picture", x + 16, top + 36, size=18, rgb=QUIET, width=width - 32))
    else:
        inks.pictures.append((side.image.sha256, x + (band - width) / 2, top, width, height))
    baseline = top + placed.picture_height + 24
    score = "" if side.score is None else f"{side.score:.2f}"
    inks.words.append(
        letter(score, x + band, baseline, size=17, weight=600, rgb=INK, width=60, align="right")
    )
    label = f"{side.label} · {side.engine}" if side.label else side.engine
    inks.words.append(letter(label, x, baseline, size=16, rgb=QUIET, width=band - 46))
    for index, word in enumerate(side.words):
        _draw_word(word, x, baseline + CAPTION - 7 + index * WORD, band, inks)


def _draw_word(word: Word, x: float, baseline: float, width: float, inks: _Inks) -> None:
    rgb = {"read": READ, "missed": MISSED}.get(word.verdict, NEUTRAL)
    _mark(inks, word.verdict, x, baseline, 14)
    left = x + 22
    words = letter(
        word.text, left, baseline, size=17, rgb=rgb, width=width - 22, weight=500, locale=word.locale
    )
    inks.words.append(words)
    if word.verdict == "missed":
        wide = words.lines[0].shaped.advance * 17
        inks.strokes.append((((left, baseline - 5.5), (left + wide, baseline - 5.5)), MISSED, 1.6))
        rest = width - 22 - wide - 10
        if word.read and rest > 40:
            inks.words.append(
                letter(
                    word.read, left + wide + 10, baseline, size=14, rgb=QUIET, width=rest, locale=word.locale
                )
            )


def _mark(inks: _Inks, verdict: str, x: float, baseline: float, size: float) -> None:
    """A tick, a cross or a dash, `size` px wide, standing on the baseline."""
    top, middle = baseline - size * 0.86, baseline - size * 0.4
    if verdict == "read":
        tick = ((x, middle), (x + size * 0.36, baseline - size * 0.04), (x + size, top))
        inks.strokes.append((tick, READ, 2.4))
    elif verdict == "missed":
        low = baseline - size * 0.04
        inks.strokes.append((((x + 1, top), (x + size - 1, low)), MISSED, 2.4))
        inks.strokes.append((((x + 1, low), (x + size - 1, top)), MISSED, 2.4))
    else:
        inks.strokes.append((((x, middle), (x + size, middle)), NEUTRAL, 2.4))


def _paste(pixels: Pixels, png: bytes, x: int, y: int, width: int, height: int) -> None:
    with Image.open(io.BytesIO(png)) as opened:
        small = opened.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    pixels[y : y + height, x : x + width, :3] = np.asarray(small)


def _encoded(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[..., :3])).save(out, "PNG", compress_level=6)
    return out.getvalue()
