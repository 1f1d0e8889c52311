"""What other clients may put on a topic: every codec, and records that aiokafka cannot read."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterable

import pytest
from confluent_kafka import Message, Producer

from schemas.wire import encode, key_for
from tests.conftest import TestTopics
from tests.support.kafka import header, produce_aborted, read_all
from tests.support.numbers import (
    Echo,
    all_results,
    assert_each_once_in_order,
    event,
    loop_of,
    results,
    running,
    send_numbers,
)

CODECS = ("gzip", "snappy", "lz4", "zstd")
# Trailing white space is JSON too; librdkafka sends a batch as it is where packing makes it no smaller.
PADDING = b" " * 5_000


def send_packed(topics: TestTopics, numbers: Iterable[int], *, codec: str, partition: int) -> None:
    producer = Producer({"bootstrap.servers": topics.bootstrap, "compression.type": codec})
    for number in numbers:
        sent = event(number, number % 8)
        producer.produce(topics.name("prompts"), encode(sent) + PADDING, key_for(sent), partition)
    assert producer.flush(30) == 0


# Another language's client may send any bytes as a header's name; aiokafka in pure Python can be made to.
SEND_ODD_NAMES = """
import asyncio, sys
from aiokafka import AIOKafkaProducer

class OddName(str):
    def encode(self, *_how):
        return bytes([0xFF, 0xFE])

async def main(bootstrap, topic, count):
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for _ in range(int(count)):
            await producer.send_and_wait(topic, b"x", partition=0, headers=[(OddName("x"), b"x")])

asyncio.run(main(*sys.argv[1:]))
"""


def send_unparsable(topics: TestTopics, count: int) -> None:
    """To partition 0, each in a batch of its own."""
    subprocess.run(
        [sys.executable, "-c", SEND_ODD_NAMES, topics.bootstrap, topics.name("prompts"), str(count)],
        env={**os.environ, "AIOKAFKA_NO_EXTENSIONS": "1"},
        check=True,
    )


def dead_letters(topics: TestTopics) -> list[Message]:
    return read_all(topics.bootstrap, topics.name("dead-letters"))


def places(letters: Iterable[Message]) -> list[tuple[str, int]]:
    return sorted(
        (header(letter, "x-original-partition"), int(header(letter, "x-original-offset")))
        for letter in letters
    )


async def test_records_packed_with_any_codec_of_kafka_are_read(topics: TestTopics) -> None:
    for place, codec in enumerate(CODECS):
        send_packed(topics, range(place * 25, place * 25 + 25), codec=codec, partition=0)
    async with running(loop_of(topics, Echo().handle)):
        await results(topics, 100)
    assert_each_once_in_order(all_results(topics), 100)
    assert dead_letters(topics) == []


@pytest.mark.parametrize("fault", ["header", "codec"])
async def test_unreadable_records_cost_no_record_of_a_neighbouring_partition(
    topics: TestTopics, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """aiokafka raises an error of Python's for the one fault and one of Kafka's for the other; either poll
    has lost what it had taken from the neighbour. Small polls, so that many of them meet both."""
    neighbours, bad = 300, 8
    if fault == "header":
        await asyncio.to_thread(send_unparsable, topics, bad)
    else:
        for _ in range(bad):
            send_packed(topics, [0], codec="zstd", partition=0)
        monkeypatch.setattr("aiokafka.codec.has_zstd", lambda: False)
    send_numbers(topics, range(neighbours), partition=1)
    send_numbers(topics, range(neighbours, neighbours + 5), keys=1_000, partition=0)
    async with running(loop_of(topics, Echo().handle, max_in_flight=8)):
        await results(topics, neighbours + 5)
    assert_each_once_in_order(all_results(topics), neighbours + 5)
    assert places(dead_letters(topics)) == [("0", offset) for offset in range(bad)]


async def test_an_unparsable_record_behind_an_aborted_gap_is_one_dead_letter_that_names_its_own_offset(
    topics: TestTopics,
) -> None:
    """The gap's offsets are no records: a search that took each for one would stop the whole stage."""
    gap = 700
    send_numbers(topics, range(3), partition=0)
    produce_aborted(topics.bootstrap, topics.name("prompts"), gap, partition=0)
    await asyncio.to_thread(send_unparsable, topics, 1)
    send_numbers(topics, range(3, 6), partition=0)
    async with running(loop_of(topics, Echo().handle)):
        await results(topics, 6)
    assert_each_once_in_order(all_results(topics), 6)
    (letter,) = dead_letters(topics)
    # Three records, the gap and its marker lie before it.
    assert places([letter]) == [("0", 3 + gap + 1)]
    # Its timestamp could not be read. One of 1970 would let retention take the letter at once.
    assert header(letter, "x-original-timestamp") == "-1"
    assert abs(letter.timestamp()[1] / 1_000 - time.time()) < 600
