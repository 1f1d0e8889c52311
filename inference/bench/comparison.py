"""Two engines over the same (prompt, seed) pairs: how far apart, and whether that could be luck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.stats import binomtest, permutation_test

from inference.bench.statistics import ROUNDS, Floats, Interval, Positions, Ratio, bootstrap

_HELD: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of `ours - theirs` over pairs, with `p` of the two-sided sign-flip test."""

    pairs: int
    mean: Interval
    p: float


def difference(
    ours: Floats,
    theirs: Floats,
    units: Positions,
    random: np.random.Generator,
    *,
    rounds: int = ROUNDS,
) -> Difference:
    """Compares pairs, whose units (prompts) are resampled for the interval and flipped whole for `p`.

    Flipped for shares with one pair a unit, this is McNemar's exact test; with several it allows for their
    likeness, which McNemar's does not.

    Raises:
        ValueError: there is no pair.
    """
    if not len(ours):
        raise ValueError("pairs: there are none; compare engines that drew the same prompts with one seed")
    _, places = np.unique(units, return_inverse=True)
    count = int(places.max()) + 1
    above = np.bincount(places, ours, count).astype(np.float64)
    below = np.bincount(places, theirs, count).astype(np.float64)
    apart = Ratio(above - below, np.bincount(places, minlength=count).astype(np.float64))
    return Difference(
        len(ours),
        bootstrap([apart], count, random, rounds=rounds)[0],
        sign_flip(above, below, random, rounds=rounds),
    )


def sign_flip(ours: Floats, theirs: Floats, random: np.random.Generator, *, rounds: int = ROUNDS) -> float:
    """p of the paired permutation test on the mean difference; exact where 2**pairs are at most `rounds`."""
    if len(ours) < 2 or np.array_equal(ours, theirs):
        return 1.0
    found = permutation_test(
        (ours, theirs),
        _mean_difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=rounds,
        batch=max(1, _HELD // len(ours)),
        rng=random,
    )
    return float(found.pvalue)


def mcnemar(ours: Sequence[bool], theirs: Sequence[bool]) -> float:
    """Two-sided p of McNemar's exact test; for one pair a prompt only."""
    only_ours = sum(our and not their for our, their in zip(ours, theirs, strict=True))
    only_theirs = sum(their and not our for our, their in zip(ours, theirs, strict=True))
    if not only_ours + only_theirs:
        return 1.0
    return float(binomtest(only_ours, only_ours + only_theirs).pvalue)


def holm(ps: Sequence[float]) -> list[float]:
    """Each p corrected for all of them together (Holm, Scandinavian J. of Statistics 6, 1979)."""
    corrected = [0.0] * len(ps)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[index]))
        corrected[index] = highest
    return corrected


def _mean_difference(ours: Any, theirs: Any, axis: int) -> Any:
    return np.mean(ours - theirs, axis=axis)
