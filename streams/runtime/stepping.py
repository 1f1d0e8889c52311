"""Past a record that aiokafka cannot parse, such as one whose header's name is no UTF-8."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException, IllegalStateError, KafkaError, UnsupportedCodecError

from streams.runtime.clients import Consumer
from streams.runtime.partition import PartitionEpoch
from streams.runtime.records import NO_TIMESTAMP

# Records taken one by one in search of the one.
STEPS = 256
# Longer than a poll: the record is there, but a far broker may be slow to send it.
STEP_MS = 2_000
# Kafka's own words for it; Python's, such as UnicodeDecodeError, come besides.
UNPARSABLE = (CorruptRecordException, UnsupportedCodecError)


@dataclass(frozen=True, slots=True)
class Unparsed:
    """The place of a record that the client could not parse; its content stays in the source topic."""

    topic: str
    partition: int
    offset: int
    timestamp: int = NO_TIMESTAMP
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def go_back(consumer: Consumer, epochs: Mapping[TopicPartition, PartitionEpoch]) -> None:
    """A poll that fails has lost what it had taken from other partitions, and moved past it."""
    with contextlib.suppress(IllegalStateError):
        for tp, epoch in epochs.items():
            consumer.seek(tp, epoch.read_on)


async def step_over(consumer: Consumer, epochs: Mapping[TopicPartition, PartitionEpoch]) -> None:
    """Finds the record one by one and passes over it; a dead letter says where it lies."""
    go_back(consumer, epochs)
    for tp, epoch in epochs.items():
        try:
            await _feed_one_by_one(consumer, tp, epoch)
        except UNPARSABLE as error:
            _pass_over(consumer, tp, epoch, error)
        except (KafkaError, IllegalStateError):
            # The next poll tries again, from where the last record was fed.
            continue
        except Exception as error:
            _pass_over(consumer, tp, epoch, error)


def _pass_over(consumer: Consumer, tp: TopicPartition, epoch: PartitionEpoch, error: Exception) -> None:
    # Markers and aborted records may lie before it: those are no records of ours.
    offset = max(epoch.read_on, consumer.stopped_at(tp) or 0)
    epoch.skip(Unparsed(tp.topic, tp.partition, offset), error)
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
