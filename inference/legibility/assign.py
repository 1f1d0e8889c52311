"""Which words were meant for which text: disjoint spans of a page, as many characters right as can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.legibility.page import Page
from inference.legibility.search import Allowance, Places, Span, candidates, exact, gain

# Steps for one page, all texts together: under a second of one core. 40 texts of 6 words among 300 words come
# out as they do without a bound; 40 long paragraphs among 20,000 characters lose recall.
MAX_CHARACTERS: Final = 200_000
MAX_COMPARED: Final = 40_000
_BRANCHES: Final = 48


def assign(targets: Sequence[str], page: Page) -> tuple[Span | None, ...]:
    """For each text (tolerant form) the span that was meant for it, or None.

    Spans share no word. Together they maximise the characters right, sum of max(0, length - distance), as
    far as `MAX_CHARACTERS` measured and `MAX_COMPARED` words compared reach.
    """
    search = _Search(targets, page)
    steps = Allowance(MAX_COMPARED)
    found = {target: exact(target, page, steps) or search.candidates(target) for target in search.shortest}
    if best := _each_its_best(targets, found):
        return best
    found = {target: search.candidates(target) for target in search.shortest}
    return _each_its_best(targets, found) or _disjoint(targets, found)


class _Search:
    """The candidates of each text, measured once. What a short text leaves, the longer ones get."""

    __slots__ = ("_found", "_left", "_page", "_places", "_wanted", "shortest")

    def __init__(self, targets: Sequence[str], page: Page) -> None:
        self._wanted = Counter(targets)
        self.shortest = sorted(self._wanted, key=len)
        self._left = MAX_CHARACTERS
        self._found: dict[str, list[Span]] = {}
        self._page = page
        self._places: Places | None = None

    def candidates(self, target: str) -> list[Span]:
        if target not in self._found:
            self._places = self._places or Places(self._page)
            share = self._left // (len(self._wanted) - len(self._found))
            allowance = Allowance(share)
            self._found[target] = candidates(
                target, self._wanted[target], self._page, self._places, allowance
            )
            self._left -= share - allowance.left
        return self._found[target]


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


def _disjoint(targets: Sequence[str], found: Mapping[str, Sequence[Span]]) -> tuple[Span | None, ...]:
    """Branch and bound over linear assignments: where two chosen spans share a word, one of them must go."""
    masks = sorted({span.mask for spans in found.values() for span in spans})
    column = {mask: place for place, mask in enumerate(masks)}
    gains = np.zeros((len(targets), len(masks)))
    for row, target in enumerate(targets):
        for span in found[target]:
            gains[row, column[span.mask]] = gain(target, span)
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
