"""The loop against Apache Kafka itself, counted by another client."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer, TopicPartition

from schemas.events import PromptEvent
from schemas.wire import encode
from streams.runtime.stage import Emit
from tests.conftest import TestTopics
from tests.support.kafka import Row, header, produce, read_all
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


async def test_every_record_gives_its_outputs_once_and_in_the_order_of_its_key(topics: TestTopics) -> None:
    send_numbers(topics, range(200))
    async with running(loop_of(topics, Echo().handle)):
        await results(topics, 200)
    assert_each_once_in_order(all_results(topics), 200)


async def test_a_stage_that_starts_again_goes_on_where_it_committed(topics: TestTopics) -> None:
    echo = Echo()
    send_numbers(topics, range(50))
    async with running(loop_of(topics, echo.handle)):
        await results(topics, 50)
    send_numbers(topics, range(50, 100))
    async with running(loop_of(topics, echo.handle)):
        await results(topics, 100)
    assert echo.calls == 100
    assert_each_once_in_order(all_results(topics), 100)


async def test_members_that_come_and_go_neither_lose_nor_repeat(topics: TestTopics) -> None:
    send_numbers(topics, range(300))
    async with running(loop_of(topics, Echo(longest_s=0.05).handle)):
        await results(topics, 20)
        async with running(loop_of(topics, Echo(longest_s=0.05).handle)):
            await results(topics, 120)
        await results(topics, 300)
    assert_each_once_in_order(all_results(topics), 300)


async def test_a_log_that_lost_its_tail_is_read_from_its_beginning(topics: TestTopics) -> None:
    """Behind a committed offset the log no longer has, new records would pass for finished ones."""
    group = Consumer({"bootstrap.servers": topics.bootstrap, "group.id": f"{topics.prefix}echo"})
    lost = [TopicPartition(topics.prefix + "prompts", partition, 1_000) for partition in range(2)]
    group.commit(offsets=lost, asynchronous=False)
    group.close()
    send_numbers(topics, range(20))
    async with running(loop_of(topics, Echo().handle)):
        await results(topics, 20)
    assert_each_once_in_order(all_results(topics), 20)


async def test_more_work_than_the_budget_is_left_on_the_topic(topics: TestTopics) -> None:
    gate, full, most = asyncio.Event(), asyncio.Event(), 0
    echo = Echo()

    async def handle(prompt: PromptEvent) -> Sequence[Emit]:
        nonlocal most
        most = max(most, loop.running)
        if most >= 10:
            full.set()
        await gate.wait()
        return await echo.handle(prompt)

    send_numbers(topics, range(200), keys=200)
    loop = loop_of(topics, handle, max_in_flight=10)
    async with running(loop):
        await asyncio.wait_for(full.wait(), 30)
        gate.set()
        await results(topics, 200)
    assert 10 <= most <= 20
    assert_each_once_in_order(all_results(topics), 200)


async def test_a_long_line_behind_one_prompt_does_not_hold_up_the_others(topics: TestTopics) -> None:
    """One key hangs with 150 records in line; another prompt's record comes behind them all."""
    gate, other = asyncio.Event(), asyncio.Event()

    async def handle(prompt: PromptEvent) -> Sequence[Emit]:
        if prompt.id == "k0":
            await gate.wait()
        else:
            other.set()
        return await Echo().handle(prompt)

    rows: list[Row] = [(b"same", encode(event(number, 0)), []) for number in range(150)]
    rows.append((b"same", encode(event(150, 1)), []))
    produce(topics.bootstrap, topics.prefix + "prompts", rows)
    loop = loop_of(topics, handle, max_in_flight=10, stage={"order": lambda prompt: prompt.id.encode()})
    async with running(loop):
        await asyncio.wait_for(other.wait(), 30)
        gate.set()
        await results(topics, 151)


async def test_a_record_the_client_cannot_parse_is_passed_over_and_named(topics: TestTopics) -> None:
    async with AIOKafkaProducer(bootstrap_servers=topics.bootstrap) as producer:
        for number in range(3):
            value = encode(event(number, 0))
            # With a key: records without one keep no order.
            await producer.send_and_wait(topics.prefix + "prompts", value, key=b"k0", partition=0)
            if number == 0:
                await asyncio.to_thread(send_odd_name, topics.bootstrap, topics.prefix + "prompts")
    async with running(loop_of(topics, Echo().handle)):
        await results(topics, 3)
    assert_each_once_in_order(all_results(topics), 3)
    (letter,) = read_all(topics.bootstrap, topics.prefix + "dead-letters")
    assert header(letter, "x-error-code") == "unparsable"
    assert header(letter, "x-original-offset") == "1"


# Another language's client may send any bytes as a header's name; aiokafka in pure Python can be made to.
SEND_ODD_NAME = """
import asyncio, sys
from aiokafka import AIOKafkaProducer

class OddName(str):
    def encode(self, *_how):
        return bytes([0xFF, 0xFE])

async def main():
    async with AIOKafkaProducer(bootstrap_servers=sys.argv[1]) as producer:
        await producer.send_and_wait(sys.argv[2], b"x", partition=0, headers=[(OddName("x"), b"x")])

asyncio.run(main())
"""


def send_odd_name(bootstrap: str, topic: str) -> None:
    subprocess.run(
        [sys.executable, "-c", SEND_ODD_NAME, bootstrap, topic],
        env={**os.environ, "AIOKAFKA_NO_EXTENSIONS": "1"},
        check=True,
    )
