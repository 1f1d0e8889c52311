"""Another Kafka client than the runtime's own, for what goes in and for counting what came out."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, Producer, TopicPartition

ANY_PARTITION = -1
Row = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


def produce(bootstrap: str, topic: str, rows: Iterable[Row], *, partition: int = ANY_PARTITION) -> None:
    """Sends `rows` (key, value, headers) and waits until the broker has them all."""
    failures: list[object] = []
    producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": 20_000_000, "linger.ms": 5})
    for key, value, headers in rows:
        producer.produce(
            topic,
            key=key,
            value=value,
            headers=[*headers],
            partition=partition,
            on_delivery=lambda error, _message: failures.append(error) if error else None,
        )
        producer.poll(0)
    producer.flush(60)
    if failures:
        raise KafkaException(failures[0])


def produce_aborted(bootstrap: str, topic: str, count: int, *, partition: int) -> None:
    """Leaves a gap of `count` offsets and a marker: records that no read_committed reader sees."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"aborted-{uuid.uuid4().hex}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for _ in range(count):
        producer.produce(topic, value=b"-", partition=partition)
        producer.poll(0)
    producer.flush(60)
    producer.abort_transaction(30)


def read_until(
    bootstrap: str, topic: str, enough: Callable[[list[Message]], bool], *, timeout_s: float = 60.0
) -> list[Message]:
    """Everything committed in `topic` from its beginning, as soon as `enough` says so.

    Raises:
        TimeoutError: it never was; the text says how many came.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"reader-{uuid.uuid4().hex}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "fetch.message.max.bytes": 20_000_000,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        found: list[Message] = []
        until = time.monotonic() + timeout_s
        while not enough(found):
            if time.monotonic() > until:
                raise TimeoutError(f"{len(found)} records in {topic} after {timeout_s:g} s")
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                found.append(message)
        return found
    finally:
        consumer.close()


def read_all(bootstrap: str, topic: str, *, timeout_s: float = 60.0) -> list[Message]:
    """Everything committed in `topic` now: up to the last stable offsets at the call."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"reader-{uuid.uuid4().hex}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.message.max.bytes": 20_000_000,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        found: list[Message] = []
        ended: set[int] = set()
        until = time.monotonic() + timeout_s
        while len(ended) < len(partitions):
            if time.monotonic() > until:
                raise TimeoutError(f"{topic} did not end within {timeout_s:g} s; {len(found)} records read")
            message = consumer.poll(0.2)
            if message is None:
                continue
            if message.error() is None:
                found.append(message)
            else:
                ended.add(message.partition() or 0)
        return found
    finally:
        consumer.close()


def headers(message: Message) -> list[tuple[str, bytes | None]]:
    """As they lie in the log: in order, doubles and nulls included."""
    found: list[tuple[str, bytes | None]] = list(message.headers() or [])  # type: ignore[arg-type]  # the stubs tell what may be sent
    return found


def header(message: Message, name: str) -> str:
    """The last of that name, as readers of CloudEvents take it."""
    return (dict(headers(message))[name] or b"").decode()
