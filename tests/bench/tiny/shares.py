"""Shares of pictures and differences between them, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from inference.bench.statistics import ROUNDS, Interval, Ratio, bootstrap, middle, wilson

SEED = 1


def share(hits: Sequence[bool]) -> Interval:
    """How many of all, with Wilson's interval.

    Raises:
        ValueError: there are none.
    """
    if not hits:
        raise ValueError("hits: none were counted: a share needs at least one")
    return wilson(sum(hits), len(hits))


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
    return Interval(sum(ours) / sum(theirs), *middle(above[below > 0] / below[below > 0], len(pairs)))


def change(before: Sequence[float], after: Sequence[float]) -> Interval:
    """The mean difference on the same posters, after minus before, by the bootstrap of posters."""
    differences = np.array(after, float) - np.array(before, float)
    mean = Ratio(differences, np.ones(len(differences)))
    return bootstrap([mean], len(differences), np.random.default_rng(SEED))[0]


def direction(moved: Interval) -> Literal["rises", "level", "falls"]:
    """Level is what the interval cannot tell from no change."""
    return "rises" if moved.low > 0 else "falls" if moved.high < 0 else "level"
