"""Past a record that aiokafka cannot parse, such as one whose header's name is no UTF-8."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from streams.runtime.clients import Consumer
from streams.runtime.partition import PartitionEpoch

# Records taken one by one in search of the one.
STEPS = 256
# Longer than a poll: the record is there, but a far broker may be slow to send it.
STEP_MS = 2_000


@dataclass(frozen=True, slots=True)
class Unparsed:
    """The place of a record that the client could not parse; its content stays in the source topic."""

    topic: str
    partition: int
    offset: int
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


async def step_over(consumer: Consumer, epochs: Mapping[TopicPartition, PartitionEpoch]) -> None:
    """Finds the record one by one and passes over it; a dead letter says where it lies.

    The fetch that failed has lost what it had parsed of other partitions: all go back to where they were.
    """
    with contextlib.suppress(IllegalStateError):
        for tp, epoch in epochs.items():
            consumer.seek(tp, epoch.read_on)
    for tp, epoch in epochs.items():
        try:
            await _feed_one_by_one(consumer, tp, epoch)
        except (KafkaError, IllegalStateError):
            continue
        except Exception as error:
            epoch.skip(Unparsed(tp.topic, tp.partition, epoch.read_on), error)
            with contextlib.suppress(IllegalStateError):
                consumer.seek(tp, epoch.read_on)


async def _feed_one_by_one(consumer: Consumer, tp: TopicPartition, epoch: PartitionEpoch) -> None:
    """Raises what aiokafka raises at a record that it cannot parse."""
    end = (await consumer.end_offsets([tp]))[tp]
    for _ in range(STEPS):
        if epoch.read_on >= end:
            return
        fetched = await consumer.getmany(tp, timeout_ms=STEP_MS, max_records=1)
        if not fetched:
            return
        epoch.feed(fetched[tp])
