"""What came out: the topic of Renders, read by another Kafka client and without any of our decoders."""

from __future__ import annotations

import uuid
from types import TracebackType

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tests.chaos.engines.audit import Told
from tests.chaos.engines.jobs import number_of
from tests.support.kafka import read_all

BATCH = 500


class Renders:
    """Committed Renders as they come, each once."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.told: list[Told] = []
        self._bootstrap = bootstrap
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"auditor-{uuid.uuid4().hex}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        partitions = self._consumer.list_topics(topic, timeout=30).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])

    def __enter__(self) -> Renders:
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._consumer.close()

    def read(self, wait_s: float) -> None:
        """Takes what there is, waiting at most `wait_s` for the first."""
        for message in self._consumer.consume(BATCH, wait_s):
            if message.error() is None:
                self.told.append(told(message.value() or b""))


def told(value: bytes) -> Told:
    render = orjson.loads(value)
    return Told(
        number=number_of(render["job"]["ref"]["id"]),
        outcome=render["outcome"],
        micros=round(render["usd"] * 1_000_000),
        reason=render["reason"],
    )


def all_told(bootstrap: str, topic: str) -> list[Told]:
    """Everything committed in `topic`, read anew from its beginning to its end."""
    return [told(message.value() or b"") for message in read_all(bootstrap, topic)]


def unfinished(bootstrap: str, topic: str, group: str) -> int:
    """How many records of `topic` the group has not committed."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        places = [TopicPartition(topic, number) for number in partitions]
        left = 0
        for place in consumer.committed(places, timeout=30):
            first, end = consumer.get_watermark_offsets(place, timeout=30)
            left += end - max(first, place.offset)
        return left
    finally:
        consumer.close()
