"""Which runs of words on a page may be a given text, at a bounded cost.

The bounds are approximations, reached only by pages far larger than posters: where a text's allowance does
not reach for every place it could begin at, places that share the most pairs of neighbouring letters with it
go first and the others are not measured. Spans spelt to the letter are then still found, as `exact` looks
for them apart from this, within a bound of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.legibility.distance import Pattern
from inference.legibility.page import Page

# A span that gets less than a third of a text right is other words.
MIN_SIMILARITY: Final = 1 / 3
_CHAIN: Final = 8
_PATHS: Final = 300
_CANDIDATES: Final = 12
# Between spans that get as much right, the one that leaves less unexplained.
_EXPLAINED: Final = 0.01


@dataclass(frozen=True, slots=True)
class Span:
    """Words read for a text, in reading order, their edit distance to it and their length in characters."""

    words: tuple[int, ...]
    distance: int
    length: int

    @property
    def mask(self) -> int:
        return sum(1 << word for word in self.words)


@dataclass(slots=True)
class Allowance:
    """Steps that may still be made: characters measured, or words and segments compared."""

    left: int

    def spend(self, steps: int) -> bool:
        """Whether so many were left; they are gone then."""
        if steps > self.left:
            return False
        self.left -= steps
        return True


class Places:
    """Where on a page a text could begin, the likeliest first."""

    __slots__ = ("_pairs", "_segment_ends", "_segments", "_word_ends", "_words", "row_ends")

    def __init__(self, page: Page) -> None:
        lengths = [len(word.folded) for word in page.words]
        at = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
        # A row and a segment are words that follow each other; `row_ends[i]` is the word after i's row.
        self.row_ends = [row[-1] + 1 for row in page.rows for _ in row]
        filled = [segment for segment in page.segments if segment]
        self._words, self._word_ends = at[:-1], at[np.array(self.row_ends, dtype=np.int64)]
        self._segments = at[[segment[0] for segment in filled]] if filled else at[:0]
        self._segment_ends = at[[segment[-1] + 1 for segment in filled]] if filled else at[:0]
        self._pairs = _pairs(page.folded(range(len(page.words))))

    def words(self, target: str) -> list[int]:
        return self._ranked(target, self._words, self._word_ends)

    def segments(self, target: str) -> list[int]:
        return self._ranked(target, self._segments, self._segment_ends)

    def _ranked(self, target: str, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> list[int]:
        """By the pairs of letters in a window of the text's length: those it has, less those it has not."""
        shared = np.concatenate(([0], np.cumsum(np.isin(self._pairs, _pairs(target)))))
        stops = np.maximum(np.minimum(starts + len(target), ends) - 1, starts)
        merit = 2 * (shared[stops] - shared[starts]) - (stops - starts)
        ranked: list[int] = np.argsort(-merit, kind="stable").tolist()
        return ranked


def _pairs(text: str) -> NDArray[np.uint64]:
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    return codes[:-1] << np.uint64(21) | codes[1:]


def gain(target: str, span: Span) -> float:
    """Characters right, and a hundredth for how much of the text's length is accounted for."""
    return len(target) - span.distance + _EXPLAINED * min(span.length, len(target)) / len(target)


def exact(target: str, page: Page, steps: Allowance) -> list[Span]:
    """The spans that are the text to the letter, found without measuring distances."""
    runs = (words for row in page.rows for words in _runs_spelling(target, row, page, steps))
    return [Span(words, 0, len(target)) for words in (*runs, *_chains_spelling(target, page, steps))]


def _runs_spelling(
    target: str, row: tuple[int, ...], page: Page, steps: Allowance
) -> Iterator[tuple[int, ...]]:
    if target not in page.folded(row):
        return
    for first in range(len(row)):
        rest = target
        for last in range(first, len(row)):
            word = page.words[row[last]].folded
            if not steps.spend(1):
                return
            if not rest.startswith(word):
                break
            rest = rest[len(word) :]
            if not rest:
                yield row[first : last + 1]
                break


def _chains_spelling(target: str, page: Page, steps: Allowance) -> Iterator[tuple[int, ...]]:
    for start in range(len(page.segments)):
        if not target.startswith(page.folded(page.segments[start])):
            continue
        stack: list[tuple[tuple[int, ...], str]] = [((start,), target)]
        while stack and steps.spend(1):
            chain, rest = stack.pop()
            said = page.folded(page.segments[chain[-1]])
            if rest == said and len(chain) > 1:
                yield _words(chain, page)
            elif rest.startswith(said) and len(chain) < _CHAIN:
                follow = (after for after in page.after[chain[-1]] if after not in chain)
                stack += [((*chain, after), rest[len(said) :]) for after in follow]


def candidates(target: str, wanted: int, page: Page, places: Places, characters: Allowance) -> list[Span]:
    """The best spans for a text, best first, enough of them for as many as are wanted."""
    # A text long enough to be costly is more often set in several lines than in one.
    rows = Allowance(characters.left // 4)
    characters.left -= rows.left
    spans = list(_in_rows(target, page, places, rows))
    characters.left += rows.left
    spans += _in_chains(target, page, places, characters)
    spans.sort(key=lambda span: (-gain(target, span), span.words))
    return spans[: _CANDIDATES * wanted]


def _in_rows(target: str, page: Page, places: Places, characters: Allowance) -> Iterator[Span]:
    """Runs of words within a row; for each first word the ends with the least distance."""
    pattern = Pattern(target)
    least = MIN_SIMILARITY * pattern.length
    for first in places.words(target):
        state, read = pattern.start(), 0
        nearest = pattern.length
        for last in range(first, places.row_ends[first]):
            word = page.words[last].folded
            read += len(word)
            # What is longer than the text differs by that much at least.
            if 2 * pattern.length - read < least:
                break
            if not characters.spend(len(word)):
                return
            state = pattern.feed(state, word)
            if state[2] <= nearest:
                nearest = state[2]
                if pattern.length - nearest >= least:
                    yield Span(tuple(range(first, last + 1)), nearest, read)


def _in_chains(target: str, page: Page, places: Places, characters: Allowance) -> Iterator[Span]:
    """Whole segments one after another, each below or beside the last: a text set in several lines."""
    pattern = Pattern(target)
    least = MIN_SIMILARITY * pattern.length
    paths = 0
    for start in places.segments(target):
        stack: list[tuple[tuple[int, ...], tuple[int, int, int], int]] = [((start,), pattern.start(), 0)]
        while stack and paths < _PATHS:
            chain, state, read = stack.pop()
            paths += 1
            said = page.folded(page.segments[chain[-1]])
            read += len(said)
            if 2 * pattern.length - read < least:
                continue
            if not characters.spend(len(said)):
                return
            state = pattern.feed(state, said)
            if len(chain) > 1 and pattern.length - state[2] >= least:
                yield Span(_words(chain, page), state[2], read)
            if read < pattern.length + 2 and len(chain) < _CHAIN:
                stack += [
                    ((*chain, after), state, read) for after in page.after[chain[-1]] if after not in chain
                ]


def _words(chain: tuple[int, ...], page: Page) -> tuple[int, ...]:
    return tuple(word for segment in chain for word in page.segments[segment])
