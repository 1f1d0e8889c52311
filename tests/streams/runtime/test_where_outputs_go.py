"""Where a transaction puts its outputs: by their key, and dead letters where their source lies."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from streams.runtime.clients import Producer
from streams.runtime.deadletters import dead_letter
from streams.runtime.errors import Permanent
from streams.runtime.partitioner import partition_for
from streams.runtime.records import Outgoing
from streams.runtime.transactions import Transactions
from tests.support.records import StoredRecord

COUNT = 3
KEYS = [f"key {number}".encode() for number in range(12)]


class Batch:
    def __init__(self) -> None:
        self.keys: list[bytes | None] = []

    def append(self, *, key: bytes | None, **_rest: object) -> object:
        self.keys.append(key)
        return object()


class Broker:
    """Remembers which keys went to which partition of which topic."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, int], list[bytes | None]] = {}

    async def begin_transaction(self) -> None: ...

    def hush(self) -> None: ...

    async def partitions_for(self, _topic: str) -> range:
        return range(COUNT)

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[Any]:
        self.places[topic, partition] = batch.keys
        answered = asyncio.get_running_loop().create_future()
        answered.set_result(None)
        return answered

    async def send_offsets_to_transaction(self, *_what: object) -> None: ...

    async def commit_transaction(self) -> None: ...


async def places_of(outputs: list[Outgoing], *, source: int) -> dict[tuple[str, int], list[bytes | None]]:
    broker = Broker()
    transactions = Transactions(TopicPartition("in", source), group="g", producer=cast(Producer, broker))
    await transactions.commit(outputs, OffsetAndMetadata(1, ""))
    return broker.places


async def test_events_go_where_their_key_belongs() -> None:
    outputs = [Outgoing("out", key, b"{}", []) for key in KEYS]
    for (_, partition), keys in (await places_of(outputs, source=5)).items():
        assert [partition_for(key or b"", COUNT) for key in keys] == [partition] * len(keys)


async def test_dead_letters_lie_in_one_partition_in_the_order_of_their_source() -> None:
    letters = [
        dead_letter(
            StoredRecord("in", 5, offset, 0, key, b"?", ()), prefix="", stage="s", error=Permanent("no")
        )
        for offset, key in enumerate(KEYS)
    ]
    assert await places_of(letters, source=5) == {("dead-letters", 5 % COUNT): KEYS}
