"""Agreement beyond chance between people who judged the same pictures, as figures that can be resampled.

Both figures are 1 where all agree and 0 where they agree as often as chance would have it. They have no value
where everybody said the same of everything: then chance alone would agree too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from inference.bench.statistics import Floats

Scale = Literal["nominal", "ordinal"]


@dataclass(frozen=True, slots=True)
class Alpha:
    """Krippendorff's alpha (Computing Krippendorff's Alpha-Reliability, 2011), any number of judges.

    `coincidences` (units, categories, categories) holds for each resampled unit how often two judges of one
    picture said c and k, each ordered pair as 1 / (judges - 1). Categories of an ordinal scale are in order.
    """

    coincidences: Floats
    scale: Scale

    def over(self, weights: Floats) -> Floats:
        found = np.tensordot(weights, self.coincidences, axes=1)
        totals = found.sum(axis=2)
        distances = _distances(totals, self.scale)
        count = totals.sum(axis=1)
        observed = np.sum(found * distances, axis=(1, 2))
        expected = np.einsum("rc,rk,rck->r", totals, totals, distances)
        with np.errstate(divide="ignore", invalid="ignore"):
            alpha: Floats = 1 - (count - 1) * observed / expected
        return alpha


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa (Educational and Psychological Measurement 20, 1960), two judges.

    `table` (units, categories, categories) counts for each resampled unit what the first and the second said.
    """

    table: Floats

    def over(self, weights: Floats) -> Floats:
        found = np.tensordot(weights, self.table, axes=1)
        count = found.sum(axis=(1, 2))
        same = np.trace(found, axis1=1, axis2=2)
        with np.errstate(divide="ignore", invalid="ignore"):
            by_chance = np.sum(found.sum(axis=1) * found.sum(axis=2), axis=1) / count
            kappa: Floats = (same - by_chance) / (count - by_chance)
        return kappa


def coincidence(values: Sequence[int], categories: int) -> Floats:
    """What the judges of one picture add to Krippendorff's matrix; nothing where there is only one."""
    found = np.zeros((categories, categories))
    if len(values) > 1:
        counts = np.bincount(values, minlength=categories).astype(np.float64)
        found = (np.outer(counts, counts) - np.diag(counts)) / (len(values) - 1)
    return found


def _distances(totals: Floats, scale: Scale) -> Floats:
    """Squared distances (rows, categories, categories); those of an ordinal scale depend on what was said."""
    rows, categories = totals.shape
    if scale == "nominal":
        return np.broadcast_to(1 - np.eye(categories), (rows, categories, categories))
    # Half of a category lies below its middle: how many values lie between two middles.
    middles = np.cumsum(totals, axis=1) - totals / 2
    apart: Floats = (middles[:, :, None] - middles[:, None, :]) ** 2
    return apart
