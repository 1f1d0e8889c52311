"""Whether an engine has become worse than a baseline allows: each `--fail-if` against each engine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.bench.baseline import Conditions, EngineReport, Report
from inference.bench.expression import Condition, evaluate
from inference.bench.figures import paired
from inference.bench.metrics import BOUNDED, PRICED, TIMED, VALUES, Units, bounded, counted, measure
from inference.bench.samples import Sample
from inference.bench.statistics import ROUNDS, Floats, Interval, Measure, middle, resamples, value

# With fewer units resampling trips `significantly` for nothing in 4 to 26 % of runs, for 2.5 % promised; and
# five signs that agree by chance do so in 3 %.
FEWEST: Final = 6


class Incomparable(ValueError):
    """The two reports say nothing of each other; the text says why, and how to get one that does."""


@dataclass(frozen=True, slots=True)
class Check:
    """One condition for one engine.

    `margin` is ours less the limit; its interval resamples the prompts of both reports together. As written,
    a condition looks at the value alone, and a margin on both sides of 0 says that it may be luck;
    `significantly` trips only where the whole interval is on the wrong side; with fewer than `FEWEST`
    prompts the interval has no ends and it never trips. `ours` is NaN where there was nothing to measure:
    such a check trips, since nothing speaks for the engine.
    """

    engine: str
    condition: Condition
    ours: float
    baseline: float | None
    limit: float
    margin: Interval
    tripped: bool

    @property
    def could_be_luck(self) -> bool:
        return not (self.margin.low > 0 or self.margin.high < 0)

    def __str__(self) -> str:
        said = self.condition.text or str(self.condition)
        if math.isnan(self.ours):
            return f"{self.engine}: {said}: nothing to measure, so nothing speaks for it"
        how = "trips" if self.tripped else "holds"
        luck = "; the difference could be luck" if self.could_be_luck else ""
        if self.margin.low == -math.inf and self.margin.high == math.inf:
            luck = f"; too few to tell it from luck, which takes {FEWEST} prompts"
        limit = f"{self.ours:.4g} against {self.limit:.4g}"
        return f"{self.engine}: {said}: {how}: {limit}, margin {self.margin:+.3g}{luck}"


@dataclass(frozen=True, slots=True)
class Regression:
    """One picture that was better in the baseline."""

    ours: Sample
    theirs: Sample
    change: float


def check(
    ours: Report,
    baseline: Report | None,
    conditions: Sequence[Condition],
    random: np.random.Generator,
    *,
    rounds: int = ROUNDS,
) -> tuple[Check, ...]:
    """Each condition for each engine of `ours`, in that order.

    Raises:
        Incomparable: a condition needs a baseline and there is none, or it was made otherwise.
    """
    return tuple(
        _checked(engine, _opposite(engine, ours, baseline, condition), condition, random, rounds)
        for engine in ours.engines
        for condition in conditions
    )


def regressions(ours: EngineReport, theirs: EngineReport, count: int) -> tuple[Regression, ...]:
    """The pictures whose score fell most on the same prompt and seed, worst first."""
    pairs = paired(counted(ours.samples), counted(theirs.samples), VALUES["legibility"])
    fallen = [Regression(our, their, now - then) for our, their, now, then in pairs if now < then]
    return tuple(sorted(fallen, key=lambda each: each.change)[:count])


@dataclass(frozen=True, slots=True)
class _Margin:
    """Ours less the limit, as a measure."""

    condition: Condition
    ours: Measure
    theirs: Measure | None

    def over(self, weights: Floats) -> Floats:
        ours = self.ours.over(weights)
        theirs = np.zeros_like(ours) if self.theirs is None else self.theirs.over(weights)
        with np.errstate(invalid="ignore"):
            return np.asarray(ours - evaluate(self.condition.limit, theirs), np.float64)


def _checked(
    engine: EngineReport,
    opposite: EngineReport | None,
    condition: Condition,
    random: np.random.Generator,
    rounds: int,
) -> Check:
    samples = counted(engine.samples)
    theirs = counted(opposite.samples) if opposite else []
    units = Units.of(samples, theirs)
    mine = measure(condition.metric, samples, units)
    his = measure(condition.metric, theirs, units) if opposite else None
    now = value(mine, len(units))
    then = value(his, len(units)) if his else None
    limit = _limit(engine.engine, condition, then)
    margin = None
    if condition.metric in BOUNDED and his is None:
        # Samples that all agree have no spread to resample, and yet they are few.
        margin = _shifted(bounded(condition.metric, samples, units), limit)
    if margin is None:
        margin = _interval(_Margin(condition, mine, his), len(units), random, rounds)
    return Check(engine.engine, condition, now, then, limit, margin, _trips(condition, now, limit, margin))


def _trips(condition: Condition, ours: float, limit: float, margin: Interval) -> bool:
    if math.isnan(ours):
        return True
    if not condition.significantly:
        return condition.holds(ours, limit)
    # Beyond a bound that is not sharp lies what is beyond it, so <= and >= need no other test.
    end = margin.high if condition.comparison in ("<", "<=") else margin.low
    return condition.holds(end, 0.0)


def _limit(engine: str, condition: Condition, then: float | None) -> float:
    if then is not None and not math.isfinite(then):
        raise Incomparable(
            f"{engine}: {condition.metric}: the baseline has none; "
            "record one in which there is something to measure, or leave the condition out"
        )
    limit = float(evaluate(condition.limit, np.array([0.0 if then is None else then]))[0])
    if not math.isfinite(limit):
        raise Incomparable(
            f"{engine}: {condition}: its limit is {limit} for a baseline of {then}; do not divide by 0"
        )
    return limit


def _interval(margin: _Margin, units: int, random: np.random.Generator, rounds: int) -> Interval:
    here = value(margin, units)
    if units < FEWEST:
        return Interval(here, -math.inf, math.inf)
    drawn = np.concatenate([margin.over(weights) for weights in resamples(units, random, rounds)])
    return Interval(here, *middle(drawn, units))


def _shifted(found: Interval | None, limit: float) -> Interval | None:
    return found and Interval(found.value - limit, found.low - limit, found.high - limit)


def _opposite(
    engine: EngineReport, ours: Report, baseline: Report | None, condition: Condition
) -> EngineReport | None:
    if not condition.needs_baseline:
        return None
    if baseline is None:
        raise Incomparable(
            f"--fail-if {condition.text or condition}: needs a baseline; give --baseline FILE, "
            "which `glyphstream bench ... --json FILE` writes"
        )
    opposite = baseline.engine(engine.engine)
    timed = condition.metric in TIMED or (condition.metric in PRICED and _on_our_machine(engine, opposite))
    if fault := next(_faults(ours.conditions, baseline.conditions, condition, timed=timed), None):
        raise Incomparable(f"--baseline: {fault}")
    if opposite is None:
        known = ", ".join(each.engine for each in baseline.engines) or "none"
        raise Incomparable(
            f"--baseline: has no {engine.engine!r} (it has {known}); record one with this engine, "
            "or leave the engine out of --models"
        )
    if _emulated(engine) != _emulated(opposite):
        was, now = ("the emulator", "it") if _emulated(opposite) else ("it", "the emulator")
        raise Incomparable(
            f"--baseline: {engine.engine!r}: {was} drew there and {now} here; record it anew with the same"
        )
    if not {s.pair for s in counted(engine.samples)} & {s.pair for s in counted(opposite.samples)}:
        raise Incomparable(
            f"--baseline: {engine.engine!r}: no prompt and seed is in both; record it anew with these"
        )
    return opposite


def _emulated(engine: EngineReport) -> bool:
    return any(sample.emulated for sample in engine.samples)


def _on_our_machine(*engines: EngineReport | None) -> bool:
    """Whether seconds of a machine of ours were paid for, so that dollars are that machine's too."""
    return any(sample.usd_infrastructure for engine in engines if engine for sample in engine.samples)


def _faults(ours: Conditions, theirs: Conditions, condition: Condition, *, timed: bool) -> Iterator[str]:
    anew = "record the baseline anew"
    if ours.prompts != theirs.prompts:
        yield f"has other prompts ({theirs.prompts[:12]}, here {ours.prompts[:12]}); use its file, or {anew}"
    if ours.samples != theirs.samples:
        yield (
            f"has {theirs.samples} samples a prompt, here {ours.samples}; "
            f"use --samples {theirs.samples}, or {anew}"
        )
    if ours.seed != theirs.seed:
        yield f"was drawn from seed {theirs.seed}, here {ours.seed}; use --seed {theirs.seed}, or {anew}"
    if ours.score_version != theirs.score_version:
        yield f"was scored by {theirs.score_version!r}, here by {ours.score_version!r}; {anew}"
    if sorted(ours.readers) != sorted(theirs.readers):
        yield f"was read by {', '.join(theirs.readers)}, here by {', '.join(ours.readers)}; {anew}"
    if timed and ours.machine != theirs.machine:
        yield (
            f"{condition.metric} was measured on {theirs.machine!r}, here on {ours.machine!r}; "
            "record one here, or gate on something else than time and what it costs"
        )
