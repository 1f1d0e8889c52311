"""How well one number orders another, as figures that can be resampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.bench.statistics import Floats, Positions

_HELD: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Ranks:
    """Values ranked among weighted copies of themselves; ties share the middle of their ranks."""

    order: Positions
    starts: Positions
    groups: Positions

    @classmethod
    def of(cls, values: Floats) -> Ranks:
        _, starts, groups = np.unique(np.sort(values), return_index=True, return_inverse=True)
        order = np.argsort(values, kind="stable")
        places = np.empty(len(values), np.int64)
        places[order] = groups
        return cls(order, starts, places)

    def under(self, weights: Floats) -> Floats:
        """Each value's rank in each row of `weights` (rows, values)."""
        tied = np.add.reduceat(weights[:, self.order], self.starts, axis=1)
        middle: Floats = np.cumsum(tied, axis=1) - (tied - 1) / 2
        return middle[:, self.groups]


@dataclass(frozen=True, slots=True)
class Auc:
    """The chance that a positive scores above a negative, ties counting half (Mann and Whitney, 1947)."""

    ranks: Ranks
    positive: Floats
    units: Positions

    @classmethod
    def of(cls, scores: Floats, positive: Floats, units: Positions) -> Auc:
        """`positive` holds 1 or 0 for each score."""
        return cls(Ranks.of(scores), positive, units)

    def over(self, weights: Floats) -> Floats:
        return _by_rows(self._over, weights, self.units)

    def _over(self, copies: Floats) -> Floats:
        positives = copies * self.positive
        count = positives.sum(axis=1)
        others = copies.sum(axis=1) - count
        above = np.sum(positives * self.ranks.under(copies), axis=1) - count * (count + 1) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Floats = above / (count * others)
        return found


@dataclass(frozen=True, slots=True)
class Spearman:
    """Pearson's correlation of the ranks, ties in the middle (Spearman, Am. J. Psychology 15, 1904)."""

    first: Ranks
    second: Ranks
    units: Positions

    @classmethod
    def of(cls, first: Floats, second: Floats, units: Positions) -> Spearman:
        return cls(Ranks.of(first), Ranks.of(second), units)

    def over(self, weights: Floats) -> Floats:
        return _by_rows(self._over, weights, self.units)

    def _over(self, copies: Floats) -> Floats:
        centre = (copies.sum(axis=1, keepdims=True) + 1) / 2
        first = self.first.under(copies) - centre
        second = self.second.under(copies) - centre
        together = np.sum(copies * first * second, axis=1)
        apart = np.sum(copies * first**2, axis=1) * np.sum(copies * second**2, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Floats = together / np.sqrt(apart)
        return found


def _by_rows(figure: Callable[[Floats], Floats], weights: Floats, units: Positions) -> Floats:
    """`figure` of each row's copies of the samples, not too many numbers at a time."""
    if not len(units):
        return np.full(len(weights), np.nan)
    rows = max(1, _HELD // len(units))
    parts = [figure(weights[start : start + rows, units]) for start in range(0, len(weights), rows)]
    return np.concatenate(parts)
