"""What goes in and what came out, by a Kafka client of another make than the contestants'."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition

from tests.bench.workload import Row

PARTITIONS = 4
# A broker that is just up lets librdkafka complain of what it then retries.
QUIET: Mapping[str, str | int | float | bool] = {"log_level": 2}


class BenchError(RuntimeError):
    """A contestant that did not do the job; the text has the end of its log."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Records in an open transaction of `producer`; `ends[p]` is how many lie in partition p."""

    producer: Producer
    ends: Sequence[int]


def hidden_backlog(bootstrap: str, topic: str, rows: Sequence[Row]) -> Backlog:
    """Writes `rows` in one transaction and leaves it open: its commit shows them."""
    producer = Producer(
        {
            **QUIET,
            "bootstrap.servers": bootstrap,
            "transactional.id": f"{topic}-backlog",
            "transaction.timeout.ms": 600_000,
            "partitioner": "murmur2_random",
            "linger.ms": 20,
            "queue.buffering.max.messages": 2_000_000,
            "queue.buffering.max.kbytes": 2_000_000,
        }
    )
    producer.init_transactions(60)
    producer.begin_transaction()
    failures: list[object] = []
    ends = [0] * PARTITIONS

    def delivered(error: object, message: Message) -> None:
        if error is None:
            ends[message.partition() or 0] += 1
        else:
            failures.append(error)

    for number, row in enumerate(rows):
        producer.produce(
            topic,
            key=row.key,
            value=row.value,
            headers=list(row.headers),
            on_delivery=delivered,
        )
        if number % 1_000 == 0:
            producer.poll(0)
    if producer.flush(120) or failures:
        raise BenchError(f"the backlog could not be written: {failures[:1]}")
    return Backlog(producer, ends)


def committed_records(bootstrap: str, topics: Sequence[str]) -> Iterator[Message]:
    """Everything committed in `topics` now, by a client of another make than the contestants'."""
    consumer = Consumer(
        {
            **QUIET,
            "bootstrap.servers": bootstrap,
            "group.id": f"{topics[0]}-verifier",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        consumer.assign(
            [TopicPartition(t, number, OFFSET_BEGINNING) for t in topics for number in range(PARTITIONS)]
        )
        ended = 0
        until = time.monotonic() + 120
        while ended < len(topics) * PARTITIONS:
            if time.monotonic() > until:
                raise BenchError(f"{', '.join(topics)} cannot be read to their ends within 120 s")
            for message in consumer.consume(10_000, 0.2):
                if message.error() is None:
                    yield message
                else:
                    ended += 1
    finally:
        consumer.close()
