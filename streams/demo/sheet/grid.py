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
HEAD = 100
CAPTION = 34
WORD = 25
FOOT = 40
PLACEHOLDER = 3 / 2
LONGEST = 1.6
SQUARE = 1.15


@dataclass(frozen=True, slots=True)
class Placed:
    """A card at (x, y) in px; its pictures stand `pitch` apart in a band `picture_height` high."""

    card: Card
    x: float
    y: float
    width: float
    height: float
    pitch: float
    picture_height: float


def place(cards: Sequence[Card], top: float) -> tuple[list[Placed], float]:
    """Every card, and the y below the last row."""
    placed: list[Placed] = []
    y = top
    for row in _rows(sorted(cards, key=_shape)):
        height = max(_picture_height(card) for card in row)
        words = max(len(side.words) for card in row for side in card.sides)
        whole = HEAD + height + CAPTION + WORD * words + FOOT
        x = float(MARGIN)
        for card in row:
            width = len(card.sides) * (_unit() + GAP) - GAP
            placed.append(Placed(card, x, y, width, whole, _unit() + GAP, height))
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


def _picture_height(card: Card) -> float:
    return max(picture_size(side)[1] for side in card.sides)


def _shape(card: Card) -> int:
    """Upright, square or lying: cards of one shape stand together, so that rows have no holes."""
    width, height = picture_size(card.sides[0])
    ratio = height / width
    return 0 if ratio > SQUARE else 1 if ratio > 1 / SQUARE else 2


def picture_size(side: Side) -> tuple[int, int]:
    """The picture's own shape in px, as wide as its card allows; a very tall one is narrowed."""
    width = picture_width()
    if side.image is None or not side.image.width:
        return round(width), round(width * PLACEHOLDER)
    ratio = side.image.height / side.image.width
    narrowed = min(1.0, LONGEST / ratio)
    return round(width * narrowed), round(width * narrowed * ratio)


def picture_width() -> float:
    return _unit() - 2 * PAD
