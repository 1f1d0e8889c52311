"""One reader's look at one picture, held against the texts it should show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from inference.legibility import confusions
from inference.legibility.assign import assign
from inference.legibility.base import Corners, Line
from inference.legibility.folding import numbers, readable, strict, units
from inference.legibility.page import Page, lay_out
from inference.legibility.rereading import Box, bounds, is_lost
from inference.legibility.search import Span
from schemas.events import Text

# A reader that doubts its own words is no witness for words that should not be there.
EXTRA_CONFIDENCE: Final = 0.5
# A text that the picture's edge cuts is as wrong as with one letter in five.
CROPPED: Final = 0.8
# What a person cannot make out helps as little as what is cut off.
UNSEEN: Final = 0.8
# Nobody turns a poster round to read it.
UPSIDE_DOWN: Final = 0.8


@dataclass(frozen=True, slots=True)
class Reading:
    """One text by one reader in one look, and where it stands in the picture.

    `same` says that the tolerant forms are one, `exact` the strict ones; `numbers_exact` holds for a text
    without numbers too. `length` is the text's, `said` that of what was read, both in graphemes.
    """

    read: str
    similarity: float
    same: bool
    exact: bool
    numbers_exact: bool
    length: int
    confidence: float = 0.0
    said: int = 0
    boxes: tuple[Box, ...] = ()
    cropped: bool = False
    unseen: bool = False
    look: str = ""

    @property
    def lost(self) -> bool:
        """Whether another look is worth it: not all of it was found, or it was misread without certainty."""
        return is_lost(self.similarity, self.confidence, self.said / self.length)

    @property
    def rank(self) -> tuple[bool, bool, bool, float]:
        """Of two readings of a text the one with the higher rank counts."""
        return self.exact, self.same and self.numbers_exact, self.numbers_exact, self.similarity


@dataclass(frozen=True, slots=True)
class Stray:
    """Words that belong to no text, and where they stand."""

    text: str
    characters: int
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One reader's look; `readings[i]` is None where it cannot judge text i.

    `explained` are the characters it read for texts, `unread` the lines of which it read none that was found.
    """

    readings: tuple[Reading | None, ...]
    explained: int
    strays: tuple[Stray, ...]
    unread: tuple[Line, ...]

    @property
    def extra_characters(self) -> int:
        return sum(stray.characters for stray in self.strays)

    @property
    def precision(self) -> float:
        # Over letters it does not know a reader prints others; they may be the text, so they are not extra.
        if None in self.readings or not self.extra_characters:
            return 1.0
        return self.explained / (self.explained + self.extra_characters)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A page, the lines it was laid out from, and where these stand in the picture."""

    page: Page
    lines: Sequence[Line]
    boxes: Sequence[Box | None]
    look: str
    upside_down: bool

    def placed(self, words: Sequence[int]) -> tuple[Box, ...]:
        found = (self.boxes[line] for line in self.of(words))
        return tuple(box for box in found if box)

    def of(self, words: Sequence[int]) -> list[int]:
        return list(dict.fromkeys(self.page.words[word].line for word in words))


def judged(
    texts: Sequence[Text],
    lines: Sequence[Line],
    characters: frozenset[str],
    *,
    look: str = "",
    upside_down: bool = False,
    in_picture: Callable[[Corners], Corners] = lambda box: box,
) -> Judgement:
    """One reader's words against the texts it knows the letters of.

    `in_picture` takes a box of this look to where it stands in the picture.
    """
    boxes = [bounds(in_picture(line.box)) if line.box else None for line in lines]
    seen = _Seen(lay_out(lines), lines, boxes, look, upside_down)
    page = seen.page
    asked = [readable(text.text, characters) for text in texts]
    spans = iter(assign([units(text) for text in asked if text], page))
    pairs = [(text, next(spans) if text else None) for text in asked]
    taken = {word for _, span in pairs if span for word in span.words}
    readings = tuple(
        _reading(text, span, seen, critical=expected.critical) if text else None
        for expected, (text, span) in zip(texts, pairs, strict=True)
    )
    found = {
        page.words[word].line
        for reading, (_, span) in zip(readings, pairs, strict=True)
        if reading and span and not reading.lost
        for word in span.words
    }
    return Judgement(
        readings=readings,
        explained=sum(len(page.words[word].folded) for word in taken),
        strays=tuple(
            Stray(page.text(words), sum(len(page.words[word].folded) for word in words), seen.placed(words))
            for words in _extra(page, taken)
        ),
        unread=tuple(line for place, line in enumerate(lines) if place not in found),
    )


def _reading(text: str, span: Span | None, seen: _Seen, *, critical: bool) -> Reading:
    meant, due = units(text), numbers(text)
    if span is None:
        return Reading(
            "", 0.0, same=False, exact=False, numbers_exact=not due, length=len(meant), look=seen.look
        )
    words = [seen.page.words[word] for word in span.words]
    raw, read = "".join(word.raw for word in words), "".join(word.folded for word in words)
    confidence = min(word.confidence for word in words)
    cost: float = span.distance
    if not critical:
        cost = confusions.cost(meant, read, span.distance, confidence)
    lines = [seen.lines[line] for line in seen.of(span.words)]
    cropped, unseen = _is_cropped(meant, read, lines), any(line.unseen for line in lines)
    most = min(
        CROPPED if cropped else 1.0, UNSEEN if unseen else 1.0, UPSIDE_DOWN if seen.upside_down else 1.0
    )
    return Reading(
        read=seen.page.text(span.words),
        similarity=max(0.0, min(most, 1 - cost / len(meant))),
        same=span.distance == 0 and most == 1,
        exact=raw == strict(text) and most == 1,
        numbers_exact=not due or numbers(raw) == due,
        length=len(meant),
        confidence=confidence,
        said=len(read),
        boxes=seen.placed(span.words),
        cropped=cropped,
        unseen=unseen,
        look=seen.look,
    )


def _is_cropped(meant: str, read: str, lines: Sequence[Line]) -> bool:
    """Whether an edge runs through its letters, or its beginning or end is missing where an edge is near."""
    if any(line.cut for line in lines):
        return True
    if read == meant:
        return False
    return any(
        (meant.endswith(read) and "left" in line.near) or (meant.startswith(read) and "right" in line.near)
        for line in lines
    )


def _extra(page: Page, taken: set[int]) -> list[list[int]]:
    """Runs of words that belong to no text, without specks and what the reader itself doubts."""
    runs: list[list[int]] = []
    for segment in page.segments:
        last = -1
        for index in segment:
            word = page.words[index]
            if (
                index in taken
                or word.confidence < EXTRA_CONFIDENCE
                or not any(c.isalnum() for c in word.text)
            ):
                continue
            if last >= 0 and index == last + 1:
                runs[-1].append(index)
            else:
                runs.append([index])
            last = index
    return runs
