"""The loop every stage shares: poll for ever, feed the partitions, replace what failed, drain.

The event loop does I/O only: reading and scoring run in another process, typesetting in a thread, so that
heartbeats never wait for work. A stage that has enough to do pauses its partitions and goes on polling.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams.runtime.bounded import within
from streams.runtime.clients import Clients
from streams.runtime.clock import Clock
from streams.runtime.deadletters import DeadLetterWatch
from streams.runtime.errors import EXIT_DEAD_LETTER_LIMIT, StageStopped
from streams.runtime.ownership import RESTART_S, LoopOptions, Ownership
from streams.runtime.records import Record
from streams.runtime.stepping import UNPARSABLE, go_back, step_over
from streams.runtime.work import Done, Worker

logger = logging.getLogger(__name__)
POLL_MS = 200
# Where a poll brings few records, more gather until a commit ends, or so long: a fetch costs client and
# broker as much as twenty records.
FEW = 32
PACE_S = 0.01
CLOSE_S = 10.0
# Records taken at once where the work needs no waiting: 50 ms of it, short enough for heartbeats. What runs
# for one record in a hundred is met ten times in a row so, and costs a third of what it would alone.
CHUNK = 1_000


class StageLoop:
    """Runs one stage over the partitions the group assigns to this member."""

    def __init__(
        self,
        worker: Worker[Any],
        options: LoopOptions,
        clients: Clients,
        *,
        clock: Clock,
        watch: DeadLetterWatch,
        on_done: Callable[[Done], None] = lambda _done: None,
    ) -> None:
        self._name = worker.stage.name
        self._options = options
        self._clock = clock
        self._watch = watch
        self._on_done = on_done
        self._fatal: StageStopped | None = None
        self._some_committed = asyncio.Event()
        self._at_once = worker.stage.at_once is not None
        self.consumer = clients.consumer(options.group)
        self._admin = clients.admin()
        self._owned = Ownership(
            options,
            clients,
            worker,
            consumer=self.consumer,
            admin=self._admin,
            clock=clock,
            on_committed=self._committed_batch,
        )

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] | None = None) -> None:
        """Until `stop` is set; then drains, commits and leaves the group.

        Raises:
            StageStopped: too many dead letters.
        """
        try:
            await self._admin.start()
            await self.consumer.start()
            self.consumer.subscribe([self._options.topic], listener=self._owned)
            if ready is not None:
                ready()
            await self._poll_until(stop)
            await self._drain()
        finally:
            await self._close()
        if self._fatal is not None:
            raise self._fatal

    @property
    def running(self) -> int:
        """Records under way, over all partitions."""
        return sum(epoch.running for epoch in self._owned.epochs.values())

    async def _poll_until(self, stop: asyncio.Event) -> None:
        """Cancels the poll at hand: in a rebalance that cannot end, aiokafka's poll knows no timeout."""
        polling = asyncio.create_task(self._poll())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({polling, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if polling.done():
                polling.result()
        finally:
            polling.cancel()
            stopping.cancel()
            await asyncio.gather(polling, stopping, return_exceptions=True)

    async def _poll(self) -> None:
        while self._fatal is None:
            await self._step()

    async def _step(self) -> None:
        self._owned.replace_failed()
        behind = sum(epoch.work_on() for epoch in self._owned.ready.values()) > 0
        self._set_pauses()
        full = self._full()
        if full or behind:
            await self._wait_for_commit(POLL_MS / 1_000 if full else PACE_S)
        wanted = CHUNK if self._at_once else max(self._options.max_in_flight - self.running, 1)
        try:
            # Asked even when full, and then without waiting: a member that stops asking is taken for dead.
            fetched = await self.consumer.getmany(
                timeout_ms=0 if full or behind else POLL_MS, max_records=wanted
            )
        except UNPARSABLE as error:
            logger.warning("%s: a record cannot be parsed: %s", self._name, error)
            await step_over(self.consumer, self._owned.ready)
        except KafkaError as error:
            logger.warning("%s: poll failed: %s", self._name, error)
            go_back(self.consumer, self._owned.ready)
            await self._clock.sleep(RESTART_S)
        except Exception:
            logger.exception("%s: a record cannot be parsed", self._name)
            await step_over(self.consumer, self._owned.ready)
        else:
            self._feed(fetched)
            if 0 < sum(map(len, fetched.values())) < min(wanted, FEW):
                await self._wait_for_commit(PACE_S)

    def _feed(self, fetched: Mapping[TopicPartition, Sequence[Record]]) -> None:
        for tp, records in fetched.items():
            epoch = self._owned.epochs.get(tp)
            # Fetched between the assignment and the fence: the seek brings these back.
            if epoch is not None and epoch.ready:
                epoch.feed(records)

    async def _wait_for_commit(self, timeout_s: float) -> None:
        self._some_committed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._some_committed.wait(), timeout_s)

    def _full(self) -> bool:
        """Enough to do; records that wait in line behind another are bounded apart, so that a long line
        does not keep the rest from being fetched."""
        options, epochs = self._options, self._owned.epochs.values()
        return (
            self.running >= options.max_in_flight
            or sum(epoch.received for epoch in epochs) >= max(options.max_received, options.max_in_flight)
            or sum(epoch.held_bytes for epoch in epochs) >= options.max_received_bytes
        )

    def _set_pauses(self) -> None:
        full, epochs = self._full(), self._owned.ready
        for tp in self.consumer.assignment():
            epoch = epochs.get(tp)
            if full or epoch is None or epoch.full:
                self.consumer.pause(tp)
            else:
                self.consumer.resume(tp)

    def _committed_batch(self, batch: list[Done]) -> None:
        self._some_committed.set()
        for done in batch:
            self._on_done(done)
            reason = self._watch.note(dead=done.dead)
            if reason is not None and self._fatal is None:
                message = f"stage {self._name} stopped: {reason}"
                self._fatal = StageStopped(message, exit_code=EXIT_DEAD_LETTER_LIMIT)

    async def _drain(self) -> None:
        for tp in self.consumer.assignment():
            self.consumer.pause(tp)
        # Keep polling: a member that stops asking is taken for dead.
        polling = asyncio.create_task(self._poll_idly())
        try:
            epochs = self._owned.epochs.values()
            await asyncio.gather(*(epoch.drain(self._options.drain_s) for epoch in epochs))
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)

    async def _poll_idly(self) -> None:
        while True:
            try:
                await self.consumer.getmany(timeout_ms=POLL_MS)
            except Exception as error:
                logger.warning("%s: poll failed while draining: %s", self._name, error)
                await self._clock.sleep(POLL_MS / 1_000)

    async def _close(self) -> None:
        await self._owned.close()
        faults = await asyncio.gather(
            within(CLOSE_S, self.consumer.stop()), within(CLOSE_S, self._admin.close())
        )
        for fault in faults:
            if fault is not None:
                logger.warning("%s: leaving without goodbye: %r", self._name, fault)
