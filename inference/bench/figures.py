"""What a bench says of each engine, and of each two of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Annotated, Final, Literal

import numpy as np
from msgspec import Meta

from inference.bench.comparison import difference, holm
from inference.bench.metrics import VALUES, BoundedMetric, Metric, Units, bounded, counted, measure
from inference.bench.samples import Sample, Subject
from inference.bench.statistics import ROUNDS, Interval, bootstrap, share

Compared = Literal["legibility", "accepted", "seconds"]
COMPARED: Final[tuple[Compared, ...]] = ("legibility", "accepted", "seconds")
_TIMES: Final[tuple[Metric, ...]] = ("p50", "p95")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval; an end is None where too few samples say anything of it."""

    value: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, found: Interval) -> Estimate | None:
        """None where nothing was measured."""
        if math.isnan(found.value):
            return None
        return cls(found.value, *(end if math.isfinite(end) else None for end in (found.low, found.high)))

    def __format__(self, spec: str) -> str:
        low, high = ("?" if end is None else f"{end:{spec}}" for end in (self.low, self.high))
        return f"{self.value:{spec}} ({low} to {high})"


@dataclass(frozen=True, slots=True)
class Dollars:
    """US dollars for 1,000 pictures: to providers, and for our machines."""

    hosted: float
    infrastructure: float

    def __str__(self) -> str:
        return f"${self.hosted + self.infrastructure:,.2f}"


@dataclass(frozen=True, slots=True)
class Group:
    """The samples of one kind of prompt; `accepted` and `legibility` are None where none was judged."""

    name: str
    samples: int
    accepted: Estimate | None
    legibility: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFigures:
    """One engine's samples, warm-ups left out.

    `resampled` says what the intervals are over: prompts, or the samples of the only prompt. Dollars are None
    where no picture was rendered or accepted. `agreement` is the share of texts that all readers read alike,
    of the `texts_compared` that two or more could judge; None where there are none.
    """

    engine: str
    models: tuple[str, ...]
    emulated: bool
    samples: Annotated[int, Meta(ge=0)]
    prompts: Annotated[int, Meta(ge=0)]
    resampled: Literal["prompts", "samples"]
    outcomes: dict[str, int]
    accepted_samples: int
    unjudged: Annotated[int, Meta(description="rendered, but no reader covers the texts")]
    seconds_p50: Estimate | None
    seconds_p95: Estimate | None
    legibility: Estimate | None
    recall: Estimate | None
    critical_exact: Estimate | None
    accepted: Estimate | None
    usd_hosted: float
    usd_infrastructure: float
    usd_per_1000_rendered: Dollars | None
    usd_per_1000_accepted: Dollars | None
    by_script: tuple[Group, ...]
    by_regions: tuple[Group, ...]
    agreement: Estimate | None = None
    texts_compared: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two engines compared over what both drew: the mean of `first - second`, and `p` before and after Holm.

    Holm's correction is over all pairs of engines in one measure.
    """

    first: str
    second: str
    measure: Compared
    pairs: int
    difference: Estimate
    p: float
    p_holm: float


def engine_figures(
    engine: str,
    samples: Sequence[Sample],
    subjects: Mapping[str, Subject],
    random: np.random.Generator,
    *,
    rounds: int = ROUNDS,
) -> EngineFigures:
    """Sums up one engine; `subjects` holds each sample's prompt by its digest.

    Raises:
        ValueError: no sample of the engine is left without the warm-ups.
    """
    ours = [sample for sample in counted(samples) if sample.engine == engine]
    if not ours:
        raise ValueError(f"samples: none of {engine!r} beside warm-ups; draw at least one")
    units = Units.of(ours)
    timed = bootstrap([measure(each, ours, units) for each in _TIMES], len(units), random, rounds=rounds)
    p50, p95 = map(Estimate.of, timed)
    rendered = sum(sample.rendered for sample in ours)
    accepted = sum(sample.accepted is True for sample in ours)
    hosted = math.fsum(sample.usd_hosted for sample in ours)
    infrastructure = math.fsum(sample.usd_infrastructure for sample in ours)
    return EngineFigures(
        engine=engine,
        models=tuple(sorted({sample.model for sample in ours if sample.model})),
        emulated=any(sample.emulated for sample in ours),
        samples=len(ours),
        prompts=len({sample.digest for sample in ours}),
        resampled="prompts" if units.by_prompt else "samples",
        outcomes=dict(Counter(sample.outcome for sample in ours)),
        accepted_samples=accepted,
        unjudged=sum(sample.accepted is None for sample in ours),
        seconds_p50=p50,
        seconds_p95=p95,
        legibility=_estimate("legibility", ours),
        recall=_estimate("recall", ours),
        critical_exact=_estimate("critical_exact", ours),
        accepted=_estimate("accepted", ours),
        usd_hosted=hosted,
        usd_infrastructure=infrastructure,
        usd_per_1000_rendered=_per_1000(hosted, infrastructure, rendered),
        usd_per_1000_accepted=_per_1000(hosted, infrastructure, accepted),
        by_script=_groups(ours, lambda sample: subjects[sample.digest].script),
        by_regions=_groups(ours, lambda sample: f"{subjects[sample.digest].regions}"),
        agreement=_agreement(ours, units),
        texts_compared=sum(sample.agreement.texts for sample in ours if sample.agreement),
    )


def comparisons(
    engines: Sequence[str],
    samples: Sequence[Sample],
    random: np.random.Generator,
    *,
    measures: Sequence[Compared] = COMPARED,
    rounds: int = ROUNDS,
) -> tuple[Pair, ...]:
    """Each two of `engines` over the (prompt, seed) pairs that both drew and that count for the measure.

    Two engines without such a pair are left out.
    """
    ours = counted(samples)
    found: list[Pair] = []
    for name in measures:
        pairs = [
            pair
            for first, second in combinations(engines, 2)
            if (pair := _compared(first, second, name, ours, random, rounds)) is not None
        ]
        corrected = holm([pair.p for pair in pairs])
        found += [replace(pair, p_holm=p) for pair, p in zip(pairs, corrected, strict=True)]
    return tuple(found)


def paired(
    ours: Sequence[Sample], theirs: Sequence[Sample], take: Callable[[Sample], float | None]
) -> list[tuple[Sample, Sample, float, float]]:
    """The samples of the same (prompt, seed) that both have a value, with the two values."""
    by_pair = {sample.pair: sample for sample in theirs}
    both = [(sample, by_pair[sample.pair]) for sample in ours if sample.pair in by_pair]
    return [
        (our, their, our_value, their_value)
        for our, their in both
        if (our_value := take(our)) is not None and (their_value := take(their)) is not None
    ]


def _compared(
    first: str,
    second: str,
    name: Compared,
    samples: Sequence[Sample],
    random: np.random.Generator,
    rounds: int,
) -> Pair | None:
    pairs = paired(
        [sample for sample in samples if sample.engine == first],
        [sample for sample in samples if sample.engine == second],
        VALUES[name],
    )
    if not pairs:
        return None
    kept = [our for our, *_ in pairs]
    told = difference(
        np.array([value for *_, value, _ in pairs], np.float64),
        np.array([value for *_, value in pairs], np.float64),
        Units.of(kept).of_each(kept),
        random,
        rounds=rounds,
    )
    estimate = Estimate.of(told.mean)
    if estimate is None:
        return None
    return Pair(
        first=first,
        second=second,
        measure=name,
        pairs=told.pairs,
        difference=estimate,
        p=told.p,
        p_holm=told.p,
    )


def _estimate(name: BoundedMetric, samples: Sequence[Sample]) -> Estimate | None:
    found = bounded(name, samples, Units.of(samples))
    return None if found is None else Estimate.of(found)


def _agreement(samples: Sequence[Sample], units: Units) -> Estimate | None:
    """Texts of one picture resemble each other as pictures of one prompt do, so prompts are the units."""
    told = [(sample, found) for sample in samples if (found := sample.agreement) and found.texts]
    if not told:
        return None
    having = [sample for sample, _ in told]
    alike = units.sums(having, (found.texts - len(found.disagreements) for _, found in told))
    return Estimate.of(share(alike, units.sums(having, (found.texts for _, found in told))))


def _per_1000(hosted: float, infrastructure: float, pictures: int) -> Dollars | None:
    return Dollars(1_000 * hosted / pictures, 1_000 * infrastructure / pictures) if pictures else None


def _groups(samples: Sequence[Sample], kind: Callable[[Sample], str]) -> tuple[Group, ...]:
    by_kind: dict[str, list[Sample]] = {}
    for sample in samples:
        by_kind.setdefault(kind(sample), []).append(sample)
    return tuple(_group(name, by_kind[name]) for name in sorted(by_kind))


def _group(name: str, samples: Sequence[Sample]) -> Group:
    return Group(name, len(samples), _estimate("accepted", samples), _estimate("legibility", samples))
