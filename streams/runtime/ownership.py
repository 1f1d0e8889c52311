"""Which partitions this member has: acquired after a fence, replaced after a failure, let go in time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError
from aiokafka.structs import OffsetAndMetadata

from streams.runtime.clients import Admin, Clients, Consumer
from streams.runtime.clock import Clock
from streams.runtime.group_offsets import Ending, UnstableOffset
from streams.runtime.partition import PartitionEpoch
from streams.runtime.resends import HORIZON
from streams.runtime.transactions import Transactions
from streams.runtime.work import Done, Worker

logger = logging.getLogger(__name__)
RESTART_S = 1.0
# Nothing here can end another id's transaction; its own end, or its time-out, may.
STUCK_S = 30.0
STUCK = "find and end it with kafka-transactions.sh (list, find-hanging, abort)"


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
    drain_s: float = 30.0
    revoke_s: float = 20.0
    resend_horizon: int = HORIZON


class Ownership(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The epochs of the partitions that the group has given to this member."""

    def __init__(
        self,
        options: LoopOptions,
        clients: Clients,
        worker: Worker[Any],
        *,
        consumer: Consumer,
        admin: Admin,
        clock: Clock,
        on_committed: Callable[[list[Done]], None],
    ) -> None:
        self._options = options
        self._clients = clients
        self._worker = worker
        self._consumer = consumer
        self._admin = admin
        self._clock = clock
        self._on_committed = on_committed
        self.epochs: dict[TopicPartition, PartitionEpoch] = {}
        self._starting: dict[TopicPartition, asyncio.Task[None]] = {}
        self._releases: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def ready(self) -> dict[TopicPartition, PartitionEpoch]:
        """Those that may be fed."""
        return {tp: epoch for tp, epoch in self.epochs.items() if epoch.ready}

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Called inside the rebalance, where no heartbeat runs: only starts tasks."""
        if self._closed:
            return
        for tp in assigned:
            self._consumer.pause(tp)
            self._starting[tp] = asyncio.create_task(self._acquire(tp), name=f"acquire {tp}")

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Commits what finishes within the grace, hands back the rest, and only then lets the group go on."""
        for tp in revoked:
            await self._cancel_start(tp)
        epochs = [self.epochs.pop(tp) for tp in revoked if tp in self.epochs]
        await asyncio.gather(*(epoch.drain(self._options.revoke_s) for epoch in epochs))
        await self._release_all(epochs)

    def replace_failed(self) -> None:
        for tp, epoch in list(self.epochs.items()):
            if epoch.failed is not None:
                del self.epochs[tp]
                self._starting[tp] = asyncio.create_task(self._replace(tp, epoch), name=f"replace {tp}")

    async def close(self) -> None:
        """Lets all go; what is unfinished then, the next owner does."""
        self._closed = True
        for tp in list(self._starting):
            await self._cancel_start(tp)
        epochs = list(self.epochs.values())
        self.epochs.clear()
        await self._release_all(epochs)

    async def _replace(self, tp: TopicPartition, failed: PartitionEpoch) -> None:
        await self._release(failed)
        await self._clock.sleep(RESTART_S)
        await self._acquire(tp)

    async def _acquire(self, tp: TopicPartition) -> None:
        """Starts an epoch for `tp`, for as long as it takes and the partition is ours."""
        ending: Ending | None = None
        settle: Ending | None = None
        unstable = 0
        while True:
            epoch = self._new_epoch(tp)
            try:
                # Before the fence, which takes the state away.
                ending = ending or await self._admin.last_ending(self._transactional_id(tp))
                await epoch.start(self._consumer, self._committed, self._bounds, settle=settle)
            except IllegalStateError:
                await self._release(epoch)
                return
            except UnstableOffset as error:
                await self._release(epoch)
                unstable += 1
                # Not knowing, twice is better than never. Once is enough: the next fence awaits the markers.
                settle = (ending or "abort") if unstable == 1 else None
                if unstable <= 2:
                    logger.warning("%s: cannot start: %s", tp, error)
                    await self._clock.sleep(RESTART_S)
                else:
                    logger.error("%s: cannot start: %s, nor is it one of this partition's own id %s: %s",
                                 tp, error, self._transactional_id(tp), STUCK)  # fmt: skip
                    await self._clock.sleep(STUCK_S)
            except asyncio.CancelledError:
                await self._release(epoch)
                raise
            except Exception as error:
                # Whatever it is: a partition that nobody starts again would stand still in silence.
                logger.warning("%s: cannot start: %s: %s", tp, type(error).__name__, error)
                await self._release(epoch)
                await self._clock.sleep(RESTART_S)
            else:
                self.epochs[tp] = epoch
                return

    def _transactional_id(self, tp: TopicPartition) -> str:
        return f"{self._options.group}-{tp.topic}-{tp.partition}"

    def _new_epoch(self, tp: TopicPartition) -> PartitionEpoch:
        group = self._options.group
        producer = self._clients.producer(self._transactional_id(tp))
        return PartitionEpoch(
            tp,
            transactions=Transactions(tp, group=group, producer=producer),
            worker=self._worker,
            on_committed=self._on_committed,
            resend_horizon=self._options.resend_horizon,
        )

    async def _committed(self, tp: TopicPartition) -> OffsetAndMetadata | None:
        return await self._admin.stable_offset(self._options.group, tp)

    async def _bounds(self, tp: TopicPartition) -> tuple[int, int]:
        first = await self._consumer.beginning_offsets([tp])
        end = await self._consumer.end_offsets([tp])
        return first[tp], end[tp]

    async def _release(self, epoch: PartitionEpoch) -> None:
        """Is carried to its end also where the caller is cancelled meanwhile."""
        releasing = asyncio.create_task(epoch.release())
        self._releases.add(releasing)
        releasing.add_done_callback(self._releases.discard)
        await asyncio.shield(releasing)

    async def _release_all(self, epochs: Collection[PartitionEpoch]) -> None:
        await asyncio.gather(*(self._release(epoch) for epoch in epochs))
        if self._releases:
            await asyncio.wait(self._releases)

    async def _cancel_start(self, tp: TopicPartition) -> None:
        task = self._starting.pop(tp, None)
        if task is not None and not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
