"""What is resampled: prompts, because pictures of one prompt resemble each other."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inference.bench.figures import Estimate
from inference.bench.statistics import Floats, Interval, Positions
from inference.reviews.pictures import Picture


@dataclass(frozen=True, slots=True)
class Units:
    """Where there is only one prompt, its pictures are the units, and intervals speak of it alone."""

    by_prompt: bool
    places: Mapping[Hashable, int]

    @classmethod
    def of(cls, pictures: Sequence[Picture]) -> Units:
        by_prompt = len({_prompt(picture) for picture in pictures}) > 1
        keys = dict.fromkeys(_prompt(picture) if by_prompt else picture.render_id for picture in pictures)
        return cls(by_prompt, {key: place for place, key in enumerate(keys)})

    def __len__(self) -> int:
        return len(self.places)

    def place(self, picture: Picture) -> int:
        return self.places[_prompt(picture) if self.by_prompt else picture.render_id]

    def of_each(self, pictures: Iterable[Picture]) -> Positions:
        return np.array([self.place(picture) for picture in pictures], np.int64)


def told(found: Interval) -> Estimate | None:
    """A resampled figure; None where it has no value.

    Its ends are unknown where all resamples give the same: four pictures in perfect order say nothing of a
    fifth, and an interval without width would claim that they do.
    """
    flat = math.isclose(found.low, found.high, rel_tol=0, abs_tol=1e-9)
    return Estimate.of(Interval(found.value, -math.inf, math.inf) if flat else found)


def sums(places: Positions, values: Floats, units: int) -> Floats:
    """The sum of the values in each unit."""
    return np.bincount(places, values, units).astype(np.float64)


def _prompt(picture: Picture) -> tuple[str, str]:
    return picture.ref.source, picture.ref.id
