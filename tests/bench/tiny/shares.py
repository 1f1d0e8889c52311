"""Shares of pictures and differences between them, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.stats import binomtest

ROUNDS = 20_000
SEED = 1
TAILS = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Interval:
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%})"


def share(hits: Sequence[bool]) -> Interval:
    """How many of all, with Wilson's interval.

    Raises:
        ValueError: there are none.
    """
    if not hits:
        raise ValueError("hits: none were counted: a share needs at least one")
    count = sum(hits)
    found = binomtest(count, len(hits)).proportion_ci(0.95, "wilson")
    return Interval(count / len(hits), float(found.low), float(found.high))


def ratio(ours: Sequence[bool], theirs: Sequence[bool]) -> Interval | None:
    """Our share over theirs on the same posters; the interval bootstraps posters, both answers together.

    What it depends on are four counts, and those of a resample are multinomial. Resamples in which they
    have no hit are left out; None where they have none at all.
    """
    if not any(theirs):
        return None
    pairs = [(our, their) for our, their in zip(ours, theirs, strict=True)]
    kinds = [pairs.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))]
    drawn = np.random.default_rng(SEED).multinomial(len(pairs), np.array(kinds) / len(pairs), ROUNDS)
    above, below = drawn[:, 0] + drawn[:, 1], drawn[:, 0] + drawn[:, 2]
    return Interval(sum(ours) / sum(theirs), *_middle(above[below > 0] / below[below > 0]))


def change(before: Sequence[float], after: Sequence[float]) -> Interval:
    """The mean difference on the same posters, after minus before, by the bootstrap of posters."""
    differences = np.array(after, float) - np.array(before, float)
    chosen = np.random.default_rng(SEED).integers(len(differences), size=(ROUNDS, len(differences)))
    return Interval(float(differences.mean()), *_middle(differences[chosen].mean(axis=1)))


def direction(moved: Interval) -> Literal["rises", "level", "falls"]:
    """Level is what the interval cannot tell from no change."""
    return "rises" if moved.low > 0 else "falls" if moved.high < 0 else "level"


def _middle(values: Any) -> tuple[float, float]:
    low, high = np.quantile(values, TAILS)
    return float(low), float(high)
