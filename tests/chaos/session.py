"""One chaos run: a cluster behind proxies, workers, a producer, a checker, and the storm over them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.topics import DEAD_LETTERS, PROMPTS, RESULTS
from streams.broker.cluster import LocalCluster
from tests.chaos.checker import Checker, Verdict
from tests.chaos.crew import Crew
from tests.chaos.feeder import Feeder
from tests.chaos.history import History
from tests.chaos.plan import KINDS, Action
from tests.chaos.proxy import LOOPBACK, Proxy
from tests.chaos.storm import MEMBERS, Storm
from tests.chaos.workload import Workload, owed

NODES = 3
# Events produced but not yet through: enough that every takeover finds work, little enough to see a stall.
AHEAD = 20_000
STALL_S = 180.0
PROGRESS_S = 5.0
# The workers' transaction timeout and the interval at which a broker looks for such (10 s each), and some.
ABORTED_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One run: `rate` in records a second; `actions` in the order in which they are due."""

    workload: Workload
    actions: tuple[Action, ...]
    seed: int
    rate: float
    control: str = "none"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`unfinished` input records, `open_transactions` output partitions when the workers had left, `stuck`
    workers: all must be 0.
    """

    verdict: Verdict
    input_records: int
    unfinished: int
    open_transactions: int
    stuck: int

    @property
    def clean(self) -> bool:
        return self.verdict.clean and not (self.unfinished or self.open_transactions or self.stuck)


class Stalled(Exception):
    """Nothing came out for a long while although there was work."""


class ChaosSession:
    """Runs `size` in `folder`, going on where an earlier session of the same folder stopped."""

    def __init__(self, folder: Path, size: Size) -> None:
        self._folder = folder
        self.size = size
        self.history = History(folder / "history.jsonl")
        self.workers = folder / "workers"
        self._owed = owed(size.workload.events).results
        self._begun = self._actions_done()

    async def run(self) -> Outcome:
        self.workers.mkdir(parents=True, exist_ok=True)
        self.history.note("session")
        self._started = time.monotonic()
        rng = random.Random(f"{self.size.seed} {self._begun}")
        async with _proxied_cluster(self._folder / "kafka", rng, self.history) as (cluster, proxy):
            direct = ",".join(f"{LOOPBACK}:{node.options.ports.internal}" for node in cluster.nodes)
            await asyncio.to_thread(create_topics, direct, self.size.workload.partitions)
            await asyncio.to_thread(cluster.wait_in_sync)
            checker = Checker(direct, "", self.size.workload)
            crew = Crew(self.workers, ["--bootstrap", cluster.bootstrap, "--control", self.size.control])
            feeder = self._feeder(direct, checker)
            with (
                contextlib.closing(checker),
                _reading(checker) as reading,
                contextlib.ExitStack() as ending,
            ):
                ending.callback(crew.kill_all)
                ending.callback(feeder.stop)
                for _ in range(MEMBERS):
                    crew.start()
                feeder.start()
                storm = Storm(cluster, crew, proxy, self.history)
                ending.callback(storm.abandon)
                watch = asyncio.create_task(self._watch(storm, feeder, checker, reading))
                await _first(self._through(storm, checker, feeder), watch)
                stuck = await asyncio.to_thread(crew.stop)
                reading.stop()
                outcome = await asyncio.to_thread(self._judge, checker, len(stuck))
            self.history.note("end")
            return outcome

    async def _through(self, storm: Storm, checker: Checker, feeder: Feeder) -> None:
        """The rest of the plan, each action when its share of the events is through, and then all else."""
        actions = self.size.actions
        for number in range(self._begun, len(actions)):
            await asyncio.sleep(actions[number].gap_s)
            await self._reached(checker, 0.97 * (number + 1) / (len(actions) + 1))
            await storm.act(actions[number])
            self._begun = number + 1
        await storm.calm()
        while True:
            await asyncio.sleep(0.5)
            if feeder.done and await asyncio.to_thread(checker.unfinished) == 0:
                return

    async def _reached(self, checker: Checker, share: float) -> None:
        while True:
            if checker.ledger.seen >= share * self._owed:
                return
            await asyncio.sleep(0.05)

    def _feeder(self, bootstrap: str, checker: Checker) -> Feeder:
        actions = len(self.size.actions)

        def limit() -> float:
            # Not far beyond the storm either, or its last part would fall on a system at rest.
            return min(checker.ledger.seen + AHEAD, self._owed * (self._begun + 0.02 * actions + 2) / actions)

        return Feeder(
            bootstrap,
            PROMPTS.name,
            self.size.workload,
            rate=self.size.rate,
            limit=limit,
            log_lengths=checker.input_records,
        )

    async def _watch(self, storm: Storm, feeder: Feeder, checker: Checker, reading: _Reading) -> None:
        """Keeps the crew up and says how far it is.

        Raises:
            Stalled: no new result and no new action for long.
            BaseException: what ended the producer or the checker.
        """
        reached, since = (-1, -1), time.monotonic()
        told = 0.0
        while True:
            storm.reinforce()
            for failure in (feeder.failure, reading.failure):
                if failure is not None:
                    raise failure
            if (at := (checker.ledger.seen, self._begun)) != reached:
                reached, since = at, time.monotonic()
            elif time.monotonic() > since + STALL_S:
                raise Stalled(
                    f"{at[0]} of {self._owed} results and {at[1]} of {len(self.size.actions)} actions "
                    f"for {STALL_S:.0f} s; see {self.workers}"
                )
            if time.monotonic() > told + PROGRESS_S:
                told = time.monotonic()
                self._tell(feeder, checker)
            await asyncio.sleep(0.5)

    def _tell(self, feeder: Feeder, checker: Checker) -> None:
        counts = self.history.counts()
        elapsed = time.monotonic() - self._started
        share = min(checker.ledger.seen / self._owed, self._begun / max(1, len(self.size.actions)))
        done = " ".join(f"{kind} {counts[kind]}" for kind in KINDS if counts[kind])
        left = f"{elapsed * (1 - share) / share:.0f} s" if share > 0.01 else "?"
        results = f"{checker.ledger.seen:,} of {self._owed:,} results, {feeder.sent:,} sent"
        sys.stderr.write(f"chaos: {elapsed:4.0f} s  {results}; {done}; about {left} left\n")

    def _judge(self, checker: Checker, stuck: int) -> Outcome:
        """Gives transactions that were left open the time in which a broker aborts them: what they hide is
        not lost.
        """
        still_open = checker.open_transactions()
        until = time.monotonic() + ABORTED_S
        while checker.open_transactions() and time.monotonic() < until:
            time.sleep(0.5)
        return Outcome(
            checker.finish(),
            sum(checker.input_records().values()),
            checker.unfinished(),
            still_open,
            stuck,
        )

    def _actions_done(self) -> int:
        counts = self.history.counts()
        return sum(counts[kind] for kind in KINDS)


class _Reading:
    """The checker at work in a thread of its own until `stop`."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checker", daemon=True)
        self.failure: BaseException | None = None
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._checker.read()
        except BaseException as error:
            self.failure = error

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


@contextlib.contextmanager
def _reading(checker: Checker) -> Iterator[_Reading]:
    reading = _Reading(checker)
    try:
        yield reading
    finally:
        reading.stop()


@contextlib.asynccontextmanager
async def _proxied_cluster(
    folder: Path, rng: random.Random, history: History
) -> AsyncIterator[tuple[LocalCluster, Proxy]]:
    """A cluster that tells its clients to come by way of the proxy."""
    proxy = Proxy(NODES, rng, lambda fault: history.note("network", fault))
    await proxy.start()
    try:
        advertised = dict(enumerate(proxy.ports, 1))
        cluster = await asyncio.to_thread(LocalCluster.start, folder, nodes=NODES, advertised=advertised)
        try:
            proxy.forward_to([node.port for node in cluster.nodes])
            await asyncio.to_thread(cluster.wait_in_sync)
            yield cluster, proxy
        finally:
            await asyncio.to_thread(cluster.stop)
    finally:
        await proxy.close()


async def _first(work: Coroutine[Any, Any, None], watch: asyncio.Task[None]) -> None:
    """Ends with `work`, or with what `watch` raises before."""
    working = asyncio.create_task(work)
    try:
        await asyncio.wait({working, watch}, return_when=asyncio.FIRST_COMPLETED)
        await (watch if watch.done() else working)
    finally:
        for task in (working, watch):
            task.cancel()
        await asyncio.gather(working, watch, return_exceptions=True)


def create_topics(bootstrap: str, partitions: int) -> None:
    """The three topics that the chaos uses; those that exist stay."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    existing = admin.list_topics(timeout=30).topics
    wanted = [
        NewTopic(topic.name, partitions, NODES, config=topic.config(min_insync=2))
        for topic in (PROMPTS, RESULTS, DEAD_LETTERS)
        if topic.name not in existing
    ]
    for future in admin.create_topics(wanted).values() if wanted else ():
        future.result(60)
