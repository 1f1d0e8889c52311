"""A group member as aiokafka's behaves: eager rebalances, callbacks, heartbeats beside them.

Once a rebalance has begun, `getmany` waits for its end, whatever its timeout says, and so it does before the
first assignment. Heartbeats go on during the revoke callback and rest during the assign callback.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from tests.simulation.cluster import Cluster
from tests.simulation.fetching import RETRY_S, Fetcher
from tests.simulation.group import Joined
from tests.simulation.log import Entry

T = TypeVar("T")
HEARTBEAT_S = 1.0
MOST_RECORDS = 500


class SimConsumer:
    """`streams.runtime.clients.Consumer`."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._name = name
        self._listener: ConsumerRebalanceListener | None = None
        self._something = asyncio.Event()
        self.fetcher = Fetcher(cluster, (), self._something)
        self._fetching: asyncio.Task[None] | None = None
        self._member_id: str | None = None
        self._generation = -1
        self._assigned = False
        self._prepared = False
        self._settled = asyncio.Event()
        # Set when there is something to do for the coordinating task: to join again, or to close.
        self._news = asyncio.Event()
        self._join_asked = True
        self._closing = False
        self._coordinating: asyncio.Task[None] | None = None
        self._heart: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Until a broker answers."""
        await self._retried(lambda: None)

    async def stop(self) -> None:
        self._closing = True
        self._news.set()
        self._something.set()
        if self._coordinating is not None:
            await self._coordinating
        await _end(self._heart)
        member_id = self._member_id
        if member_id is not None:
            with contextlib.suppress(KafkaError):
                await self._cluster.network.call(lambda: self._cluster.group.leave(member_id), role="group")
        await _end(self._fetching)

    def subscribe(self, topics: Sequence[str], *, listener: ConsumerRebalanceListener) -> None:
        del topics
        self._listener = listener
        self._coordinating = _task(self._coordinate())

    def assignment(self) -> Collection[TopicPartition]:
        return list(self.fetcher.partitions)

    def pause(self, *partitions: TopicPartition) -> None:
        for tp in partitions:
            self.fetcher.change(tp, paused=True)

    def resume(self, *partitions: TopicPartition) -> None:
        for tp in partitions:
            self.fetcher.change(tp, paused=False)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.fetcher.change(partition, position=offset)

    def stopped_at(self, partition: TopicPartition) -> int | None:
        return self.fetcher.stopped_at(partition)

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        logs = self._cluster.logs
        return await self._retried(lambda: {tp: logs[tp].start for tp in partitions})

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """A reader of committed records is told the last stable offset."""
        logs = self._cluster.logs
        return await self._retried(lambda: {tp: logs[tp].stable for tp in partitions})

    async def _retried(self, ask: Callable[[], T]) -> T:
        while True:
            try:
                return await self._cluster.network.call(ask)
            except KafkaError:
                if self._cluster.network.over:
                    raise
            await asyncio.sleep(RETRY_S)

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int, max_records: int | None = None
    ) -> Mapping[TopicPartition, Sequence[Entry]]:
        if self._closing:
            raise ConsumerStoppedError()
        if self._cluster.poll_fails():
            raise KafkaError("unexpected error during coordination")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_ms / 1_000
        while True:
            if not self._settled.is_set():
                await self._settled.wait()
            self._something.clear()
            drained = self.fetcher.drain(partitions, max_records or MOST_RECORDS)
            left = deadline - loop.time()
            if drained or left <= 0 or self._closing:
                return drained
            timer = loop.call_later(left, self._something.set)
            await self._something.wait()
            timer.cancel()

    async def _coordinate(self) -> None:
        while not self._closing:
            if not self._join_asked:
                self._news.clear()
                await self._news.wait()
            elif not await self._rejoin():
                await asyncio.sleep(RETRY_S)

    async def _rejoin(self) -> bool:
        if not self._prepared:
            self._settled.clear()
            revoked = list(self.fetcher.partitions) if self._assigned else []
            if revoked:
                self._cluster.note(f"{self._name}: revoked {_names(revoked)}")
            assert self._listener is not None
            await self._listener.on_partitions_revoked(revoked)
            self._prepared = True
        await _end(self._heart)
        self._join_asked = False
        joined = await self._join()
        if joined is None:
            self._join_asked = True
            return False
        self._prepared = False
        self._generation = joined.generation
        await self._assign(joined.partitions)
        self._heart = _task(self._beat())
        return True

    async def _join(self) -> Joined | None:
        group, network = self._cluster.group, self._cluster.network
        wait_s = group.rebalance_s
        try:
            if self._member_id is None:
                given = await network.call(lambda: group.new_member(self._name), role="group")
                self._member_id = given
            member_id = self._member_id
            return await network.wait(lambda: group.join(member_id), wait_s)
        except KafkaError:
            return None

    async def _assign(self, partitions: Sequence[TopicPartition]) -> None:
        self._cluster.note(f"{self._name}: assigned {_names(partitions)} in generation {self._generation}")
        await _end(self._fetching)
        self.fetcher = Fetcher(self._cluster, partitions, self._something)
        self._assigned = True
        self._settled.set()
        self._something.set()
        self._fetching = _task(self.fetcher.run())
        assert self._listener is not None
        self._listener.on_partitions_assigned(partitions)

    async def _beat(self) -> None:
        group, network = self._cluster.group, self._cluster.network
        while self._member_id is not None:
            await asyncio.sleep(HEARTBEAT_S)
            try:
                beat = functools.partial(group.heartbeat, self._member_id, self._generation)
                await network.call(beat, role="group")
            except RebalanceInProgressError:
                self._ask_to_join()
            except (IllegalGenerationError, UnknownMemberIdError) as error:
                self._cluster.note(f"{self._name}: {type(error).__name__}, joins anew")
                self._member_id, self._generation = None, -1
                self._ask_to_join()
            except KafkaError:
                continue

    def _ask_to_join(self) -> None:
        self._join_asked = True
        self._news.set()


def _names(partitions: Sequence[TopicPartition]) -> str:
    return ", ".join(str(tp.partition) for tp in partitions) or "nothing"


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.wait({task})


def _task(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(work)
