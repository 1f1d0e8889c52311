"""Where each card stands: rows of equal width, a card with one picture half as wide as one with two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streams.demo.sheet.cards import Card, Side

PAGE = 2000
MARGIN = 60
GAP = 26
UNITS = 6
PAD = 20
BETWEEN = 14
HEAD = 76
CAPTION = 34
WORD = 25
FOOT = 40
PLACEHOLDER = 3 / 4
LONGEST = 1.6


@dataclass(frozen=True, slots=True)
class Placed:
    """A card at (x, y) in px; its pictures are `picture_width` wide in a band `picture_height` high."""

    card: Card
    x: float
    y: float
    width: float
    height: float
    picture_width: float
    picture_height: float


def place(cards: Sequence[Card], top: float) -> tuple[list[Placed], float]:
    """Every card, and the y below the last row."""
    placed: list[Placed] = []
    y = top
    for row in _rows(cards):
        height = max(_picture_height(card) for card in row)
        words = max(len(side.words) for card in row for side in card.sides)
        whole = HEAD + height + CAPTION + WORD * words + FOOT
        x = float(MARGIN)
        for card in row:
            width = _width(card)
            placed.append(Placed(card, x, y, width, whole, _picture_width(card), height))
            x += width + GAP
        y += whole + GAP
    return placed, y


def _rows(cards: Sequence[Card]) -> list[list[Card]]:
    """Full rows where possible: a narrow card is drawn forward into a gap that a wide one would leave."""
    waiting = list(cards)
    rows = []
    while waiting:
        row: list[Card] = []
        room = UNITS
        while waiting:
            fitting = next((card for card in waiting if len(card.sides) <= room), None)
            if fitting is None:
                break
            waiting.remove(fitting)
            row.append(fitting)
            room -= len(fitting.sides)
        rows.append(row)
    return rows


def _unit() -> float:
    return (PAGE - 2 * MARGIN - (UNITS - 1) * GAP) / UNITS


def _width(card: Card) -> float:
    count = len(card.sides)
    return count * _unit() + (count - 1) * GAP


def _picture_width(card: Card) -> float:
    count = len(card.sides)
    return (_width(card) - 2 * PAD - (count - 1) * BETWEEN) / count


def _picture_height(card: Card) -> float:
    return max(picture_size(side, _picture_width(card))[1] for side in card.sides)


def picture_size(side: Side, width: float) -> tuple[int, int]:
    """The picture's own shape at `width` px; a very tall one is narrowed."""
    if side.image is None or not side.image.width:
        return round(width), round(width * PLACEHOLDER)
    ratio = side.image.height / side.image.width
    narrowed = min(1.0, LONGEST / ratio)
    return round(width * narrowed), round(width * narrowed * ratio)
