"""One run: members on the real runtime, work and faults by the scenario, until all has come to rest."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from unittest import mock

from aiokafka import TopicPartition

from schemas.topics import DEAD_LETTERS, PROMPTS, RESULTS
from streams.runtime.deadletters import DeadLetterLimit, DeadLetterWatch
from streams.runtime.loop import StageLoop
from streams.runtime.ownership import LoopOptions
from streams.runtime.retry import RetryPolicy
from streams.runtime.work import Worker
from tests.simulation.clients import SimClients
from tests.simulation.cluster import Cluster
from tests.simulation.log import Entry
from tests.simulation.network import Weather
from tests.simulation.scenario import Fault, Scenario
from tests.simulation.stage import Behaviour, content, keep
from tests.simulation.trouble import expire, worsen
from tests.simulation.virtual import Process, Stuck, VirtualClock, VirtualLoop

PREFIX = "sim-"
PROMPTS_TOPIC, RESULTS_TOPIC = PREFIX + PROMPTS.name, PREFIX + RESULTS.name
LETTERS_TOPIC = PREFIX + DEAD_LETTERS.name
# A handler that cleans up for long holds its slot meanwhile, and there may be one slot only.
REST_S = 150.0
LINGER_S = 2.0
DRAINED_S = 12.0
DRAIN_S = 3.0
# Its parts: the drain; an epoch's last transaction, its handlers, its producer; the consumer's goodbye.
STOP_S = DRAIN_S + 5.0 + 5.0 + 10.0 + 10.0 + 1.0
RETRY = RetryPolicy(first_s=0.05, longest_s=1.0, total_s=2.0)
UNBOUNDED = DeadLetterLimit(run=1_000_000, share=1.0)
Rename = Callable[[str, str], str]


@dataclass(slots=True)
class Member:
    name: str
    process: Process
    loop: StageLoop | None = None
    stop: asyncio.Event | None = None
    stopped_at: float | None = None


class World:
    """Holds what the checker reads afterwards: `cluster`, and `faults` of the runtime seen on the way."""

    def __init__(self, scenario: Scenario, *, rename: Rename | None = None) -> None:
        self.scenario = scenario
        self.loop = VirtualLoop(scenario.quiet_at + REST_S)
        self._rng = random.Random(f"{scenario.seed} run")
        self._clock = VirtualClock(self.loop)
        self._rename = rename
        self.cluster = Cluster(
            self.loop,
            self._rng,
            {PROMPTS_TOPIC: scenario.partitions, RESULTS_TOPIC: scenario.result_partitions, LETTERS_TOPIC: 1},
            inputs=PROMPTS_TOPIC,
            session_s=scenario.session_s,
            rebalance_s=scenario.rebalance_s,
            transaction_s=scenario.transaction_s,
            marker_delay=scenario.marker_delay,
        )
        self._quiet = False
        self.cluster.network.weather = self._calm()
        self.faults: list[str] = []
        self._members: dict[int, Member] = {}
        self._all: list[Member] = []
        self._ghosts = -1
        self._ending = False

    def run(self) -> None:
        asyncio.set_event_loop(None)
        with _silent():
            try:
                self.loop.run_until_complete(self._main())
            except Stuck as stuck:
                self.faults.append(f"stuck: {stuck}; {self._unfinished()}")
            finally:
                self._dismantle()

    async def _main(self) -> None:
        for number in range(self.scenario.members):
            self.start(number)
        for burst in self.scenario.bursts:
            self.loop.after(burst.at, self._write, burst.partition, burst.numbers, burst.transaction)
        for fault in self.scenario.faults:
            self.loop.after(fault.at, self._strike, fault)
        await asyncio.sleep(self.scenario.quiet_at)
        self._calm_down()
        await self._until(lambda: not self._unfinished())
        await asyncio.sleep(LINGER_S)
        self._ending = True
        for member in self._members.values():
            self._stop(member)
        await self._until(lambda: all(member.process.dead for member in self._all))

    async def _until(self, reached: Callable[[], bool]) -> None:
        """Looks at what lies in the logs, as any onlooker would; the loop's limit ends it."""
        while True:
            if reached():
                return
            await asyncio.sleep(0.5)

    def start(self, number: int) -> None:
        known = self._members.get(number)
        if self._ending or (known is not None and not known.process.dead):
            return
        name = f"m{number}.{len(self._all)}"
        member = Member(name, Process(name, self.loop))
        self._members[number] = member
        self._all.append(member)
        member.process.spawn(self._live(member))

    async def _live(self, member: Member) -> None:
        scenario = self.scenario
        worker = Worker(
            Behaviour(scenario, self._clock).stage(),
            prefix=PREFIX,
            retry=RETRY,
            clock=self._clock,
            rng=self._rng,
            slots=asyncio.Semaphore(scenario.slots),
            keep=keep,
        )
        options = LoopOptions(
            group="sim",
            topic=PROMPTS_TOPIC,
            max_in_flight=scenario.max_in_flight,
            resend_horizon=scenario.horizon,
            drain_s=DRAIN_S,
            revoke_s=scenario.revoke_s,
        )
        clients = SimClients(self.cluster, member.name, self._rename)
        watch = DeadLetterWatch(UNBOUNDED)
        member.stop = asyncio.Event()
        member.loop = StageLoop(worker, options, clients, clock=self._clock, watch=watch)
        self.cluster.note("starts")
        try:
            await member.loop.run(member.stop)
        except Exception as error:
            self.faults.append(f"{member.name} died by itself: {error!r}")
        self._note_exit(member)
        member.process.kill()

    def _note_exit(self, member: Member) -> None:
        self.cluster.note("exits")
        if member.stopped_at is not None:
            took = self.loop.time() - member.stopped_at
            if took > STOP_S:
                self.faults.append(f"{member.name} took {took:.1f} s to stop (limit {STOP_S:g})")

    def _stop(self, member: Member) -> None:
        if not member.process.dead and member.stop is not None and member.stopped_at is None:
            self._note(member, "SIGTERM")
            member.stopped_at = self.loop.time()
            member.process.spawn(_set(member.stop))

    def _note(self, member: Member, what: str) -> None:
        self.cluster.trace.append((self.loop.time(), member.name, what))

    def _write(self, partition: int, numbers: tuple[int, ...], transaction: str) -> None:
        log = self.cluster.logs[TopicPartition(PROMPTS_TOPIC, partition)]
        contents = [content(self.scenario.works[number], self.scenario) for number in numbers]
        now_ms = self.cluster.coordinator.now_ms()
        if transaction == "none":
            base = log.append(contents, now_ms)
        else:
            self._ghosts -= 1
            base = log.append(contents, now_ms, self._ghosts)
            log.finish(self._ghosts, transaction == "committed", now_ms)
        self.cluster.note(f"input {partition}@{base}: {', '.join(map(str, numbers))} ({transaction})")

    def _strike(self, fault: Fault) -> None:
        if self._quiet:
            return
        member = self._members.get(fault.member)
        match fault.action:
            case "start":
                self.start(fault.member)
            case "kill" | "stop" | "pause" if member is not None and not member.process.dead:
                self._hit(fault, member)
            case "kill" | "stop" | "pause":
                pass
            case "retention":
                expire(self.cluster, fault.strength)
            case _:
                worsen(self.cluster, fault)
                self.loop.after(fault.lasts, self._clear_up)

    def _hit(self, fault: Fault, member: Member) -> None:
        if fault.action == "pause":
            self._note(member, f"SIGSTOP for {fault.lasts:.1f} s")
            member.process.halted = True
            self.loop.after(fault.lasts, self._resume, member)
            return
        if fault.action == "kill":
            self._note(member, "SIGKILL")
            member.process.kill()
        else:
            self._stop(member)
        self.loop.after(fault.lasts, self.start, fault.member)

    def _resume(self, member: Member) -> None:
        if member.process.halted and not member.process.dead:
            self._note(member, "SIGCONT")
            member.process.go_on()

    def _calm(self) -> Weather:
        chosen = self.scenario
        return Weather(latency=chosen.latency, lost_steps=0.0 if self._quiet else chosen.lost_steps)

    def _clear_up(self) -> None:
        self.cluster.clear_up(self._calm())

    def _calm_down(self) -> None:
        """No more faults: whatever is unfinished must come to its end now."""
        self._quiet = True
        self._clear_up()
        # With less time than a drain takes, two members would throw each other out for ever.
        self.cluster.group.rebalance_s = self.scenario.revoke_s + DRAINED_S
        for member in self._all:
            self._resume(member)
        if all(member.process.dead or member.stopped_at is not None for member in self._members.values()):
            self.start(len(self._members) + 4)

    def _unfinished(self) -> str:
        """What no commit covers yet, or the empty text."""
        lacking = []
        for tp in self.cluster.inputs:
            log, mark = self.cluster.logs[tp], self.cluster.coordinator.offsets.get(tp)
            committed = 0 if mark is None else mark.offset
            # Also what is finished above the mark: an idle topic must not show lag for ever.
            left = [entry for entry in log.entries[max(committed, log.start) :] if entry.visible]
            if left:
                lacking.append(f"{tp.partition}: committed {committed}, {len(left)} left")
        if self.cluster.coordinator.open_transactions:
            lacking.append("a transaction is open")
        return "; ".join(lacking)

    def entries(self, topic: str) -> list[Entry]:
        return [
            entry for tp, log in self.cluster.logs.items() if tp.topic == topic for entry in log.visible()
        ]

    def _dismantle(self) -> None:
        """Lets every task end, those of dead processes too, so that none is destroyed while pending."""
        self.cluster.network.over = True
        self.loop.limit_s = float("inf")
        for member in self._all:
            member.process.dead = False
            member.process.go_on()
        for _ in range(50):
            tasks = asyncio.all_tasks(self.loop)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            with contextlib.suppress(Stuck):
                self.loop.run_until_complete(asyncio.sleep(1.0))
        self.loop.close()


async def _set(event: asyncio.Event) -> None:
    event.set()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """The runtime reports every fault; here they are the point."""
    with mock.patch.object(logging.getLogger("streams.runtime"), "disabled", True):
        previous = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(previous)
