"""A transactional producer as aiokafka's behaves, over the simulated network.

Requests are retried for ever on errors that may pass; an error that may not ends the producer and fails
everything that waits for it. What is under way goes on when its caller gives up waiting. Like the runtime's
own producer, and unlike aiokafka's, it ends where the outcome of a transaction's last steps is unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import (
    ConcurrentTransactions,
    IllegalOperation,
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
    ProducerFenced,
    RequestTimedOutError,
)
from aiokafka.structs import OffsetAndMetadata

from streams.runtime.clients import Batch
from streams.runtime.group_offsets import Ending
from tests.simulation.cluster import Cluster
from tests.simulation.coordinator import Identity
from tests.simulation.log import Content
from tests.simulation.network import Role

T = TypeVar("T")
BATCH_RECORDS = 3
RETRY_S = 0.02
# Of these aiokafka's handlers say "come again", whatever the error itself says.
PASSING = (ConcurrentTransactions, KafkaConnectionError, NodeNotReadyError)
# After these, a request that advances or ends a transaction may be done, or be done later.
UNKNOWN: tuple[type[KafkaError], ...] = (RequestTimedOutError, KafkaConnectionError)
# The longest that a batch waits for the one before it.
ROOM_S = 8.0
State = Literal["new", "ready", "open", "committing", "dead"]


class SimBatch:
    def __init__(self) -> None:
        self.contents: list[Content] = []

    def append(
        self,
        *,
        timestamp: int | None,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> object | None:
        if len(self.contents) == BATCH_RECORDS:
            return None
        self.contents.append(Content(key, value, tuple(headers), timestamp))
        return self


class SimProducer:
    """`streams.runtime.clients.Producer`."""

    def __init__(self, cluster: Cluster, transactional_id: str) -> None:
        self._cluster = cluster
        self._coordinator = cluster.coordinator
        self._id = transactional_id
        self._who: Identity | None = None
        self._state: State = "new"
        self._sequence = 0
        self._added: set[TopicPartition] = set()
        self._has_group = False
        # One request to the coordinator at a time, and one batch.
        self._turn = asyncio.Lock()
        self._fatal: KafkaError | None = None
        self._unsent: set[asyncio.Future[Any]] = set()
        # The last batch of a partition, until it is on its way.
        self._filled: dict[TopicPartition, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        if self._cluster.network.weather.down:
            raise KafkaConnectionError("unable to bootstrap")
        self._who = await self._ask(lambda: self._coordinator.init(self._id))
        self._state = "ready"
        self._cluster.note(f"{self._id}: epoch {self._who.epoch}")

    async def stop(self) -> None:
        """Flushes first, for ever where nobody takes it."""
        if self._state == "new":
            return
        while self._unsent and self._fatal is None:
            await asyncio.wait(list(self._unsent), return_when=asyncio.FIRST_COMPLETED)
        await self.abandon()

    async def abandon(self) -> None:
        self._state = "dead"
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    def hush(self) -> None:
        """Every error of this producer reaches its caller; there is no copy to hush."""

    def forget(self) -> None:
        """No client can do this: a planted bug takes an unknown outcome for a clean abort."""
        self._fatal = None
        self._state = "ready"

    async def partitions_for(self, topic: str) -> Collection[int]:
        return {tp.partition for tp in self._cluster.logs if tp.topic == topic}

    def create_batch(self) -> SimBatch:
        return SimBatch()

    async def begin_transaction(self) -> None:
        self._check("ready")
        self._state = "open"
        self._added.clear()
        self._has_group = False

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[Any]:
        """Waits for the partition's batch before it to be on its way."""
        assert isinstance(batch, SimBatch)
        self._check("open")
        tp = TopicPartition(topic, partition)
        try:
            async with asyncio.timeout(ROOM_S):
                while tp in self._filled:
                    await self._filled[tp].wait()
        except TimeoutError:
            raise KafkaTimeoutError() from None
        self._check("open")
        self._sequence += 1
        self._filled[tp] = filled = asyncio.Event()
        sent = self._in_background(self._produce(tp, self._sequence, batch.contents, filled))
        self._unsent.add(sent)
        sent.add_done_callback(self._unsent.discard)
        sent.add_done_callback(lambda _sent: self._drained(tp, filled))
        return sent

    def _drained(self, tp: TopicPartition, filled: asyncio.Event) -> None:
        filled.set()
        if self._filled.get(tp) is filled:
            del self._filled[tp]

    async def send_offsets_to_transaction(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], group_id: str
    ) -> None:
        del group_id
        self._check("open")
        await asyncio.shield(self._in_background(self._commit_offsets(dict(offsets))))

    async def commit_transaction(self) -> None:
        self._check("open")
        self._state = "committing"
        await asyncio.shield(self._in_background(self._end()))

    async def end_again(self, topics: Iterable[str], group_id: str, ending: Ending) -> None:
        raise AssertionError(f"{self._id}: {group_id} left open {list(topics)}: {ending}")

    def _check(self, state: State) -> None:
        if self._fatal is not None:
            raise self._fatal
        if self._state != state:
            raise IllegalOperation(f"{self._id}: is {self._state}, not {state}")

    def _in_background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, KafkaError) and self._fatal is None:
            self._fatal = error
            self._cluster.note(f"{self._id}: producer is dead: {error!r}")

    async def _produce(
        self, tp: TopicPartition, sequence: int, contents: Sequence[Content], filled: asyncio.Event
    ) -> int:
        who = self._identity()
        async with self._turn:
            if tp not in self._added:
                await self._ask(lambda: self._coordinator.add_partition(who, tp))
                self._added.add(tp)
            self._drained(tp, filled)
            return await self._ask(
                lambda: self._coordinator.produce(who, tp, sequence, contents), role="any", name="Produce"
            )

    async def _commit_offsets(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        who = self._identity()
        async with self._turn:
            await self._ask(lambda: self._coordinator.add_offsets(who), name="AddOffsets", once=True)
            self._has_group = True
            await self._ask(
                lambda: self._coordinator.commit_offsets(who, offsets),
                role="group",
                name="TxnOffsetCommit",
                once=True,
            )

    async def _end(self) -> None:
        who = self._identity()
        while self._unsent:
            await asyncio.wait(list(self._unsent))
        if self._fatal is not None:
            raise self._fatal
        if self._added or self._has_group:
            await self._ask(lambda: self._coordinator.end(who, committed=True), name="EndTxn", once=True)
        self._state = "ready"

    def _identity(self) -> Identity:
        if self._who is None:
            raise IllegalOperation(f"{self._id}: not started")
        return self._who

    async def _ask(
        self, ask: Callable[[], T], *, role: Role = "transactions", name: str = "", once: bool = False
    ) -> T:
        """With `once`, not again when nobody knows what became of it."""
        late = f"{self._id}: {name}" if name else ""
        while self._fatal is None:
            try:
                return await self._cluster.network.call(ask, role=role, late=late)
            except InvalidProducerEpoch as error:
                raise ProducerFenced() from error
            except KafkaError as error:
                if once and isinstance(error, UNKNOWN):
                    raise KafkaError(f"{name}: outcome unknown: {error!r}") from error
                passes = error.retriable or isinstance(error, PASSING)
                if not passes or self._cluster.network.over:
                    raise
            await asyncio.sleep(RETRY_S)
        raise self._fatal
