"""One reader's look at one picture, held against the texts it should show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import regex

from inference.legibility import confusions
from inference.legibility.assign import assign
from inference.legibility.base import Corners, Line
from inference.legibility.distance import Pattern
from inference.legibility.folding import numbers, readable, strict, units
from inference.legibility.misreadings import is_doubted, misread
from inference.legibility.page import Page, lay_out, weighed
from inference.legibility.rereading import Box, bounds, is_lost
from inference.legibility.search import Span
from schemas.events import Text

# A reader that doubts its own words is no witness for words that should not be there.
EXTRA_CONFIDENCE: Final = 0.5
# A text that the picture's edge cuts is as wrong as with one letter in five.
CROPPED: Final = 0.8
# What a person cannot make out helps as little as what is cut off.
UNSEEN: Final = 0.8
# A word that nobody asked for is as wrong, however short it is beside the rest.
UNINVITED: Final = 0.8
UNINVITED_LETTERS: Final = 3
UNINVITED_CONFIDENCE: Final = 0.8
_LETTER: Final = regex.compile(r"\p{L}")
# Nobody turns a poster round to read it.
UPSIDE_DOWN: Final = 0.8


@dataclass(frozen=True, slots=True)
class Reading:
    """One text by one reader in one look, and where it stands in the picture.

    `same` says that the tolerant forms are one, `exact` the strict ones, `excused` that these differ in
    nothing but letters that this reader misreads (`misreadings`), `doubted` that it is not read but every
    letter that is wrong was held for possible; `numbers_exact` holds for a text without
    numbers too. `length` is the text's, `said` that of what was read, both in graphemes.
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
    excused: bool = False
    doubted: bool = False

    @property
    def lost(self) -> bool:
        """Whether another look is worth it: not all of it was found, or it was misread without certainty."""
        return is_lost(self.similarity, self.confidence, self.said / self.length)

    @property
    def rank(self) -> tuple[bool, bool, bool, float]:
        """Of two readings of a text the one with the higher rank counts."""
        right = self.excused or (self.same and self.numbers_exact)
        return self.exact, right, self.numbers_exact, self.similarity

    def right(self, *, critical: bool) -> bool:
        """Whether the text was read: with all its numbers, and where it is critical with its every letter."""
        if critical:
            return self.exact or self.excused
        return (self.same or self.excused) and self.numbers_exact


@dataclass(frozen=True, slots=True)
class Stray:
    """Words that belong to no text, where they stand, and how sure their reader is of the least sure one."""

    text: str
    characters: int
    boxes: tuple[Box, ...]
    confidence: float = 0.0

    @property
    def uninvited(self) -> bool:
        """Whether it is a word beyond doubt, which someone wrote there: no speck and no grain."""
        letters = len(_LETTER.findall(self.text))
        return letters >= UNINVITED_LETTERS and self.confidence >= UNINVITED_CONFIDENCE


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
        strays=tuple(_stray(words, seen) for words in _extra(page, taken)),
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
    edits = span.distance if critical else _edits(meant, read, span.distance)
    cost: float = edits
    beside = weighed(words)
    excused = misread(strict(text), raw, beside, any_case=not critical)
    if excused is not None:
        cost = excused
    elif not critical:
        cost = confusions.cost(meant, read, edits, confidence)
    lines = [seen.lines[line] for line in seen.of(span.words)]
    cropped, unseen = _is_cropped(meant, read, lines), any(line.unseen for line in lines)
    most = min(
        CROPPED if cropped else 1.0, UNSEEN if unseen else 1.0, UPSIDE_DOWN if seen.upside_down else 1.0
    )
    return Reading(
        read=seen.page.text(span.words),
        similarity=max(0.0, min(most, 1 - cost / len(meant))),
        same=not edits and most == 1,
        exact=raw == strict(text) and most == 1,
        numbers_exact=not due or numbers(raw) == due,
        length=len(meant),
        confidence=confidence,
        said=len(read),
        boxes=seen.placed(span.words),
        cropped=cropped,
        unseen=unseen,
        look=seen.look,
        excused=excused is not None and most == 1,
        doubted=excused is None and is_doubted(strict(text), raw, beside, any_case=not critical),
    )


def _edits(meant: str, read: str, distance: int) -> int:
    """The edits of a text that may be set as a designer likes: listing marks may be left out."""
    bare, said = confusions.unlisted(meant, read)
    if not distance or (bare, said) == (meant, read):
        return distance
    pattern = Pattern(bare)
    return min(distance, pattern.feed(pattern.start(), said)[-1])


def _is_ornament(word: str) -> bool:
    """Whether it is one letter over and over: waves and rows of dots are read as "wwww" and "ooo"."""
    return len(word) >= UNINVITED_LETTERS and word.isalpha() and len(set(word)) == 1


def _stray(words: Sequence[int], seen: _Seen) -> Stray:
    found = [seen.page.words[word] for word in words]
    return Stray(
        seen.page.text(words),
        sum(len(word.folded) for word in found),
        seen.placed(words),
        min(word.confidence for word in found),
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
    """Runs of words that belong to no text, without specks, ornaments and what the reader itself doubts."""
    runs: list[list[int]] = []
    for segment in page.segments:
        last = -1
        for index in segment:
            word = page.words[index]
            if (
                index in taken
                or word.confidence < EXTRA_CONFIDENCE
                or not any(c.isalnum() for c in word.text)
                or _is_ornament(word.folded)
            ):
                continue
            if last >= 0 and index == last + 1:
                runs[-1].append(index)
            else:
                runs.append([index])
            last = index
    return runs
