"""How often a picture of an engine passes, by bucket of prompts, kept current by the results.

A cell is Beta(k m + passes, k (1 - m) + failures): m is the policy's published rate moved by the engine's
`tilt`, k says how well m is known: the worse, the less the engine was asked. The tilt is what the engine's
results in all buckets together say, on the logit scale, so that ten results in one bucket speak for the
others too.

A change that nobody announced is noticed in two ways. Every result of an engine makes its earlier ones count
a little less: after `memory` of them, 1/e. And results that speak for another rate are added up (E. S. Page,
Biometrika 41, 1954): when they say enough, only those since they began to say it go on counting.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self, TypeAlias

from streams.routing.expected.features import BUCKETS, Bucket
from streams.routing.expected.grades import Credit

Counts: TypeAlias = tuple[float, ...]
Kept: TypeAlias = Mapping[str, tuple[float, float]]

LEVEL: Final = 0.95
_PLACE: Final = {bucket: place for place, bucket in enumerate(BUCKETS)}
_NONE: Final = (0.0,) * len(BUCKETS)
# Newton's method begins at the last tilt, which one result moves little.
_STEPS: Final = 2
# From afar Newton's method needs more.
_STEPS_FROM_AFAR: Final = 8
_EVIDENCE, _FELL, _ROSE = "evidence", "fell/", "rose/"


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
    1/e. shift: the change that is looked out for, in logits. alarm: how much must speak for one, in nats.
    """

    strength: float
    spread: float
    memory: float
    shift: float
    alarm: float


@dataclass(frozen=True, slots=True)
class Streak:
    """What the latest results say for a rate that moved one way, in nats, and those results.

    `evidence` is the sum of log(likelihood under the moved rate / likelihood under the held one). Where it
    falls below 0 it begins anew, for the change may have come after that.
    """

    evidence: float = 0.0
    passed: Counts = _NONE
    failed: Counts = _NONE

    def noted(self, place: int, credit: Credit, *, held: float, shift: float) -> Streak:
        """With one more result, of an engine held to pass at `held`; `shift` is the way, in logits."""
        moved = _chance(logit(held) + shift)
        for_pass, for_failure = math.log(moved / held), math.log((1 - moved) / (1 - held))
        evidence = self.evidence + credit.passed * for_pass + credit.failed * for_failure
        if evidence <= 0:
            return Streak()
        return Streak(
            evidence, _plus(self.passed, place, credit.passed), _plus(self.failed, place, credit.failed)
        )


_SILENT: Final = Streak()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRates:
    """One engine's counts. The tuples follow `features.BUCKETS`; `published` are logits.

    `told` is what the results say about the tilt, as a precision; `fell` and `rose` what the latest ones say
    for a change.
    """

    published: tuple[float, ...]
    learning: Learning
    passed: Counts = _NONE
    failed: Counts = _NONE
    tilt: float = 0.0
    told: float = 0.0
    fell: Streak = _SILENT
    rose: Streak = _SILENT

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
        """With one more result; after an alarm, with what came since the rate began to look another one."""
        place, held, shift = _PLACE[bucket], self.posterior(bucket).mean, self.learning.shift
        fell = self.fell.noted(place, credit, held=held, shift=-shift)
        rose = self.rose.noted(place, credit, held=held, shift=shift)
        loudest = max(fell, rose, key=lambda streak: streak.evidence)
        if loudest.evidence >= self.learning.alarm:
            anew = replace(self, passed=loudest.passed, failed=loudest.failed, fell=_SILENT, rose=_SILENT)
            return anew.fitted(_STEPS_FROM_AFAR)
        keep = 1 - 1 / self.learning.memory
        passed = _plus([keep * count for count in self.passed], place, credit.passed)
        failed = _plus([keep * count for count in self.failed], place, credit.failed)
        return replace(self, passed=passed, failed=failed, fell=fell, rose=rose).fitted()

    def fitted(self, steps: int = _STEPS) -> EngineRates:
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
        for _ in range(steps):
            pull, stiffness = -precision * tilt, precision
            for logit, share, weight in weighed:
                chance = _chance(logit + tilt)
                pull += weight * (share - chance)
                stiffness += weight * chance * (1 - chance)
            tilt += pull / stiffness
        return replace(self, tilt=tilt, told=stiffness - precision)

    def kept(self) -> dict[str, tuple[float, float]]:
        """Passes and failures by bucket, and where results speak for a change, how much and which."""
        found = _by_bucket("", self.passed, self.failed)
        if self.fell.evidence or self.rose.evidence:
            found[_EVIDENCE] = self.fell.evidence, self.rose.evidence
        for begin, streak in ((_FELL, self.fell), (_ROSE, self.rose)):
            found |= _by_bucket(begin, streak.passed, streak.failed)
        return found

    def with_kept(self, kept: Kept) -> EngineRates:
        """With what `kept` gave. What it does not say is 0, what is not known any more is passed over."""
        passed, failed = _from_buckets("", kept)
        fell, rose = kept.get(_EVIDENCE, (0.0, 0.0))
        taken = replace(
            self,
            passed=passed,
            failed=failed,
            tilt=0.0,
            fell=Streak(fell, *_from_buckets(_FELL, kept)),
            rose=Streak(rose, *_from_buckets(_ROSE, kept)),
        )
        return taken.fitted(_STEPS_FROM_AFAR)


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
        """All that was learned, by engine, as pairs to be kept; `with_counts` takes it up again."""
        return {name: rates.kept() for name, rates in self.engines.items()}

    def with_counts(self, counts: Mapping[str, Kept]) -> Self:
        """This table with kept counts. Engines and buckets that it does not know any more are passed over."""
        engines = dict(self.engines)
        for name in engines.keys() & counts.keys():
            engines[name] = engines[name].with_kept(counts[name])
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


def _plus(counts: Sequence[float], place: int, more: float) -> Counts:
    # A step of Fisher scoring may take back a little; a count below nothing would mean nothing.
    return (*counts[:place], max(0.0, counts[place] + more), *counts[place + 1 :])


def _by_bucket(begin: str, passed: Counts, failed: Counts) -> dict[str, tuple[float, float]]:
    rows = zip(BUCKETS, passed, failed, strict=True)
    return {begin + bucket.key: (passes, fails) for bucket, passes, fails in rows if passes + fails > 0}


def _from_buckets(begin: str, kept: Kept) -> tuple[Counts, Counts]:
    rows = [kept.get(begin + bucket.key, (0.0, 0.0)) for bucket in BUCKETS]
    return tuple(row[0] for row in rows), tuple(row[1] for row in rows)
