"""Stacks of texts: each item's type, and the sizes at which a stack fits its box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference.typography.bidirectional import base_direction
from inference.typography.fitting import Lines, Measured, measure, tall, widest_piece, wrap
from inference.typography.shaping import paragraph
from inference.typography.styles import Style, Voice, chain
from schemas.events import Role, Text

LEAST_PX = 11.0
LEAST_PX_DENSE = 13.0
LONG_WORD_EM = 6.5
FOLLOWS = 0.62
PRICE_FOLLOWS = 0.92
_DENSE = frozenset({"Arab", "Deva", "Thai", "Hani", "Hira", "Kana", "Hang", "Bopo"})


@dataclass(frozen=True, slots=True)
class Cut:
    """How a role is set. Sizes in units (1% of the geometric mean side); `pitch` is line to line in em."""

    voice: Voice
    high: float
    low: float
    pitch: float
    tone: str = "ink"
    tracking: float = 0.0
    most_lines: int = 12
    above: float = 2.4


CUTS: dict[Role, Cut] = {
    "headline": Cut("display", 34.0, 4.2, 0.0, above=3.0, most_lines=5),
    "subtitle": Cut("text", 5.0, 2.5, 1.25, above=3.2),
    "tagline": Cut("accent", 4.4, 2.4, 1.3, above=2.6),
    "body": Cut("text", 2.9, 1.9, 1.42, above=3.3, most_lines=40),
    "date": Cut("label", 3.5, 2.1, 1.25, tone="accent", tracking=0.04, above=3.3),
    "price": Cut("display", 8.5, 3.2, 1.05, tone="accent", above=4.4),
    "cta": Cut("label", 3.2, 2.1, 1.2, tone="on_accent", above=4.2, most_lines=3),
    "brand": Cut("label", 3.1, 2.0, 1.25, tracking=0.05),
    "credits": Cut("text", 2.1, 1.6, 1.35, above=1.8),
}


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One text, shaped and measured, ready to be set at any size in [low, high] px.

    `role` is the role it is set in, which differs from its text's own where a sheet has no headline.
    """

    source: Text
    role: Role
    cut: Cut
    measured: Measured
    high: float
    low: float

    @property
    def gap(self) -> float:
        """Between the ink of two lines, in em."""
        ink = self.measured.ascent + self.measured.descent
        return max(0.13, self.cut.pitch - ink) if self.cut.pitch else 0.15


@dataclass(frozen=True, slots=True)
class Sized:
    """An item at a size in px: its lines, and its outer box with any pill."""

    item: Item
    size: float
    lines: Lines
    width: float
    height: float

    @property
    def pad(self) -> tuple[float, float]:
        """Room in px around the words, across and up, where they stand on a pill."""
        return (self.size * 1.0, self.size * 0.62) if self.item.cut.tone == "on_accent" else (0.0, 0.0)


def make_item(
    source: Text, role: Role, words: str, locale: str, style: Style, unit: float, *, shrink: float = 1.0
) -> Item:
    """Chooses faces for `words` (the normalised text), shapes and measures them.

    Raises:
        NoGlyph: no face covers some of the characters.
    """
    cut = CUTS[role]
    direction = base_direction(words, locale)
    spaced = cut.tracking if words.upper() == words else 0.0

    def measured(narrow: bool) -> Measured:
        faces = chain(style, cut.voice, words, narrow=narrow)
        return measure(paragraph(words, faces, direction=direction, locale=locale, tracking=spaced))

    found = measured(False)
    if role == "headline" and widest_piece(found) > LONG_WORD_EM:
        found = measured(True)
    least = LEAST_PX_DENSE if _DENSE & set(found.para.scripts) else LEAST_PX
    high = max(least, cut.high * unit * shrink)
    return Item(source, role, cut, found, high, max(least, min(high, cut.low * unit)))


def size_at(item: Item, width: float, tightness: float, most: float = 1e9) -> Sized | None:
    """The item as large as `tightness` in [0, 1] lets it be in `width` px: 0 is its best size, 1 its least.

    Headlines give way first, everything else from half way on, and never up to `most` px, the
    headline's size.
    """
    give = tightness if item.role == "headline" else max(0.0, 2 * tightness - 1)
    size = item.high * (item.low / item.high) ** give
    if item.role != "headline":
        size = max(item.low, min(size, most * (PRICE_FOLLOWS if item.role == "price" else FOLLOWS)))
    pill = 2.0 if item.cut.tone == "on_accent" else 0.0
    widest = widest_piece(item.measured)
    if (widest + pill) * size > width:
        size = max(item.low, width / (widest + pill) * 0.999)
    while True:
        lines = wrap(item.measured, width / size - pill, item.cut.most_lines)
        if lines is not None or size <= item.low:
            break
        size = max(item.low, size * 0.93)
    if lines is None:
        return None
    across = max(item.measured.width(*line) for line in lines) * size
    sized = Sized(item, size, lines, across, tall(item.measured, len(lines), item.gap) * size)
    pad = sized.pad
    return Sized(item, size, lines, across + 2 * pad[0], sized.height + 2 * pad[1])


def gap_before(sized: Sized, unit: float, tightness: float) -> float:
    """Air in px above an item that is not its stack's first."""
    return sized.item.cut.above * unit * (1.0 - 0.55 * tightness)


def stack_height(stack: Sequence[Sized], tightness: float, unit: float, extra: float = 0.0) -> float:
    """Height in px of a stack with its gaps; `extra` is what ornaments add."""
    gaps = sum(gap_before(each, unit, tightness) for each in stack[1:])
    return sum(each.height for each in stack) + gaps + extra


def fit_stack(
    items: Sequence[Item], width: float, height: float, unit: float, extra: float = 0.0
) -> tuple[list[Sized], float] | None:
    """The loosest setting of a stack that fits width x height px, by binary search; None where none does."""

    def attempt(tightness: float) -> list[Sized] | None:
        lead = next((size_at(item, width, tightness) for item in items if item.role == "headline"), None)
        most = lead.size if lead else 1e9
        sized = [size_at(item, width, tightness, most) for item in items]
        stack = [each for each in sized if each is not None]
        fits = len(stack) == len(items) and stack_height(stack, tightness, unit, extra) <= height
        return stack if fits else None

    loosest = attempt(0.0)
    if loosest is not None:
        return loosest, 0.0
    best = attempt(1.0)
    if best is None:
        return None
    low, high = 0.0, 1.0
    for _ in range(7):
        middle = (low + high) / 2
        found = attempt(middle)
        if found is None:
            low = middle
        else:
            best, high = found, middle
    return best, high
