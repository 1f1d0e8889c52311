"""Which of a bench's pictures a page shows: always the same ones for the same report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from inference.bench.baseline import Report
from inference.bench.details import Detail
from inference.bench.metrics import counted
from inference.bench.samples import Sample, Subject

ROWS: Final = 12
CELLS: Final = 80
WORST: Final = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt and seed; a sample for each engine of the report, None where it drew none.

    `gap` is the highest score less the lowest, a missing picture counting as 0.
    """

    subject: Subject
    samples: tuple[Sample | None, ...]
    gap: float
    lowest: float

    @property
    def first(self) -> Sample:
        return next(sample for sample in self.samples if sample is not None)


@dataclass(frozen=True, slots=True)
class Readings:
    """How each sample was read, found by what tells it from all others; and which engines are emulated.

    An emulated engine's refusal may not say that it is one.
    """

    by_sample: Mapping[tuple[str, str, int], Detail]
    emulated_engines: frozenset[str]

    @classmethod
    def of(cls, report: Report, details: Iterable[Detail]) -> Readings:
        kept = (detail for detail in details if not detail.sample.warm_up)
        return cls(
            {(each.sample.engine, *each.sample.pair): each for each in kept},
            frozenset(each.engine for each in report.engines if each.figures.emulated),
        )

    def emulated(self, sample: Sample) -> bool:
        return sample.emulated or sample.engine in self.emulated_engines

    def of_sample(self, sample: Sample) -> Detail | None:
        """None too where the detail is that of another picture."""
        found = self.by_sample.get((sample.engine, *sample.pair))
        return found if found is not None and found.sample.render_id == sample.render_id else None


def side_by_side(report: Report) -> tuple[Row, ...]:
    """At most `ROWS` rows and `CELLS` pictures, a prompt once.

    Half are those on which the engines are furthest apart; then scripts take turns, the least shown first.
    """
    count = max(1, min(ROWS, CELLS // max(1, len(report.engines))))
    rows = sorted(_rows(report), key=_order)
    chosen: list[Row] = []
    for row in rows:
        if len(chosen) < (count + 1) // 2 and row.gap > 0 and _is_new(row, chosen):
            chosen.append(row)
    while len(chosen) < count:
        shown = Counter(row.subject.script for row in chosen)
        left = [row for row in rows if _is_new(row, chosen)]
        if not left:
            break
        chosen.append(min(left, key=lambda row: shown[row.subject.script]))
    return tuple(chosen)


def worst(report: Report, count: int = WORST) -> tuple[Sample, ...]:
    """The judged pictures of all engines with the lowest scores below 1, lowest first."""
    judged = [
        (sample.score, sample)
        for sample in _samples(report)
        if sample.rendered and sample.score is not None and sample.score < 1
    ]
    ordered = sorted(judged, key=lambda each: (each[0], each[1].engine, each[1].prompt, each[1].sample))
    return tuple(sample for _, sample in ordered[:count])


def undrawn(report: Report) -> tuple[Sample, ...]:
    """What no picture came of, in the order of the engines."""
    return tuple(sample for sample in _samples(report) if not sample.rendered)


def _samples(report: Report) -> list[Sample]:
    return [sample for engine in report.engines for sample in counted(engine.samples)]


def _rows(report: Report) -> list[Row]:
    subjects = {subject.digest: subject for subject in report.subjects}
    drawn: dict[tuple[str, int], dict[str, Sample]] = {}
    for sample in _samples(report):
        drawn.setdefault(sample.pair, {})[sample.engine] = sample
    names = [engine.engine for engine in report.engines]
    return [
        _row(subjects[digest], [by_engine.get(name) for name in names])
        for (digest, _), by_engine in drawn.items()
        if digest in subjects and any(sample.rendered for sample in by_engine.values())
    ]


def _row(subject: Subject, samples: Sequence[Sample | None]) -> Row:
    values = [value for sample in samples if sample is not None and (value := _value(sample)) is not None]
    gap = max(values) - min(values) if values else 0.0
    return Row(subject, tuple(samples), gap, min(values, default=math.inf))


def _value(sample: Sample) -> float | None:
    return sample.score if sample.rendered else 0.0


def _order(row: Row) -> tuple[float, float, str, int]:
    return -row.gap, row.lowest, row.subject.id, row.first.sample


def _is_new(row: Row, chosen: Sequence[Row]) -> bool:
    return all(row.subject.digest != other.subject.digest for other in chosen)
