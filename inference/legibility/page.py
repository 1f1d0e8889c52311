"""What was read, laid out: words in segments (a line without wide gaps), segments in rows, top to bottom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import regex
from numpy.typing import NDArray

from inference.legibility.base import Alternative, Line
from inference.legibility.folding import strict, units

# Scripts that put no spaces between words are cut by grapheme, so that a text can end inside a run.
_SPACELESS: Final = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_TOKEN: Final = regex.compile(rf"(?=[{_SPACELESS}])\Xー?|[^\s{_SPACELESS}]+")
_SAME_ROW: Final = 0.5
# Measured: RapidOCR's boxes of one line never stand further apart, columns of a poster may stand 0.8. A
# text that does run on is found by `after`.
_SAME_SEGMENT: Final = 0.5
_LEADING: Final = 1.2


@dataclass(frozen=True, slots=True)
class Word:
    """`folded` are the units, `raw` the strict form of `text`; `line` is its line's place.

    `alternatives` are the line's that fall on this word, in the strict form and at their places in `raw`.
    """

    text: str
    folded: str
    raw: str
    confidence: float
    spaced: bool
    line: int
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        return max(self.bottom - self.top, 1.0)

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


_Placed: TypeAlias = tuple[int, _Box]


@dataclass(frozen=True, slots=True)
class Page:
    """`segments` and `rows` hold indices into `words`; `after[i]` says what may continue segment i."""

    words: tuple[Word, ...]
    segments: tuple[tuple[int, ...], ...]
    rows: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]

    def folded(self, words: Sequence[int]) -> str:
        """The words as units, a character each grapheme."""
        return "".join(self.words[i].folded for i in words)

    def text(self, words: Sequence[int]) -> str:
        """The words as a person would write them."""
        return "".join(
            (" " if place and self.words[i].spaced else "") + self.words[i].text
            for place, i in enumerate(words)
        )


def weighed(words: Sequence[Word]) -> Mapping[tuple[int, str], float]:
    """The alternatives of some words: by place in their joined strict forms and by character, the odds."""
    found: dict[tuple[int, str], float] = {}
    start = 0
    for word in words:
        for place, character, probability in word.alternatives:
            key = start + place, character
            found[key] = max(probability, found.get(key, 0.0))
        start += len(word.raw)
    return found


def lay_out(lines: Sequence[Line]) -> Page:
    """Lines of one reader as a page. A line without a box stands in a row of its own, in the order given."""
    boxed = [(index, _bounds(line, index)) for index, line in enumerate(lines) if line.text.strip()]
    words: list[Word] = []
    rows: list[tuple[int, ...]] = []
    segments: list[tuple[int, ...]] = []
    boxes: list[_Box] = []
    for row in _rows(boxed):
        first = len(words)
        for segment in _segments(row):
            start = len(words)
            words += [word for index, _ in segment for word in _words(lines[index], index)]
            segments.append(tuple(range(start, len(words))))
            boxes.append(_around([box for _, box in segment]))
        rows.append(tuple(range(first, len(words))))
    return Page(tuple(words), tuple(segments), tuple(rows), tuple(_after(boxes)))


def _bounds(line: Line, index: int) -> _Box:
    if not line.box:
        return _Box(0, 1e6 + 10 * index, 1, 1e6 + 10 * index + 10)
    xs, ys = [x for x, _ in line.box], [y for _, y in line.box]
    return _Box(min(xs), min(ys), max(xs), max(ys))


def _around(boxes: Sequence[_Box]) -> _Box:
    return _Box(
        min(b.left for b in boxes),
        min(b.top for b in boxes),
        max(b.right for b in boxes),
        max(b.bottom for b in boxes),
    )


def _rows(boxed: Sequence[_Placed]) -> list[list[_Placed]]:
    """Boxes whose middles lie within half the smaller height of the row's last box share the row."""
    rows: list[list[_Placed]] = []
    for entry in sorted(boxed, key=lambda entry: (entry[1].middle, entry[1].left)):
        box = entry[1]
        last = rows[-1][-1][1] if rows else None
        if last and box.middle - last.middle < _SAME_ROW * min(box.height, last.height):
            rows[-1].append(entry)
        else:
            rows.append([entry])
    return [sorted(row, key=lambda entry: entry[1].left) for row in rows]


def _segments(row: Sequence[_Placed]) -> Iterator[list[_Placed]]:
    segment = [row[0]]
    for entry in row[1:]:
        last, box = segment[-1][1], entry[1]
        if box.left - last.right < _SAME_SEGMENT * min(last.height, box.height):
            segment.append(entry)
        else:
            yield segment
            segment = [entry]
    yield segment


def _words(line: Line, index: int) -> Iterator[Word]:
    for match in _TOKEN.finditer(line.text):
        # A rule beside a word is read as a low line, and no poster's word begins or ends with one.
        text, start = match[0].strip("_"), match.start() + len(match[0]) - len(match[0].lstrip("_"))
        before = line.text[: match.start()]
        folded, raw = units(text), strict(text)
        if folded:
            spaced = not before or before[-1].isspace()
            alternatives = tuple(_on(line, start, raw)) if len(raw) == len(text) else ()
            yield Word(text, folded, raw, line.confidence, spaced, index, alternatives)


def _on(line: Line, start: int, raw: str) -> Iterator[Alternative]:
    for place, character, probability in line.alternatives:
        if 0 <= place - start < len(raw):
            said = strict(character)
            if len(said) == 1 and said != raw[place - start]:
                yield place - start, said, probability


def _after(boxes: Sequence[_Box]) -> Iterator[tuple[int, ...]]:
    """For each segment the nearest two below it and the nearest beside it in another row."""
    sides = np.array([(b.left, b.top, b.right, b.bottom) for b in boxes]).reshape(-1, 4)
    left, top, right, bottom = sides.T
    height = np.maximum(bottom - top, 1.0)
    for i, box in enumerate(boxes):
        tallest = np.maximum(height, box.height)
        across = np.minimum(right, box.right) - np.maximum(left, box.left)
        drop = top - box.bottom
        below = (across > 0) & (top >= box.middle) & (drop <= _LEADING * tallest)
        along = np.minimum(bottom, box.bottom) - np.maximum(top, box.top)
        gap = left - box.right
        beside = (along >= 0.5 * np.minimum(height, box.height)) & (-0.2 * tallest <= gap) & (gap <= tallest)
        yield (*_nearest(drop, below, i, 2), *_nearest(gap, beside, i, 1))


def _nearest(gaps: NDArray[np.float64], fit: NDArray[np.bool_], own: int, count: int) -> list[int]:
    fit[own] = False
    places = np.flatnonzero(fit)
    nearest: list[int] = places[np.argsort(gaps[places], kind="stable")[:count]].tolist()
    return nearest
