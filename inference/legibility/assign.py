"""Which words were meant for which text: disjoint spans of a page, as many characters right as can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.legibility.page import Page

# A span that gets less than a third of a text right is other words.
MIN_SIMILARITY: Final = 1 / 3
_CHAIN: Final = 8
_PATHS: Final = 300
_CANDIDATES: Final = 12
_BRANCHES: Final = 48
# Between spans that get as much right, the one that leaves less unexplained.
_EXPLAINED: Final = 0.01

_State: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Span:
    """Words read for a text, in reading order, and their edit distance to it in characters."""

    words: tuple[int, ...]
    distance: int

    @property
    def mask(self) -> int:
        return sum(1 << word for word in self.words)


class Pattern:
    """Edit distance from one text to every prefix of another, a character at a time.

    Myers, "A fast bit-vector algorithm for approximate string matching" (1999), in the form of Hyyrö
    (2003) for whole strings; Python's integers serve as words of any width.
    """

    __slots__ = ("_full", "_last", "_where", "length")

    def __init__(self, text: str) -> None:
        self.length = len(text)
        self._full = (1 << len(text)) - 1
        self._last = 1 << max(len(text) - 1, 0)
        self._where: dict[str, int] = {}
        for place, character in enumerate(text):
            self._where[character] = self._where.get(character, 0) | 1 << place

    def start(self) -> _State:
        """The state before the first character; its last entry is the distance."""
        return self._full, 0, self.length

    def feed(self, state: _State, text: str) -> _State:
        """The state after `text`."""
        up, down, distance = state
        for character in text:
            equal = self._where.get(character, 0)
            vertical = equal | down
            horizontal = (((equal & up) + up) ^ up) | equal
            rise = (down | ~(horizontal | up)) & self._full
            fall = up & horizontal
            distance += bool(rise & self._last) - bool(fall & self._last)
            rise = (rise << 1 | 1) & self._full
            up = (fall << 1 | ~(vertical | rise)) & self._full
            down = rise & vertical
        return up, down, distance


def assign(targets: Sequence[str], page: Page) -> tuple[Span | None, ...]:
    """For each text (tolerant form) the span that was meant for it, or None.

    Spans share no word. Together they maximise the characters right, sum of max(0, length - distance).
    """
    wanted = Counter(targets)
    found = {target: _exact(target, page) or _candidates(target, wanted[target], page) for target in wanted}
    if best := _each_its_best(targets, found):
        return best
    found = {target: _candidates(target, wanted[target], page) for target in wanted}
    return _each_its_best(targets, found) or _disjoint(targets, found, page)


def _each_its_best(
    targets: Sequence[str], found: Mapping[str, Sequence[Span]]
) -> tuple[Span | None, ...] | None:
    """Every text's best span, where these share no word: then nothing can be better."""
    seen: Counter[str] = Counter()
    best: list[Span | None] = []
    union = 0
    for target in targets:
        spans = found[target]
        if not spans:
            best.append(None)
            continue
        # The same text twice wants two spans as good as each other.
        span = spans[min(seen[target], len(spans) - 1)]
        seen[target] += 1
        if union & span.mask or span.distance != spans[0].distance:
            return None
        union |= span.mask
        best.append(span)
    return tuple(best)


def _gain(target: str, span: Span, page: Page) -> float:
    explained = len(page.folded(span.words))
    return len(target) - span.distance + _EXPLAINED * min(explained, len(target)) / len(target)


def _exact(target: str, page: Page) -> list[Span]:
    """The spans that are the text to the letter, found without measuring distances."""
    spans = [Span(words, 0) for row in page.rows for words in _runs_spelling(target, row, page)]
    for start in range(len(page.segments)):
        stack: list[tuple[tuple[int, ...], str]] = [((start,), target)]
        while stack:
            chain, rest = stack.pop()
            said = page.folded(page.segments[chain[-1]])
            if rest == said and len(chain) > 1:
                spans.append(Span(tuple(word for segment in chain for word in page.segments[segment]), 0))
            elif rest.startswith(said) and len(chain) < _CHAIN:
                follow = (after for after in page.after[chain[-1]] if after not in chain)
                stack += [((*chain, after), rest[len(said) :]) for after in follow]
    return spans


def _runs_spelling(target: str, row: tuple[int, ...], page: Page) -> Iterator[tuple[int, ...]]:
    if target not in page.folded(row):
        return
    for first in range(len(row)):
        rest = target
        for last in range(first, len(row)):
            word = page.words[row[last]].folded
            if not rest.startswith(word):
                break
            rest = rest[len(word) :]
            if not rest:
                yield row[first : last + 1]
                break


def _candidates(target: str, wanted: int, page: Page) -> list[Span]:
    """The best spans for a text, best first, enough of them for as many as are wanted."""
    least = MIN_SIMILARITY * len(target)
    spans = [
        span
        for span in (*_in_rows(target, page), *_in_chains(target, page))
        if len(target) - span.distance >= least
    ]
    spans.sort(key=lambda span: (-_gain(target, span, page), span.words))
    return spans[: _CANDIDATES * wanted]


def _in_rows(target: str, page: Page) -> Iterator[Span]:
    """Runs of words within a row; for each first word the ends with the least distance."""
    pattern = Pattern(target)
    for row in page.rows:
        for first in range(len(row)):
            state, read = pattern.start(), 0
            nearest = pattern.length
            for last in range(first, len(row)):
                word = page.words[row[last]].folded
                state, read = pattern.feed(state, word), read + len(word)
                if state[2] <= nearest:
                    nearest = state[2]
                    yield Span(row[first : last + 1], nearest)
                if read > 2 * pattern.length:
                    break


def _in_chains(target: str, page: Page) -> Iterator[Span]:
    """Whole segments one after another, each below or beside the last: a text set in several lines."""
    pattern = Pattern(target)
    paths = 0
    for start in range(len(page.segments)):
        stack: list[tuple[tuple[int, ...], _State, int]]
        stack = [((start,), _read(pattern, pattern.start(), page, start), 0)]
        while stack and paths < _PATHS:
            chain, state, read = stack.pop()
            paths += 1
            if len(chain) > 1:
                yield Span(tuple(word for segment in chain for word in page.segments[segment]), state[2])
            read += len(page.folded(page.segments[chain[-1]]))
            if read < pattern.length + 2 and len(chain) < _CHAIN:
                stack += [
                    ((*chain, after), _read(pattern, state, page, after), read)
                    for after in page.after[chain[-1]]
                    if after not in chain
                ]


def _read(pattern: Pattern, state: _State, page: Page, segment: int) -> _State:
    return pattern.feed(state, page.folded(page.segments[segment]))


def _disjoint(
    targets: Sequence[str], found: Mapping[str, Sequence[Span]], page: Page
) -> tuple[Span | None, ...]:
    """Branch and bound over linear assignments: where two chosen spans share a word, one of them must go."""
    masks = sorted({span.mask for spans in found.values() for span in spans})
    column = {mask: place for place, mask in enumerate(masks)}
    gains = np.zeros((len(targets), len(masks)))
    for row, target in enumerate(targets):
        for span in found[target]:
            gains[row, column[span.mask]] = _gain(target, span, page)
    columns = _best_columns(gains, masks)
    return tuple(
        next((span for span in found[target] if chosen is not None and span.mask == masks[chosen]), None)
        for target, chosen in zip(targets, columns, strict=True)
    )


def _best_columns(gains: NDArray[np.float64], masks: Sequence[int]) -> list[int | None]:
    # Late: scipy takes a third of a second to import, and most pages need no solver.
    from scipy.optimize import linear_sum_assignment

    best: list[int | None] = [None] * len(gains)
    most = -1.0
    stack = [gains]
    for _ in range(_BRANCHES):
        if not stack:
            break
        matrix = stack.pop()
        rows, columns = linear_sum_assignment(matrix, maximize=True)
        pairs = [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if matrix[r, c] > 0]
        if sum(matrix[pair] for pair in pairs) <= most:
            continue
        kept, clash = _without_clashes(matrix, pairs, masks)
        if (value := sum(matrix[pair] for pair in kept)) > most:
            most = value
            chosen = dict(kept)
            best = [chosen.get(row) for row in range(len(gains))]
        if clash:
            for dropped in clash:
                narrower = matrix.copy()
                narrower[:, dropped] = 0
                stack.append(narrower)
    return best


def _without_clashes(
    matrix: NDArray[np.float64], pairs: Sequence[tuple[int, int]], masks: Sequence[int]
) -> tuple[list[tuple[int, int]], tuple[int, int] | None]:
    """The pairs kept when the larger gain wins each clash, and the first clash (two columns), if any."""
    kept: list[tuple[int, int]] = []
    first: tuple[int, int] | None = None
    for row, column in sorted(pairs, key=lambda pair: (-matrix[pair], pair)):
        rival = next((c for _, c in kept if masks[c] & masks[column]), None)
        if rival is None:
            kept.append((row, column))
        elif first is None:
            first = (rival, column)
    return kept, first
