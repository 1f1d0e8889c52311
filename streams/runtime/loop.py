"""The loop every stage shares: poll for ever, feed the partitions, replace what failed, drain.

The event loop does I/O only: reading and scoring run in another process, typesetting in a thread, so that
heartbeats never wait for work. A stage that has enough to do pauses its partitions and goes on polling.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from streams.runtime.bounded import within
from streams.runtime.clients import Clients
from streams.runtime.clock import Clock
from streams.runtime.deadletters import DeadLetterWatch
from streams.runtime.errors import EXIT_DEAD_LETTER_LIMIT, StageStopped
from streams.runtime.partition import PartitionEpoch
from streams.runtime.records import Record
from streams.runtime.resends import HORIZON
from streams.runtime.stepping import step_over
from streams.runtime.transactions import Transactions
from streams.runtime.work import Done, Worker

logger = logging.getLogger(__name__)
POLL_MS = 200
RESTART_S = 1.0
CLOSE_S = 10.0
# Records taken at once where the work needs no waiting: long enough to pay, short enough for heartbeats.
CHUNK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopOptions:
    """Times in seconds: `drain_s` for a stop, `revoke_s` for a rebalance, which stops the whole group.

    `max_in_flight` bounds the records worked on at once, over all partitions; `max_received` and
    `max_received_bytes` those in memory, which also stand in line behind others or wait to be committed.
    `resend_horizon` is how many records of a partition a producer's resend may lie apart.
    """

    group: str
    topic: str
    max_in_flight: int = 64
    max_received: int = 4_096
    max_received_bytes: int = 64 << 20
    resend_horizon: int = HORIZON
    drain_s: float = 30.0
    revoke_s: float = 20.0


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
        self._worker = worker
        self._options = options
        self._clients = clients
        self._clock = clock
        self._watch = watch
        self._on_done = on_done
        self._epochs: dict[TopicPartition, PartitionEpoch] = {}
        self._starting: dict[TopicPartition, asyncio.Task[None]] = {}
        self._fatal: StageStopped | None = None
        self._room = asyncio.Event()
        self._at_once = worker.stage.at_once is not None
        self.consumer = clients.consumer(options.group)
        self._admin = clients.admin()

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] | None = None) -> None:
        """Until `stop` is set; then drains, commits and leaves the group.

        Raises:
            StageStopped: too many dead letters.
        """
        try:
            await self._admin.start()
            await self.consumer.start()
            self.consumer.subscribe([self._options.topic], listener=_Listener(self))
            if ready is not None:
                ready()
            await self._poll_until(stop)
            await self._drain()
        finally:
            await self._close()
        if self._fatal is not None:
            raise self._fatal

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
        self._replace_failed()
        self._set_pauses()
        room = 0 if self._full() else self._options.max_in_flight - self.running
        if room == 0:
            await self._wait_for_room()
        try:
            # Asked even when full, and then without waiting: a member that stops asking is taken for dead.
            fetched = await self.consumer.getmany(
                timeout_ms=POLL_MS if room > 0 else 0, max_records=CHUNK if self._at_once else max(room, 1)
            )
        except KafkaError as error:
            logger.warning("%s: poll failed: %s", self._worker.stage.name, error)
            await self._clock.sleep(RESTART_S)
        except Exception:
            logger.exception("%s: a record cannot be parsed", self._worker.stage.name)
            ready = {tp: epoch for tp, epoch in self._epochs.items() if epoch.ready}
            await step_over(self.consumer, ready)
        else:
            self._feed(fetched)

    def _feed(self, fetched: Mapping[TopicPartition, Sequence[Record]]) -> None:
        for tp, records in fetched.items():
            epoch = self._epochs.get(tp)
            # Fetched between the assignment and the fence: the seek brings these back.
            if epoch is not None and epoch.ready:
                epoch.feed(records)

    async def _wait_for_room(self) -> None:
        self._room.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._room.wait(), POLL_MS / 1_000)

    @property
    def running(self) -> int:
        """Records under way, over all partitions."""
        return sum(epoch.running for epoch in self._epochs.values())

    def _full(self) -> bool:
        """Enough to do; records that wait in line behind another are bounded apart, so that a long line
        does not keep the rest from being fetched."""
        options, epochs = self._options, self._epochs.values()
        return (
            self.running >= options.max_in_flight
            or sum(epoch.tracker.unfinished for epoch in epochs) >= options.max_received
            or sum(epoch.held_bytes for epoch in epochs) >= options.max_received_bytes
        )

    def _set_pauses(self) -> None:
        full = self._full()
        for tp in self.consumer.assignment():
            epoch = self._epochs.get(tp)
            if full or epoch is None or not epoch.ready or epoch.tracker.full:
                self.consumer.pause(tp)
            else:
                self.consumer.resume(tp)

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Called inside the rebalance, where no heartbeat runs: only starts tasks."""
        for tp in partitions:
            self.consumer.pause(tp)
            self._starting[tp] = asyncio.create_task(self._acquire(tp), name=f"acquire {tp}")

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Commits what finishes within the grace, hands back the rest, and only then lets the group go on."""
        for tp in partitions:
            await self._cancel_start(tp)
        epochs = [self._epochs.pop(tp) for tp in partitions if tp in self._epochs]
        await asyncio.gather(*(epoch.drain(self._options.revoke_s) for epoch in epochs))
        await asyncio.gather(*(epoch.release() for epoch in epochs))

    async def _acquire(self, tp: TopicPartition) -> None:
        """Starts an epoch for `tp`, for as long as it takes and the partition is ours."""
        while True:
            epoch = self._new_epoch(tp)
            try:
                await epoch.start(self.consumer, self._committed, self._bounds)
            except IllegalStateError:
                await epoch.release()
                return
            except asyncio.CancelledError:
                await epoch.release()
                raise
            except Exception as error:
                # Whatever it is: a partition that nobody starts again would stand still in silence.
                logger.warning("%s: cannot start: %s: %s", tp, type(error).__name__, error)
                await epoch.release()
                await self._clock.sleep(RESTART_S)
            else:
                self._epochs[tp] = epoch
                return

    def _new_epoch(self, tp: TopicPartition) -> PartitionEpoch:
        group = self._options.group
        producer = self._clients.producer(f"{group}-{tp.topic}-{tp.partition}")
        return PartitionEpoch(
            tp,
            transactions=Transactions(tp, group=group, producer=producer),
            worker=self._worker,
            on_committed=self._committed_batch,
            resend_horizon=self._options.resend_horizon,
        )

    def _replace_failed(self) -> None:
        for tp, epoch in list(self._epochs.items()):
            if epoch.failed is not None:
                del self._epochs[tp]
                self._starting[tp] = asyncio.create_task(self._replace(tp, epoch), name=f"replace {tp}")

    async def _replace(self, tp: TopicPartition, failed: PartitionEpoch) -> None:
        await failed.release()
        await self._clock.sleep(RESTART_S)
        await self._acquire(tp)

    async def _committed(self, tp: TopicPartition) -> OffsetAndMetadata | None:
        found = await self._admin.list_consumer_group_offsets(self._options.group, partitions=[tp])
        mark: OffsetAndMetadata | None = found.get(tp)
        return None if mark is None or mark.offset < 0 else mark

    async def _bounds(self, tp: TopicPartition) -> tuple[int, int]:
        first: dict[TopicPartition, int] = await self.consumer.beginning_offsets([tp])
        end: dict[TopicPartition, int] = await self.consumer.end_offsets([tp])
        return first[tp], end[tp]

    def _committed_batch(self, batch: list[Done]) -> None:
        self._room.set()
        for done in batch:
            self._on_done(done)
            reason = self._watch.note(dead=done.dead)
            if reason is not None and self._fatal is None:
                message = f"stage {self._worker.stage.name} stopped: {reason}"
                self._fatal = StageStopped(message, exit_code=EXIT_DEAD_LETTER_LIMIT)

    async def _drain(self) -> None:
        for tp in self.consumer.assignment():
            self.consumer.pause(tp)
        epochs = list(self._epochs.values())
        # Keep polling: a member that stops asking is taken for dead.
        polling = asyncio.create_task(self._poll_idly())
        try:
            await asyncio.gather(*(epoch.drain(self._options.drain_s) for epoch in epochs))
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)

    async def _poll_idly(self) -> None:
        while True:
            try:
                await self.consumer.getmany(timeout_ms=POLL_MS)
            except Exception as error:
                logger.warning("%s: poll failed while draining: %s", self._worker.stage.name, error)
                await self._clock.sleep(POLL_MS / 1_000)

    async def _cancel_start(self, tp: TopicPartition) -> None:
        task = self._starting.pop(tp, None)
        if task is not None and not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _close(self) -> None:
        for tp in list(self._starting):
            await self._cancel_start(tp)
        epochs = list(self._epochs.values())
        self._epochs.clear()
        await asyncio.gather(*(epoch.release() for epoch in epochs))
        for closing in (self.consumer.stop(), self._admin.close()):
            fault = await within(CLOSE_S, closing)
            if fault is not None:
                logger.warning("%s: leaving without goodbye: %r", self._worker.stage.name, fault)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, loop: StageLoop) -> None:
        self._loop = loop

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._loop.assigned(assigned)

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._loop.revoked(revoked)
