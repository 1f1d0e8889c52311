"""One run: jobs in, three workers under a storm, and at the end the evidence for the audit."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter as Count
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from inference.assets import AssetStore
from inference.engines.ledger import Ledger
from inference.spending import Spending
from schemas.wire import encode, key_for
from streams.runtime.retry import RetryPolicy
from tests.chaos.engines.audit import Evidence
from tests.chaos.engines.bill import Bill, read_bill
from tests.chaos.engines.books import Books, Snapshot
from tests.chaos.engines.crew import WORKERS, Action, Crew, emulator
from tests.chaos.engines.faults import write_plan
from tests.chaos.engines.jobs import Workload, job
from tests.chaos.engines.renders import Renders, all_told, unfinished
from tests.chaos.engines.settling import settle
from tests.chaos.engines.worker import LEASES, group_of
from tests.support.kafka import produce, read_all

SAMPLE_S = 0.5
PROGRESS_S = 10.0
# Longer than the runtime tries one record.
STALL_S = RetryPolicy().total_s + 60.0
# A renewed worker has joined, and has had a moment to work, before the next one is struck.
GAP_S = 3.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run happens: topics under a prefix, a ledger's address, an empty folder."""

    bootstrap: str
    prefix: str
    ledger: str
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    workload: Workload
    storm: Sequence[Action]
    seed: int = 1
    pace: float = 0.3
    control: str = "none"


@dataclass(slots=True)
class Outcome:
    """`struck` counts the storm's blows. `dead_letters`, `stuck` and `ended` workers must be 0: those that
    SIGTERM did not end, and those that ended by themselves.
    """

    evidence: Evidence
    struck: Count[str]
    seconds: float
    input_records: int
    dead_letters: int
    stuck: int
    ended: int
    settled_by_a_person: int


class Stalled(Exception):
    """Nothing came out for a long while although there was work."""


@dataclass(slots=True)
class _Watch:
    snapshots: list[Snapshot] = field(default_factory=list)
    struck: Count[str] = field(default_factory=Count)
    sampled: float = 0.0
    told: float = 0.0
    moved: float = 0.0
    seen: int = 0


class Session:
    """Runs `size` at `place`, whose topics exist with the workload's partitions. One thread, no event loop:
    workers die with the thread that started them.
    """

    def __init__(self, place: Place, size: Size) -> None:
        self._place = place
        self._size = size
        self._input = f"{place.prefix}polish"
        self._group = group_of(place.prefix)
        self._books = Books(place.ledger)
        self._watch = _Watch()
        self._paused: list[tuple[float, subprocess.Popen[bytes]]] = []
        self._owed = sum(size.workload.owed(number) for number in range(size.workload.jobs))

    def run(self) -> Outcome:
        place, size = self._place, self._size
        place.folder.mkdir(parents=True, exist_ok=True)
        plan, bill = place.folder / "plan.yaml", place.folder / "bill.jsonl"
        write_plan(plan, size.seed)
        Ledger.open(place.ledger).close()
        self._books.watch()
        sent = self._produce()
        started = self._watch.moved = time.monotonic()
        with (
            emulator(place.folder, plan=plan, books=bill, pace=size.pace) as address,
            Renders(place.bootstrap, f"{place.prefix}renders") as renders,
        ):
            crew = Crew(place.folder, self._arguments(address))
            try:
                for _ in range(WORKERS):
                    crew.start()
                self._through(crew, renders)
                stuck = crew.stop()
            finally:
                crew.kill_all()
        seconds = time.monotonic() - started
        self._tend()
        return self._outcome(read_bill(bill), seconds=seconds, sent=sent, stuck=stuck, ended=crew.ended)

    def _arguments(self, address: str) -> list[str]:
        place = self._place
        budgets = [
            f"--budget={scope}={micros / 1e6:.6f}" for scope, micros in self._size.workload.budgets().items()
        ]
        return [
            f"--bootstrap={place.bootstrap}",
            f"--prefix={place.prefix}",
            f"--emulator={address}",
            f"--ledger={place.ledger}",
            f"--assets={place.folder / 'assets'}",
            f"--control={self._size.control}",
            *budgets,
        ]

    def _produce(self) -> int:
        """Everything at once: each partition's records in their order; how many."""
        rows: dict[int, list[int]] = {}
        for partition, number in self._size.workload.stream():
            rows.setdefault(partition, []).append(number)
        for partition, numbers in rows.items():
            jobs = map(job, numbers)
            produce(
                self._place.bootstrap,
                self._input,
                ((key_for(each), encode(each), []) for each in jobs),
                partition=partition,
            )
        return sum(map(len, rows.values()))

    def _through(self, crew: Crew, renders: Renders) -> None:
        """Until all is out and committed.

        Raises:
            Stalled
        """
        due = list(self._size.storm)
        last = time.monotonic()
        while due or self._paused or not self._is_done(renders):
            renders.read(0.1)
            self._look(renders, len(due))
            crew.replace_ended()
            now = time.monotonic()
            self._wake(now)
            if due and now > last + GAP_S and len(renders.told) >= due[0].share * self._owed:
                self._act(crew, due.pop(0), now)
                last = time.monotonic()

    def _act(self, crew: Crew, action: Action, now: float) -> None:
        worker = crew.chosen(action.pick)
        stands_still = any(paused is worker for _, paused in self._paused)
        # Such a worker cannot leave; it is killed as it stands.
        kind = "kill" if stands_still else action.kind
        self._watch.struck[kind] += 1
        match kind:
            case "pause":
                worker.send_signal(signal.SIGSTOP)
                self._paused.append((now + action.seconds, worker))
            case "leave":
                crew.leave(worker)
            case _:
                self._paused = [each for each in self._paused if each[1] is not worker]
                crew.kill(worker)

    def _wake(self, now: float) -> None:
        for until, worker in self._paused:
            if now >= until:
                worker.send_signal(signal.SIGCONT)
        self._paused = [each for each in self._paused if now < each[0]]

    def _is_done(self, renders: Renders) -> bool:
        enough = len(renders.told) >= self._owed or self._size.control == "drops-jobs"
        return enough and unfinished(self._place.bootstrap, self._input, self._group) == 0

    def _look(self, renders: Renders, due: int) -> None:
        watch, now = self._watch, time.monotonic()
        if now > watch.sampled + SAMPLE_S:
            watch.sampled = now
            watch.snapshots.append(self._books.snapshot())
        if len(renders.told) > watch.seen:
            watch.seen, watch.moved = len(renders.told), now
        if now > watch.moved + STALL_S:
            raise Stalled(f"{watch.seen} of {self._owed} Renders; see the logs in {self._place.folder}")
        if now > watch.told + PROGRESS_S:
            watch.told = now
            sys.stderr.write(
                f"spend audit: {watch.seen:,} of {self._owed:,} Renders, {due} blows to come, "
                f"{watch.snapshots[-1].counters.get(('total', ''), 0) / 1e6:.2f} dollars committed\n"
            )

    def _tend(self) -> None:
        """What a worker does that starts after all others are gone and their leases are over."""
        left = self._books.last_lease_ms() / 1_000 - time.time()
        time.sleep(max(0.0, left) + 0.1)

        async def tend() -> None:
            spending = Spending.open(self._place.ledger, leases=LEASES)
            try:
                await spending.tend(AssetStore.open(self._place.folder / "assets"))
            finally:
                await spending.aclose()

        asyncio.run(tend())

    def _outcome(self, bill: Bill, *, seconds: float, sent: int, stuck: int, ended: int) -> Outcome:
        place = self._place
        calls = self._books.calls()
        settled = settle(place.ledger, bill)
        self._watch.snapshots.append(self._books.snapshot())
        evidence = Evidence(
            workload=self._size.workload,
            told=all_told(place.bootstrap, f"{place.prefix}renders"),
            bill=bill,
            calls=calls,
            after=self._books.calls(),
            history=self._books.history(),
            snapshots=self._watch.snapshots,
        )
        for name, lines in (("renders", evidence.told), ("calls", calls), ("calls-settled", evidence.after)):
            (place.folder / f"{name}.jsonl").write_bytes(
                b"".join(orjson.dumps(each) + b"\n" for each in lines)
            )
        return Outcome(
            evidence,
            self._watch.struck,
            seconds=seconds,
            input_records=sent,
            dead_letters=len(read_all(place.bootstrap, f"{place.prefix}dead-letters")),
            stuck=stuck,
            ended=ended,
            settled_by_a_person=settled,
        )
