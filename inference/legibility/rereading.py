"""When a picture is looked at again, and how: turned if type stands unread, and enlarged by quarters.

What was measured with RapidOCR 3.10: its finder sees type at any angle, and reads it at slants of up to 45
degrees either way and turned by 90 degrees one way. Upside down, or turned the other way, it prints
nonsense, of which it is never sure: confidence at most 0.91 over 88 lines of turned posters (median 0.7),
where 95 of 100 lines of upright type have 0.95 or more.

Its finder sees any picture at 736 pixels or fewer, so small type is lost in large pictures, and misses a
lone small line on a large ground at any size. Of 60 lines of 8, 10 and 12 pixels in pictures of 768 and
1,536 one look found 38, one at twice the finder's side 41, and four quarters, which cost as much, 55.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from PIL import Image

from inference.legibility.base import Corners, Line

# A text of which less than half is right was not found. One that is nearer was misspelt, if it is complete
# and the reader is sure of it: to look again for every wrong letter would give a wrong picture more chances
# to be taken for right.
LOW: Final = 0.5
DOUBTED: Final = 0.85
# What the reader is so sure of is upright.
UPRIGHT: Final = 0.92
ZOOM: Final = 2.0
# Quarters reach so far beyond the middle, as a share of the side: a line of small type lies whole in one.
_OVERLAP: Final = 0.125
# Of a line's height: what a closer look at it shows above, below and beside it.
_AIR: Final = 0.4
# A box so many times as high as wide, or the other way round, has one direction.
_LONG: Final = 1.5

Turn: TypeAlias = Literal[0, 90, 180, 270]
Box: TypeAlias = tuple[float, float, float, float]

_TRANSPOSED: Final = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True, slots=True)
class View:
    """A part of a picture (left, top, right, bottom in pixels), turned counter-clockwise, and enlarged."""

    part: tuple[int, int, int, int]
    turn: Turn = 0
    zoom: float = 1.0

    @property
    def name(self) -> str:
        """As it is recorded: "turned 180", "2x at 0,0", "1x at 12,80" for a closer look."""
        return f"turned {self.turn}" if self.turn else f"{self.zoom:g}x at {self.part[0]},{self.part[1]}"

    def of(self, picture: Image.Image) -> Image.Image:
        """What a reader is shown; it does the enlarging."""
        part = picture.crop(self.part)
        return part.transpose(_TRANSPOSED[self.turn]) if self.turn else part

    def in_picture(self, box: Corners) -> Corners:
        """Where a box of this view lies in the picture."""
        left, top, right, bottom = self.part
        match self.turn:
            case 0:
                return tuple((left + x, top + y) for x, y in box)
            case 90:
                return tuple((right - y, top + x) for x, y in box)
            case 180:
                return tuple((right - x, bottom - y) for x, y in box)
            case 270:
                return tuple((left + y, bottom - x) for x, y in box)


def is_lost(similarity: float, confidence: float, said: float) -> bool:
    """Whether a text's recall is so low that another look is worth it.

    `said` is how long what was read is, as a share of the text: where much is missing it may stand elsewhere.
    """
    return similarity < (DOUBTED if confidence < UPRIGHT or said < DOUBTED else LOW)


def further_views(size: tuple[int, int], unread: Sequence[Line]) -> tuple[View, ...]:
    """The views worth a look in a picture (width, height) with low recall, the cheapest and likeliest first.

    `unread` are the lines seen that are no text which was found, doubtful ones too. Only as some of them may
    be turned is the picture turned.
    """
    width, height = size
    ink: dict[Turn, float] = {180: 0.0, 270: 0.0, 90: 0.0}
    for line in unread:
        if line.box:
            left, top, right, bottom = bounds(line.box)
            for turn in _turns(line):
                ink[turn] += max(right - left, bottom - top)
    likeliest = sorted((turn for turn in ink if ink[turn]), key=lambda turn: -ink[turn])
    return (*(View((0, 0, width, height), turn) for turn in likeliest), *_quarters(width, height))


def closer_view(size: tuple[int, int], boxes: Sequence[Box]) -> View:
    """The part of a picture that holds some lines, with air around them."""
    air = _AIR * min(bottom - top for _, top, _, bottom in boxes)
    left, top = min(box[0] for box in boxes) - air, min(box[1] for box in boxes) - air
    right, bottom = max(box[2] for box in boxes) + air, max(box[3] for box in boxes) + air
    width, height = size
    return View(
        (max(0, int(left)), max(0, int(top)), min(width, int(right) + 1), min(height, int(bottom) + 1))
    )


def _quarters(width: int, height: int) -> Iterator[View]:
    across, down = round(width * (0.5 + _OVERLAP)), round(height * (0.5 + _OVERLAP))
    for top in (0, height - down):
        for left in (0, width - across):
            yield View((left, top, left + across, top + down), zoom=ZOOM)


def _turns(line: Line) -> tuple[Turn, ...]:
    """How a line may have to be turned to stand upright."""
    left, top, right, bottom = bounds(line.box)
    across, down = right - left, bottom - top
    if down > _LONG * across:
        # What is surely read runs downward, as RapidOCR reads it; its lines still want the right order.
        return (270, 90) if line.confidence < UPRIGHT else (90,)
    if line.confidence >= UPRIGHT:
        return ()
    return (180,) if across > _LONG * down else (180, 90, 270)


def bounds(box: Corners) -> Box:
    """Left, top, right, bottom of some corners."""
    xs, ys = [x for x, _ in box], [y for _, y in box]
    return min(xs), min(ys), max(xs), max(ys)


def overlap(one: Box, other: Box) -> float:
    """The area that two boxes share, as a share of the smaller one's."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    if across <= 0 or down <= 0:
        return 0.0
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return across * down / smaller if smaller > 0 else 0.0
