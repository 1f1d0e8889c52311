"""Reading topics from outside the line: committed records only, no group, nothing committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code

from streams.runtime.clients import connection_options, consumer_options
from streams.runtime.records import Record
from streams.settings import Settings

POLL_S = 0.25
UNREACHABLE_AFTER_S = 15.0


class ScanError(Exception):
    """A topic cannot be read; the text says what to do."""


class Unreachable(ScanError):
    """No broker answers at the bootstrap address."""


class TopicMissing(ScanError):
    """The broker does not hold the topic."""


class Scan:
    """A reader over all partitions of some topics. Not for concurrent use."""

    def __init__(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
        self._consumer = consumer
        self._partitions = partitions

    async def to_end(self) -> AsyncIterator[Record]:
        """Every committed record up to the end as it is now; a few that came later may follow."""
        ends = await self._consumer.end_offsets(self._partitions)
        # Aborted records and transaction markers move the position without a record to show for it.
        while not await self._reached(ends):
            for record in await self.poll():
                yield record

    async def poll(self) -> list[Record]:
        """What has come since; waits a quarter of a second for it."""
        batches = await self._consumer.getmany(timeout_ms=int(POLL_S * 1000))
        return [record for records in batches.values() for record in records]

    async def to_tail(self) -> None:
        """Skips what is there already."""
        await self._consumer.seek_to_end(*self._partitions)

    async def seek(self, topic: str, partition: int, offset: int) -> None:
        """Reads on from `offset`.

        Raises:
            ScanError: the partition does not hold that offset; the text says what it holds.
        """
        place = TopicPartition(topic, partition)
        known = sorted(one.partition for one in self._partitions if one.topic == topic)
        if place not in self._partitions:
            raise ScanError(f"partition {partition}: {topic} has partitions {known[0]} to {known[-1]}")
        first = (await self._consumer.beginning_offsets([place]))[place]
        end = (await self._consumer.end_offsets([place]))[place]
        if not first <= offset < end:
            held = f"offsets {first} to {end - 1}" if end > first else "nothing"
            raise ScanError(f"offset {offset}: {topic} partition {partition} holds {held}")
        self._consumer.seek(place, offset)

    async def _reached(self, ends: dict[TopicPartition, int]) -> bool:
        for partition, end in ends.items():
            if await self._consumer.position(partition) < end:
                return False
        return True


@asynccontextmanager
async def open_scan(settings: Settings, names: Sequence[str]) -> AsyncIterator[Scan]:
    """A scan from the first record of the topics `names` (without the prefix).

    Raises:
        Unreachable, TopicMissing: in words for a user.
    """
    try:
        partitions = await _partitions(settings, [settings.topic_prefix + name for name in names])
        consumer = AIOKafkaConsumer(**consumer_options(settings))
        await asyncio.wait_for(consumer.start(), UNREACHABLE_AFTER_S)
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unreachable(unreachable(settings, error)) from error
    try:
        consumer.assign(partitions)
        yield Scan(consumer, partitions)
    finally:
        await consumer.stop()


async def _partitions(settings: Settings, topics: Sequence[str]) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(**connection_options(settings))
    try:
        await asyncio.wait_for(admin.start(), UNREACHABLE_AFTER_S)
        # Asked for by name, a missing topic would be created where the broker allows that.
        described = {topic["topic"]: topic for topic in await admin.describe_topics()}
    finally:
        await admin.close()
    missing = [topic for topic in topics if topic not in described]
    if missing:
        raise TopicMissing(
            f"topic {missing[0]!r} does not exist at {settings.bootstrap}; "
            "create it with `glyphstream topics apply`, or check --topic-prefix"
        )
    for topic in topics:
        code = described[topic]["error_code"]
        if code:
            raise TopicMissing(f"topic {topic!r} cannot be read: {for_code(code).__name__}")
    return [
        TopicPartition(topic, each["partition"])
        for topic in topics
        for each in sorted(described[topic]["partitions"], key=lambda each: int(each["partition"]))
    ]


def unreachable(settings: Settings, error: BaseException) -> str:
    first = (str(error) or type(error).__name__).partition("\n")[0]
    return (
        f"bootstrap {settings.bootstrap}: no broker answers ({first}); "
        "start one with `glyphstream broker`, or name another with --bootstrap HOST:PORT"
    )
