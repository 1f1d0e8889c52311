"""Estimates with 95 % intervals that know which samples belong together.

A *unit* is what was chosen independently: a prompt, whose several samples resemble each other. Taken for
independent, they would make every interval too narrow (Cameron and Miller, J. Human Resources 50, 2015).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]

ROUNDS: Final = 20_000
TAIL: Final = 0.025
# Numbers held at once: 16 MB, whatever the rounds and units.
_HELD: Final = 2_000_000
# Sums of whole weights are exact; a quantile's share of them is not.
_SLACK: Final = 1e-9
# Design effects below it are rounding.
_EVEN: Final = 1e-20


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the ends of its 95 % interval, infinite where nothing is known of them."""

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        return f"{self.value:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


class Measure(Protocol):
    """A figure of weighted units."""

    def over(self, weights: Floats) -> Floats:
        """The figure for each row of `weights` (rows, units); NaN where the row holds nothing to measure."""
        ...


@dataclass(frozen=True, slots=True)
class Ratio:
    """`scale` times one sum over another: a mean, a share, dollars a picture. Both hold one sum a unit."""

    above: Floats
    below: Floats
    scale: float = 1.0

    def over(self, weights: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.scale * (weights @ self.above) / (weights @ self.below)


@dataclass(frozen=True, slots=True)
class Quantile:
    """The smallest value that at least a share `at` of all values do not exceed (the nearest rank).

    `values` are sorted; `units` holds the unit of each.
    """

    at: float
    values: Floats
    units: Positions

    @classmethod
    def of(cls, at: float, values: Floats, units: Positions) -> Quantile:
        order = np.argsort(values, kind="stable")
        return cls(at, values[order], units[order])

    def over(self, weights: Floats) -> Floats:
        found = np.full(len(weights), np.nan)
        if not len(self.values):
            return found
        rows = max(1, _HELD // len(self.values))
        for start in range(0, len(weights), rows):
            reached = np.cumsum(weights[start : start + rows, self.units], axis=1)
            total = reached[:, -1:]
            place = np.argmax(reached >= self.at * total - _SLACK, axis=1)
            found[start : start + rows] = np.where(total[:, 0] > 0, self.values[place], np.nan)
        return found


def value(measure: Measure, units: int) -> float:
    """The figure itself, each unit once."""
    return float(measure.over(np.ones((1, units)))[0])


def bootstrap(
    measures: Sequence[Measure], units: int, random: np.random.Generator, *, rounds: int = ROUNDS
) -> list[Interval]:
    """Each measure with the expanded percentile interval over resampled units, all over the same resamples.

    The percentiles are widened as Student's t is against the normal, without which 20 units cover too seldom
    (Hesterberg, The American Statistician 69, 2015, section 4.1.2). Resamples that hold nothing to measure
    are left out. With fewer than two units the ends are infinite.
    """
    values = [value(measure, units) for measure in measures]
    if units < 2:
        return [Interval(each, -np.inf, np.inf) for each in values]
    drawn = [[measure.over(weights) for measure in measures] for weights in resamples(units, random, rounds)]
    return [
        Interval(each, *middle(np.concatenate(column), units))
        for each, column in zip(values, zip(*drawn, strict=True), strict=True)
    ]


def resamples(units: int, random: np.random.Generator, rounds: int) -> Iterator[Floats]:
    """How often each unit is drawn, with replacement, in each of `rounds` rows; some rows at a time."""
    rows = max(1, _HELD // units)
    for start in range(0, rounds, rows):
        count = min(rows, rounds - start)
        chosen = random.integers(units, size=(count, units))
        chosen += np.arange(count)[:, None] * units
        yield np.bincount(chosen.ravel(), minlength=count * units).reshape(count, units).astype(np.float64)


def middle(values: Floats, units: int) -> tuple[float, float]:
    """The ends of the expanded percentile interval of resampled `values`.

    Infinite where all are NaN, and where there are fewer than two units.
    """
    kept = values[~np.isnan(values)]
    if not len(kept) or units < 2:
        return -np.inf, np.inf
    tail = norm.cdf(-np.sqrt(units / (units - 1)) * _student(units - 1))
    # Costs for each accepted picture may be infinite, and between two such ends nothing can be interpolated.
    low, high = np.quantile(kept, (tail, 1 - tail), method="inverted_cdf")
    return float(low), float(high)


def wilson(hits: float, count: float) -> Interval:
    """A share with Wilson's score interval (J. American Statistical Association 22, 1927).

    Both may be fractions: an effective number of samples.

    Raises:
        ValueError: `count` is not above 0, or `hits` is not within 0 and it.
    """
    # Sums of fractions may come out above their number by the last digit.
    hits = min(hits, count) if hits <= count * (1 + _SLACK) else hits
    if not (count > 0 and 0 <= hits <= count):
        raise ValueError(f"hits, count: a share needs 0 <= hits <= count and count > 0; got {hits}, {count}")
    z = float(norm.ppf(1 - TAIL))
    share_ = hits / count
    centre = (share_ + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share_ * (1 - share_) / count + (z / (2 * count)) ** 2)
    return Interval(share_, float(max(0.0, centre - half)), float(min(1.0, centre + half)))


def share(hits: Floats, counts: Floats) -> Interval:
    """A share of samples, given each unit's hits and samples: Wilson's interval for the effective number.

    The effective number is that of samples over the design effect, lessened as Student's t widens for few
    units (Korn and Graubard, Survey Methodology 24, 1998; with Wilson's interval: Dean and Pagano, J. Survey
    Statistics and Methodology 3, 2015). The design effect counts as 1 at least. Where all samples agree they
    tell nothing of how alike those of one unit are: then each unit counts once. With one sample a unit it is
    Wilson's interval itself.

    Raises:
        ValueError: there is no sample.
    """
    samples = float(counts.sum())
    if samples == np.count_nonzero(counts):
        return wilson(float(hits.sum()), samples)
    return _clustered(hits, counts, least=1.0)


def mean(sums: Floats, counts: Floats) -> Interval:
    """The mean of values from 0 to 1, given each unit's sum and samples: the interval of `share`.

    Such values vary less than hits and misses do, so the design effect may be below 1, and their spread is
    what units show of it even with one sample each: the number is lessened by Student's t against the normal.
    Near 0 and 1, where means are skewed, it covers more often than the bootstrap or Student's t.

    Raises:
        ValueError: there is no sample.
    """
    return _clustered(sums, counts, least=0.0)


def _clustered(sums: Floats, counts: Floats, *, least: float) -> Interval:
    """`least` is the smallest design effect that is believed."""
    sums, counts = sums[counts > 0], counts[counts > 0]
    units, samples = len(counts), float(counts.sum())
    found = wilson(float(sums.sum()), samples)
    within = found.value * (1 - found.value) / samples
    effect = 0.0
    if units > 1 and within > 0:
        between = units / (units - 1) * np.sum((sums - found.value * counts) ** 2) / samples**2
        effect = max(least, float(between / within))
    effective = float(units)
    # Rounding leaves equal units a spread of some 1e-32.
    if effect > _EVEN:
        # Hits and misses spread as their share says, which has no spread to estimate: that is `least` of 1.
        known = _student(samples - 1) if least else float(norm.ppf(1 - TAIL))
        effective = samples / effect * (known / _student(units - 1)) ** 2
    clustered = wilson(found.value * effective, effective)
    return Interval(found.value, clustered.low, clustered.high)


def _student(freedom: float) -> float:
    return float(student.ppf(1 - TAIL, freedom))
