"""The bench itself: draws what its plan says, goes on where it was interrupted, and sums up."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from inference.bench.agreeing import with_agreement
from inference.bench.baseline import Conditions, EngineReport, Report, prompts_digest
from inference.bench.budget import Purse, objection
from inference.bench.contestant import Contestant
from inference.bench.details import Detail
from inference.bench.figures import comparisons, engine_figures
from inference.bench.journal import Journal
from inference.bench.pace import Pace
from inference.bench.plan import Draw, Key, key, plan, remaining
from inference.bench.samples import Subject
from inference.bench.statistics import ROUNDS
from inference.legibility.score import SCORE_VERSION
from schemas.events import PromptEvent


class NotBegun(ValueError):
    """Nothing was drawn, because of what it may cost; the text names the option and the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A bench to run. `readers` are full names, `machine` is in words; `rounds` resample each figure.

    `gated` says that the report will be judged as what is drawn today: then something must be left to draw.
    `coverage` says by reader which characters it knows; without it nothing is told of how far they agree.
    """

    contestants: Sequence[Contestant]
    events: Sequence[PromptEvent]
    samples: int
    seed: int
    readers: tuple[str, ...]
    machine: str
    warm_up: int = 1
    max_usd: float | None = None
    batch: int = 1
    gated: bool = False
    command: str = ""
    rounds: int = ROUNDS
    coverage: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """Told after every picture. `total` and `done` count this run's, `kept` those that the journal had.

    `spent` are dollars really paid, `eta_s` seconds until the end as it goes now.
    """

    done: int
    total: int
    kept: int
    last: Detail
    spent: float
    eta_s: float

    @property
    def left(self) -> int:
        return self.total - self.done


@dataclass(frozen=True, slots=True)
class Finished:
    """`details` are in the order of the plan, warm-ups first; `kept` that count are of earlier runs."""

    report: Report
    details: tuple[Detail, ...]
    kept: int = 0


Watch = Callable[[Progress], None]


def _nobody(_progress: Progress) -> None:
    pass


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


async def run(
    setup: Setup,
    watch: Watch = _nobody,
    *,
    journal: Journal | None = None,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], dt.datetime] = _now,
) -> Finished:
    """Draws and reads what the journal lacks, and sums up all of it.

    Warm-ups come first. Then one picture at a time, in the order of the plan, else times would be of a crowd;
    with `batch` above 1 hosted contestants come last, so many pictures at once. An engine that fails gives
    samples without a picture. However this ends, the journal has every picture that came.

    Raises:
        PlanError: nothing sensible can be drawn.
        NotBegun: it may cost more than `max_usd`, a live key is there without `max_usd`, or it is gated and
            nothing is left to draw.
        OverBudget: money ran out on the way; what the journal's pictures cost counts too.
        AssetError, OSError: a picture or a line of the journal could not be kept.
    """
    bench = _Bench(setup, watch, journal, clock)
    bench.object()
    await bench.draw_all()
    return bench.summed_up(now())


class _Bench:
    """A run under way."""

    def __init__(
        self, setup: Setup, watch: Watch, journal: Journal | None, clock: Callable[[], float]
    ) -> None:
        self._setup = setup
        self._watch = watch
        self._journal = journal
        self._contestants = {each.name: each for each in setup.contestants}
        self._models = {each.name: each.model for each in setup.contestants}
        self._subjects = tuple(map(Subject.of, setup.events))
        self._events = {
            subject.digest: event for subject, event in zip(self._subjects, setup.events, strict=True)
        }
        self._plan = plan(
            [each.name for each in setup.contestants],
            self._subjects,
            samples=setup.samples,
            seed=setup.seed,
            warm_up=setup.warm_up,
        )
        self._details: dict[Key, Detail] = dict(journal.details) if journal else {}
        self._left = remaining(self._plan, self._models, self._details)
        self._kept = sum(not draw.warm_up for draw in self._plan) - sum(
            not draw.warm_up for draw in self._left
        )
        self._purse = Purse(setup.max_usd, spent=journal.paid if journal else 0.0)
        self._clock = clock
        self._pace = Pace({name: self._at_once(name) for name in self._models}, self._left)

    def object(self) -> None:
        """Raises:
        NotBegun
        """
        if self._setup.gated and self._journal is not None and not self._left:
            raise NotBegun(
                f"--fail-if: all {self._kept} pictures are in {self._journal.path} from an earlier run, so "
                "nothing of today would be judged; give --fresh to draw all anew, or another --out"
            )
        limit, before = self._setup.max_usd, self._purse.spent
        live = {each.name: each.live for each in self._setup.contestants if each.live}
        # A limit that is no number is for `objection` to name.
        left = limit if limit is None or not limit >= before else limit - before
        fault = objection(self._left, self._price, left, live)
        if fault is None:
            return
        earlier = f"; the pictures of the journal have cost ${before:,.2f}, which counts too: add it"
        raise NotBegun(fault + (earlier if before and limit is not None else ""))

    async def draw_all(self) -> None:
        crowd: list[Draw] = []
        for draw in self._left:
            if not draw.warm_up and self._at_once(draw.engine) > 1:
                crowd.append(draw)
            else:
                await self._one(draw)
        await self._together(crowd)

    async def _together(self, draws: Sequence[Draw]) -> None:
        """After a fault nothing new is begun, but what is under way is paid for and comes to its end."""
        waiting = iter(draws)
        faults: list[Exception] = []

        async def work(waiting: Iterator[Draw]) -> None:
            for draw in waiting:
                if faults:
                    return
                try:
                    await self._one(draw)
                except Exception as error:
                    faults.append(error)

        await asyncio.gather(*(work(waiting) for _ in range(min(self._setup.batch, len(draws)))))
        if faults:
            raise faults[0]

    async def _one(self, draw: Draw) -> None:
        contestant, event = self._contestants[draw.engine], self._events[draw.subject.digest]
        price = self._price(draw)
        self._purse = self._purse.reserve(price)
        found = key(draw, self._models)
        if self._journal is not None and price:
            self._journal.intend(found, price)
        began = self._clock()
        detail = await contestant.draw(event, draw)
        self._pace.note(draw.engine, self._clock() - began)
        paid = contestant.paid(event, detail)
        self._purse = self._purse.settle(price, paid)
        if self._journal is not None:
            self._journal.add(found, detail, paid)
        self._details[found] = detail
        total, spent = len(self._left), self._purse.spent
        self._watch(Progress(self._pace.done, total, self._kept, detail, spent, self._pace.eta_s))

    def summed_up(self, made: dt.datetime) -> Finished:
        setup = self._setup
        keys = [key(draw, self._models) for draw in self._plan]
        details = tuple(self._compared(self._details[each]) for each in keys if each in self._details)
        samples = [detail.sample for detail in details]
        by_digest = {subject.digest: subject for subject in self._subjects}
        random = np.random.default_rng(setup.seed)
        engines = tuple(
            EngineReport(
                engine=name,
                figures=engine_figures(name, samples, by_digest, random, rounds=setup.rounds),
                samples=tuple(sample for sample in samples if sample.engine == name),
            )
            for name in self._models
        )
        report = Report(
            conditions=conditions(setup, self._subjects),
            subjects=self._subjects,
            engines=engines,
            pairs=comparisons(tuple(self._models), samples, random, rounds=setup.rounds),
            command=setup.command,
            made=made,
        )
        return Finished(report, details, self._kept)

    def _compared(self, detail: Detail) -> Detail:
        event = self._events[detail.sample.digest]
        return with_agreement(detail, event.texts, self._setup.coverage)

    def _price(self, draw: Draw) -> float:
        return self._contestants[draw.engine].price(self._events[draw.subject.digest])

    def _at_once(self, name: str) -> int:
        return self._setup.batch if self._contestants[name].payee == "hosted" else 1


def conditions(setup: Setup, subjects: tuple[Subject, ...]) -> Conditions:
    """Under what the report of `setup` may be compared with another."""
    return Conditions(
        prompts=prompts_digest(subjects),
        samples=setup.samples,
        seed=setup.seed,
        score_version=SCORE_VERSION,
        readers=setup.readers,
        machine=setup.machine,
    )
