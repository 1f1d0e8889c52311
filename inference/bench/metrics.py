"""The figures by which engines are compared and gated, taken from samples."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from inference.bench.samples import Sample
from inference.bench.statistics import Floats, Interval, Measure, Positions, Quantile, Ratio, mean, share

BoundedMetric = Literal["legibility", "recall", "critical_exact", "accepted", "rendered"]
Metric = BoundedMetric | Literal["p50", "p95", "usd_per_1000_rendered", "usd_per_1000_accepted"]
BOUNDED: Final[tuple[BoundedMetric, ...]] = get_args(BoundedMetric)
METRICS: Final[tuple[Metric, ...]] = (
    *BOUNDED, "p50", "p95", "usd_per_1000_rendered", "usd_per_1000_accepted"
)  # fmt: skip
# A figure of the machine as much as of the engine.
TIMED: Final[frozenset[Metric]] = frozenset({"p50", "p95"})
PRICED: Final[frozenset[Metric]] = frozenset({"usd_per_1000_rendered", "usd_per_1000_accepted"})
_MEANS: Final = frozenset({"legibility", "recall"})


@dataclass(frozen=True, slots=True)
class Units:
    """What is resampled: prompts; where there is only one, its samples, and intervals speak of it alone."""

    by_prompt: bool
    places: Mapping[Hashable, int]

    @classmethod
    def of(cls, *groups: Iterable[Sample]) -> Units:
        samples = [sample for group in groups for sample in group]
        by_prompt = len({sample.digest for sample in samples}) > 1
        keys = dict.fromkeys(sample.digest if by_prompt else sample.pair for sample in samples)
        return cls(by_prompt, {key: place for place, key in enumerate(keys)})

    def __len__(self) -> int:
        return len(self.places)

    def of_each(self, samples: Sequence[Sample]) -> Positions:
        return np.array(
            [self.places[sample.digest if self.by_prompt else sample.pair] for sample in samples], np.int64
        )

    def sums(self, samples: Sequence[Sample], values: Iterable[float]) -> Floats:
        """The sum of the samples' values for each unit."""
        weights = np.fromiter(values, np.float64, len(samples))
        return np.bincount(self.of_each(samples), weights, len(self)).astype(np.float64)


# A sample without the value counts neither above nor below; warm-ups are left out before.
VALUES: Final[Mapping[str, Callable[[Sample], float | None]]] = {
    "legibility": lambda sample: sample.score,
    "recall": lambda sample: sample.recall,
    "critical_exact": lambda sample: sample.critical_exact,
    "accepted": lambda sample: sample.accepted,
    "rendered": lambda sample: sample.rendered,
    "seconds": lambda sample: sample.seconds if sample.rendered else None,
}


def counted(samples: Iterable[Sample]) -> list[Sample]:
    """The samples that figures are made of: all but the warm-ups."""
    return [sample for sample in samples if not sample.warm_up]


def measure(metric: Metric, samples: Sequence[Sample], units: Units) -> Measure:
    """The metric over `samples` as a function of how often each unit counts.

    Legibility, recall and critical_exact are means over what was judged, accepted over all asked but what no
    reader can judge, seconds over what was rendered. Dollars are all that was spent, on failures too.
    """
    match metric:
        case "p50" | "p95":
            timed = [sample for sample in samples if sample.rendered]
            seconds = np.array([sample.seconds for sample in timed], np.float64)
            return Quantile.of(0.5 if metric == "p50" else 0.95, seconds, units.of_each(timed))
        case "usd_per_1000_rendered" | "usd_per_1000_accepted":
            which = [s.rendered if metric == "usd_per_1000_rendered" else s.accepted is True for s in samples]
            spent = units.sums(samples, (sample.usd for sample in samples))
            return Ratio(spent, units.sums(samples, which), 1_000.0)
        case _:
            return Ratio(*sums(metric, samples, units))


def bounded(metric: BoundedMetric, samples: Sequence[Sample], units: Units) -> Interval | None:
    """A metric between 0 and 1 with its interval; None where nothing was measured."""
    found, counts = sums(metric, samples, units)
    if not counts.any():
        return None
    return (mean if metric in _MEANS else share)(found, counts)


def sums(name: str, samples: Sequence[Sample], units: Units) -> tuple[Floats, Floats]:
    """For each unit the sum of a value of `VALUES`, and how many samples have it."""
    take = VALUES[name]
    kept = [(sample, found) for sample in samples if (found := take(sample)) is not None]
    having = [sample for sample, _ in kept]
    return units.sums(having, (found for _, found in kept)), units.sums(having, (1.0 for _ in kept))
