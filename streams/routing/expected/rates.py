"""How often a picture of an engine passes, by bucket of prompts, kept current by the results.

A cell is Beta(k m + passes, k (1 - m) + failures): m is the policy's published rate moved by the engine's
`tilt`, k says how well m is known: the worse, the less the engine was asked. The tilt is what the engine's
results in all buckets together say, on the logit scale, so that ten results in one bucket speak for the
others too. Every result of an engine makes its earlier ones count a little less: after `memory` of them,
1/e. So a change that nobody announced is noticed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from streams.routing.expected.features import BUCKETS, Bucket
from streams.routing.expected.grades import Credit

LEVEL: Final = 0.95
_PLACE: Final = {bucket: place for place, bucket in enumerate(BUCKETS)}
_NONE: Final = (0.0,) * len(BUCKETS)
# Newton's method begins at the last tilt, which one result moves little.
_STEPS: Final = 2


@dataclass(frozen=True, slots=True)
class Beta:
    """A rate and how well it is known."""

    a: float
    b: float

    @property
    def mean(self) -> float:
        return self.a / (self.a + self.b)

    @property
    def weight(self) -> float:
        """How many results it is worth, those that the prior stands for included."""
        return self.a + self.b

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """The middle `level` of the distribution."""
        # scipy takes a tenth of a second to import, and only explaining needs it.
        from scipy.special import betaincinv

        tail = (1 - level) / 2
        return float(betaincinv(self.a, self.b, tail)), float(betaincinv(self.a, self.b, 1 - tail))

    def sample(self, source: random.Random) -> float:
        return source.betavariate(self.a, self.b)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """How fast results outweigh what was published.

    strength: what a published rate is worth, in results. spread: by how many logits an engine is expected to
    be better or worse than published, a standard deviation. memory: results of an engine until one counts
    1/e.
    """

    strength: float
    spread: float
    memory: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRates:
    """One engine's counts. The tuples follow `features.BUCKETS`; `published` are logits.

    `told` is what the results say about the tilt, as a precision.
    """

    published: tuple[float, ...]
    learning: Learning
    passed: tuple[float, ...] = _NONE
    failed: tuple[float, ...] = _NONE
    tilt: float = 0.0
    told: float = 0.0

    def prior(self, bucket: Bucket) -> float:
        """The published rate."""
        return _chance(self.published[_PLACE[bucket]])

    def posterior(self, bucket: Bucket) -> Beta:
        place = _PLACE[bucket]
        middle = _chance(self.published[place] + self.tilt)
        room = middle * (1 - middle)
        # Neither the bucket's own way nor the tilt is known: their variances add up.
        doubt = room**2 / (self.learning.spread**-2 + self.told)
        strength = room / (room / (self.learning.strength + 1) + doubt) - 1
        return Beta(strength * middle + self.passed[place], strength * (1 - middle) + self.failed[place])

    def noted(self, bucket: Bucket, credit: Credit) -> EngineRates:
        """With one more result."""
        keep = 1 - 1 / self.learning.memory
        passed = [keep * count for count in self.passed]
        failed = [keep * count for count in self.failed]
        place = _PLACE[bucket]
        # A step of Fisher scoring may take back a little; a count below nothing would mean nothing.
        passed[place] = max(0.0, passed[place] + credit.passed)
        failed[place] = max(0.0, failed[place] + credit.failed)
        counted = replace(self, passed=tuple(passed), failed=tuple(failed))
        return counted.fitted()

    def fitted(self) -> EngineRates:
        """With the most probable tilt; it is N(0, spread^2) before any result.

        Results of one bucket beyond `strength` say more of that bucket than of the engine, so n of them weigh
        n k / (n + k).
        """
        strength = self.learning.strength
        weighed = [
            (logit, passes / (passes + fails), (passes + fails) * strength / (passes + fails + strength))
            for logit, passes, fails in zip(self.published, self.passed, self.failed, strict=True)
            if passes + fails > 0
        ]
        precision = 1 / self.learning.spread**2
        tilt = self.tilt
        for _ in range(_STEPS):
            pull, stiffness = -precision * tilt, precision
            for logit, share, weight in weighed:
                chance = _chance(logit + tilt)
                pull += weight * (share - chance)
                stiffness += weight * chance * (1 - chance)
            tilt += pull / stiffness
        return replace(self, tilt=tilt, told=stiffness - precision)


@dataclass(frozen=True, slots=True)
class Table:
    """All engines' rates. A value: `noted` gives a new one, so that a decision can be made again."""

    engines: Mapping[str, EngineRates]

    def posterior(self, engine: str, bucket: Bucket) -> Beta:
        """Raises:
        KeyError: the policy has no rates for that engine; the text lists those it has.
        """
        return self._of(engine).posterior(bucket)

    def prior(self, engine: str, bucket: Bucket) -> float:
        """The published rate; KeyError as above."""
        return self._of(engine).prior(bucket)

    def noted(self, engine: str, bucket: Bucket, credit: Credit) -> Table:
        return Table({**self.engines, engine: self._of(engine).noted(bucket, credit)})

    def counts(self) -> dict[str, dict[str, tuple[float, float]]]:
        """Passes and failures by engine and bucket, to be kept; `with_counts` takes them up again."""
        return {
            name: {
                bucket.key: (rates.passed[place], rates.failed[place])
                for bucket, place in _PLACE.items()
                if rates.passed[place] + rates.failed[place] > 0
            }
            for name, rates in self.engines.items()
        }

    def with_counts(self, counts: Mapping[str, Mapping[str, tuple[float, float]]]) -> Self:
        """This table with kept counts. Engines and buckets that it does not know any more are passed over."""
        engines = dict(self.engines)
        for name in engines.keys() & counts.keys():
            kept = [counts[name].get(bucket.key, (0.0, 0.0)) for bucket in BUCKETS]
            taken = replace(
                engines[name], passed=tuple(row[0] for row in kept), failed=tuple(row[1] for row in kept)
            )
            # From 0 the tilt may be far, and Newton's steps are few.
            for _ in range(8):
                taken = taken.fitted()
            engines[name] = taken
        return type(self)(engines)

    def _of(self, engine: str) -> EngineRates:
        try:
            return self.engines[engine]
        except KeyError:
            known = ", ".join(sorted(self.engines))
            raise KeyError(f"engine: the policy has no rates for {engine!r}; it has {known}") from None


def logit(rate: float) -> float:
    return math.log(rate / (1 - rate))


def _chance(at: float) -> float:
    return 1 / (1 + math.exp(-at))
