"""Kafka's clients: one place for their settings, and the seam where a simulation puts its own.

The protocols name what the runtime asks of aiokafka and nothing more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaConnectionError, RequestTimedOutError
from aiokafka.protocol.transaction import AddOffsetsToTxnRequest, EndTxnRequest, TxnOffsetCommitRequest
from aiokafka.structs import OffsetAndMetadata

from schemas.topics import DEAD_LETTERS
from streams.runtime.group_offsets import Ending, GroupAdmin
from streams.runtime.records import Record
from streams.settings import Settings

HEARTBEAT_MS = 3_000
# Longer than the drain at a rebalance, or the next owner starts while this one still works.
REBALANCE_MS = 90_000
TRANSACTION_MS = 60_000
# Records of the largest topic limit must fit through every client.
REQUEST_BYTES = DEAD_LETTERS.max_message_bytes + 4_096
# Well under every topic's limit, which the broker applies to whole batches.
BATCH_BYTES = 256 * 1_024
ADDED_S = 0.005
_ENDING = (AddOffsetsToTxnRequest, EndTxnRequest, TxnOffsetCommitRequest)


class Consumer(Protocol):
    """A group member whose records are committed ones; it commits nothing by itself.

    `stopped_at` tells, after a poll that failed at a record it could not parse, that record's offset.
    """

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def subscribe(self, topics: Sequence[str], *, listener: ConsumerRebalanceListener) -> None: ...
    def assignment(self) -> Collection[TopicPartition]: ...
    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int, max_records: int | None = None
    ) -> Mapping[TopicPartition, Sequence[Record]]: ...
    def pause(self, *partitions: TopicPartition) -> None: ...
    def resume(self, *partitions: TopicPartition) -> None: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    def stopped_at(self, partition: TopicPartition) -> int | None: ...
    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]: ...
    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]: ...


class Batch(Protocol):
    """Records for one partition; `append` gives None when the batch takes no more."""

    def append(
        self,
        *,
        timestamp: int | None,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> object | None: ...


class Producer(Protocol):
    """A transactional producer. `start` fences whoever had its transactional id before.

    `abandon` closes the connections of one that does not stop by itself; `hush` marks the outcome of the
    transaction at hand as seen, because aiokafka keeps a copy of its error in a future nobody awaits.
    """

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def abandon(self) -> None: ...
    def hush(self) -> None: ...
    async def partitions_for(self, topic: str) -> Collection[int]: ...
    def create_batch(self) -> Batch: ...
    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[Any]: ...
    async def begin_transaction(self) -> None: ...
    async def send_offsets_to_transaction(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], group_id: str
    ) -> None: ...
    async def commit_transaction(self) -> None: ...
    async def end_again(self, topics: Iterable[str], group_id: str, ending: Ending) -> None: ...


class Admin(Protocol):
    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def stable_offset(self, group: str, tp: TopicPartition) -> OffsetAndMetadata | None: ...
    async def last_ending(self, transactional_id: str) -> Ending | None: ...


class Clients(Protocol):
    """Makes the clients of one stage."""

    def consumer(self, group: str) -> Consumer: ...
    def producer(self, transactional_id: str) -> Producer: ...
    def admin(self) -> Admin: ...


class GroupConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's consumer, which can say where it stopped."""

    def stopped_at(self, partition: TopicPartition) -> int | None:
        result = self._fetcher._records.get(partition)
        records = getattr(result, "_partition_records", None)
        return None if records is None else int(records.next_fetch_offset)


class OutcomeUnknown(Exception):
    """A request that ends or advances a transaction may or may not have been done, now or later.

    No KafkaError, which aiokafka would answer by sending the request again.
    """


class TransactionalProducer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's producer with its loose ends tied.

    It sends a request again whose answer is lost, under the same epoch; the first copy may then arrive late
    and commit half of the next transaction. Here it gives up instead, so that a new epoch fences that copy.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._plain_send = self.client.send
        self.client.send = self._send_or_give_up

    async def _send_or_give_up(self, node_id: int, request: object, **options: Any) -> Any:
        try:
            return await self._plain_send(node_id, request, **options)
        except (RequestTimedOutError, KafkaConnectionError) as error:
            # A node that was not ready was sent nothing; aiokafka has another error for that.
            if isinstance(request, _ENDING):
                raise OutcomeUnknown(f"{type(request).__name__}: {error!r}") from error
            raise

    async def end_again(self, topics: Iterable[str], group_id: str, ending: Ending) -> None:
        """Writes markers of this transactional id into `topics`, where they exist, and the group's offsets.

        They end what an earlier transaction of the id left without markers; where it left nothing, they say
        nothing. Should this be cut in half, the next owner's fence aborts the first half: of a commit that
        is the offset, and records are done twice; of an abort it is right.
        """
        cluster = await self.client.fetch_all_metadata()
        known = [topic for topic in topics if topic in cluster.topics()]
        places = [TopicPartition(topic, n) for topic in known for n in cluster.partitions_for_topic(topic)]
        await self.begin_transaction()
        self.hush()
        if ending == "commit":
            await self._add_offsets(group_id)
            await self._add_partitions(places)
            await self.commit_transaction()
        else:
            await self._add_partitions(places)
            await self._add_offsets(group_id)
            await self.abort_transaction()

    async def _add_offsets(self, group_id: str) -> None:
        # aiokafka joins this with an offset to commit, which would take the place of the pending one.
        while not await self._sender._do_add_offsets_to_txn(group_id):
            pass

    async def _add_partitions(self, places: Iterable[TopicPartition]) -> None:
        for place in places:
            self._txn_manager.maybe_add_partition_to_txn(place)
        # The sender adds them; it tells nobody when it has.
        while self._txn_manager.partitions_to_add():
            await asyncio.sleep(ADDED_S)
            ended = self._txn_manager.wait_for_transaction_end()
            if ended.done():
                ended.result()

    async def abandon(self) -> None:
        # Else aiokafka complains of a producer left open, of one that never came to stop.
        self._closed = True
        if self._sender.sender_task is not None:
            self._sender.sender_task.cancel()
        await self.client.close()

    def hush(self) -> None:
        transaction = self._txn_manager.wait_for_transaction_end()
        if transaction is not None:
            transaction.add_done_callback(note_outcome)


def note_outcome(future: asyncio.Future[Any]) -> None:
    """Marks a future's exception as seen: another await of the same transaction raises it already."""
    if not future.cancelled():
        future.exception()


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaClients:
    """Clients of a Kafka cluster; the three fields are aiokafka's own keyword arguments."""

    connection: Mapping[str, Any]
    consumer_options: Mapping[str, Any] = field(default_factory=dict)
    producer_options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> KafkaClients:
        return cls(
            connection=connection_options(settings),
            consumer_options=consumer_options(settings),
            producer_options=producer_options(settings),
        )

    def consumer(self, group: str) -> Consumer:
        consumer: Consumer = GroupConsumer(group_id=group, **self.consumer_options)
        return consumer

    def producer(self, transactional_id: str) -> Producer:
        producer: Producer = TransactionalProducer(transactional_id=transactional_id, **self.producer_options)
        return producer

    def admin(self) -> Admin:
        admin: Admin = GroupAdmin(**self.connection)
        return admin


def connection_options(settings: Settings) -> dict[str, Any]:
    return {"bootstrap_servers": settings.bootstrap, "request_timeout_ms": 40_000}


def consumer_options(settings: Settings) -> dict[str, Any]:
    """A reader of committed records that commits nothing by itself."""
    session_ms = round(settings.session_seconds * 1_000)
    return {
        **connection_options(settings),
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
        "auto_offset_reset": "earliest",
        "session_timeout_ms": session_ms,
        "heartbeat_interval_ms": min(HEARTBEAT_MS, session_ms // 3),
        "rebalance_timeout_ms": REBALANCE_MS,
        "max_poll_interval_ms": 300_000,
        "max_partition_fetch_bytes": REQUEST_BYTES,
        "fetch_max_wait_ms": 200,
    }


def producer_options(settings: Settings) -> dict[str, Any]:
    """Idempotent, all replicas. Give it a `transactional_id` where it writes transactions."""
    return {
        **connection_options(settings),
        "acks": "all",
        "enable_idempotence": True,
        "max_batch_size": BATCH_BYTES,
        "max_request_size": REQUEST_BYTES,
        "transaction_timeout_ms": TRANSACTION_MS,
        # After a commit the broker writes markers in the background and answers the next transaction with
        # a retriable error; at the default of 100 ms one transaction in ten would wait that long.
        "retry_backoff_ms": 5,
    }
