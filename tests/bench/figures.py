"""Medians and spreads of repeated measurements."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


def percentiles(values: Sequence[float], shares: Sequence[float]) -> list[float]:
    """For each share the least value that this share of all values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return [ordered[max(0, math.ceil(len(ordered) * share) - 1)] for share in shares]


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Of measurements taken in turn: neighbours share the machine's mood, medians of all do not."""
    return Spread.of([a / b for a, b in zip(ours, theirs, strict=True)])


def median_interval(values: Sequence[float], *, rounds: int = 5_000, seed: int = 1) -> tuple[float, float]:
    """A 95 % bootstrap interval for the median."""
    rng = random.Random(seed)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(rounds))
    return medians[round(rounds * 0.025)], medians[round(rounds * 0.975) - 1]
