"""The loop against Apache Kafka itself, counted by another client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer, TopicPartition

from schemas.events import PromptEvent
from schemas.wire import encode, key_for
from streams.broker.local import LocalBroker
from streams.broker.topics import apply_topics
from streams.runtime.clients import producer_options
from streams.runtime.deadletters import DeadLetterLimit
from streams.runtime.errors import EXIT_DEAD_LETTER_LIMIT, StageStopped
from streams.runtime.loop import StageLoop
from streams.runtime.stage import Emit
from streams.runtime.work import Done
from streams.settings import Settings
from tests.support import stages as loops
from tests.support.kafka import header, produce, read_all, read_until
from tests.support.stages import numbered_result, stage_of

KEYS = 8


def event(number: int, key: int) -> PromptEvent:
    return PromptEvent(id=f"k{key}", source="test", prompt=f"{number}")


def send_numbers(bootstrap: str, prefix: str, count: int, *, start: int = 0) -> None:
    events = [event(number, number % KEYS) for number in range(start, start + count)]
    produce(bootstrap, prefix + "prompts", [(key_for(each), encode(each), []) for each in events])


class Echo:
    """A stage that answers each prompt with a result naming it, after a random moment."""

    def __init__(self, *, longest_s: float = 0.01) -> None:
        self.longest_s = longest_s
        self.running: set[str] = set()
        self.calls = 0

    async def handle(self, prompt: PromptEvent) -> Sequence[Emit]:
        assert prompt.id not in self.running, "two records of one key at once"
        self.running.add(prompt.id)
        self.calls += 1
        try:
            await asyncio.sleep(random.random() * self.longest_s)
        finally:
            self.running.discard(prompt.id)
        return (numbered_result(prompt),)


def loop_of(topics: Any, handle: Any, **changes: Any) -> StageLoop:
    stage = stage_of(handle, **changes.pop("stage", {}))
    return loops.loop_of(topics.bootstrap, topics.prefix, stage, **changes)


@contextlib.asynccontextmanager
async def running(loop: StageLoop) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    task = asyncio.create_task(loop.run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait([task])


async def results(topics: Any, count: int) -> list[Any]:
    return await asyncio.to_thread(
        read_until, topics.bootstrap, topics.prefix + "results", lambda found: len(found) >= count
    )


def numbers_by_key(messages: Sequence[Any]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for message in messages:
        body = json.loads(message.value())
        found.setdefault(body["ref"]["id"], []).append(int(body["id"]))
    return found


def assert_each_once_in_order(messages: Sequence[Any], count: int) -> None:
    by_key = numbers_by_key(messages)
    assert sorted(number for numbers in by_key.values() for number in numbers) == list(range(count))
    for numbers in by_key.values():
        assert numbers == sorted(numbers)


async def test_every_record_gives_its_outputs_once_and_in_the_order_of_its_key(topics: Any) -> None:
    send_numbers(topics.bootstrap, topics.prefix, 200)
    async with running(loop_of(topics, Echo().handle)):
        await results(topics, 200)
    assert_each_once_in_order(read_all(topics.bootstrap, topics.prefix + "results"), 200)


async def test_a_stage_that_starts_again_goes_on_where_it_committed(topics: Any) -> None:
    echo = Echo()
    send_numbers(topics.bootstrap, topics.prefix, 50)
    async with running(loop_of(topics, echo.handle)):
        await results(topics, 50)
    send_numbers(topics.bootstrap, topics.prefix, 50, start=50)
    async with running(loop_of(topics, echo.handle)):
        await results(topics, 100)
    assert echo.calls == 100
    assert_each_once_in_order(read_all(topics.bootstrap, topics.prefix + "results"), 100)


async def test_stopping_hands_back_what_is_unfinished_and_never_commits_it(topics: Any) -> None:
    """One key hangs for ever, others finish: the successor redoes the hung record alone."""
    finished = asyncio.Event()
    count = 0

    def note(_done: Done) -> None:
        nonlocal count
        count += 1
        if count == 7:
            finished.set()

    echo = Echo()

    async def handle(prompt: PromptEvent) -> Sequence[Emit]:
        if prompt.id == "k0":
            await asyncio.Event().wait()
        return await echo.handle(prompt)

    send_numbers(topics.bootstrap, topics.prefix, KEYS)
    async with running(loop_of(topics, handle, drain_s=0.2, on_done=note)):
        await asyncio.wait_for(finished.wait(), 30)
    assert len(read_all(topics.bootstrap, topics.prefix + "results")) == 7
    second = Echo()
    async with running(loop_of(topics, second.handle)):
        await results(topics, KEYS)
    assert second.calls == 1
    assert_each_once_in_order(read_all(topics.bootstrap, topics.prefix + "results"), KEYS)


async def test_members_that_come_and_go_neither_lose_nor_repeat(topics: Any) -> None:
    send_numbers(topics.bootstrap, topics.prefix, 300)
    async with running(loop_of(topics, Echo(longest_s=0.05).handle)):
        await results(topics, 20)
        async with running(loop_of(topics, Echo(longest_s=0.05).handle)):
            await results(topics, 120)
        await results(topics, 300)
    assert_each_once_in_order(read_all(topics.bootstrap, topics.prefix + "results"), 300)


async def test_an_owner_fenced_in_the_middle_starts_over_without_a_double(topics: Any) -> None:
    send_numbers(topics.bootstrap, topics.prefix, 200)
    settings = Settings(bootstrap=topics.bootstrap)
    async with running(loop_of(topics, Echo(longest_s=0.05).handle)):
        await results(topics, 40)
        for partition in range(2):
            intruder = AIOKafkaProducer(
                transactional_id=f"{topics.prefix}echo-{topics.prefix}prompts-{partition}",
                **producer_options(settings),
            )
            await intruder.start()
            await intruder.stop()
        await results(topics, 200)
    assert_each_once_in_order(read_all(topics.bootstrap, topics.prefix + "results"), 200)


async def test_bad_records_become_dead_letters_and_those_behind_still_flow(topics: Any) -> None:
    produce(
        topics.bootstrap,
        topics.prefix + "prompts",
        [
            (b"k", b"not json", [("mine", b"kept")]),
            (b"k", b'{"id":"k1","source":"test","prompt":7}', []),
            (b"k", encode(event(0, 0)), []),
        ],
    )
    async with running(loop_of(topics, Echo().handle)):
        found = await results(topics, 2)
    letters = read_all(topics.bootstrap, topics.prefix + "dead-letters")
    assert {letter.value() for letter in letters} == {
        b"not json",
        b'{"id":"k1","source":"test","prompt":7}',
    }
    not_json = next(letter for letter in letters if letter.value() == b"not json")
    assert header(not_json, "mine") == "kept"
    assert header(not_json, "x-error-code") == "not-json"
    named = next(letter for letter in letters if letter is not not_json)
    assert "prompt" in header(named, "x-error-message")
    statuses = [json.loads(message.value())["status"] for message in found]
    assert sorted(statuses) == ["accepted", "failed"]


async def test_a_log_that_lost_its_tail_is_read_from_its_beginning(topics: Any) -> None:
    """Behind a committed offset the log no longer has, new records would pass for finished ones."""
    group = Consumer({"bootstrap.servers": topics.bootstrap, "group.id": f"{topics.prefix}echo"})
    lost = [TopicPartition(topics.prefix + "prompts", partition, 1_000) for partition in range(2)]
    group.commit(offsets=lost, asynchronous=False)
    group.close()
    send_numbers(topics.bootstrap, topics.prefix, 20)
    async with running(loop_of(topics, Echo().handle)):
        await results(topics, 20)
    assert_each_once_in_order(read_all(topics.bootstrap, topics.prefix + "results"), 20)


async def test_too_many_dead_letters_stop_the_stage_with_its_exit_code(topics: Any) -> None:
    produce(topics.bootstrap, topics.prefix + "prompts", [(b"k", b"not json", [])] * 5)
    loop = loop_of(topics, Echo().handle, limit=DeadLetterLimit(run=5))
    with pytest.raises(StageStopped, match="5 records in a row") as stopped:
        await asyncio.wait_for(loop.run(asyncio.Event()), 30)
    assert stopped.value.exit_code == EXIT_DEAD_LETTER_LIMIT


async def test_more_work_than_the_budget_is_left_on_the_topic(topics: Any) -> None:
    gate, full, most = asyncio.Event(), asyncio.Event(), 0
    echo = Echo()

    async def handle(prompt: PromptEvent) -> Sequence[Emit]:
        nonlocal most
        most = max(most, loop.running)
        if most >= 10:
            full.set()
        await gate.wait()
        return await echo.handle(prompt)

    events = [event(number, number) for number in range(200)]
    rows = [(key_for(each), encode(each), []) for each in events]
    produce(topics.bootstrap, topics.prefix + "prompts", rows)
    loop = loop_of(topics, handle, max_in_flight=10)
    async with running(loop):
        await asyncio.wait_for(full.wait(), 30)
        gate.set()
        await results(topics, 200)
    assert 10 <= most <= 20
    assert_each_once_in_order(read_all(topics.bootstrap, topics.prefix + "results"), 200)


async def test_a_long_line_behind_one_prompt_does_not_hold_up_the_others(topics: Any) -> None:
    """One key hangs with 150 records in line; another prompt's record comes behind them all."""
    gate, other = asyncio.Event(), asyncio.Event()

    async def handle(prompt: PromptEvent) -> Sequence[Emit]:
        if prompt.id == "k0":
            await gate.wait()
        else:
            other.set()
        return await Echo().handle(prompt)

    rows = [(b"same", encode(event(number, 0)), []) for number in range(150)]
    rows.append((b"same", encode(event(150, 1)), []))
    produce(topics.bootstrap, topics.prefix + "prompts", rows)
    loop = loop_of(topics, handle, max_in_flight=10, stage={"order": lambda prompt: prompt.id.encode()})
    async with running(loop):
        await asyncio.wait_for(other.wait(), 30)
        gate.set()
        await results(topics, 151)


async def test_a_record_the_client_cannot_parse_is_passed_over_and_named(topics: Any) -> None:
    async with AIOKafkaProducer(bootstrap_servers=topics.bootstrap) as producer:
        for number in range(3):
            await producer.send_and_wait(topics.prefix + "prompts", encode(event(number, 0)), partition=0)
            if number == 0:
                await asyncio.to_thread(send_odd_name, topics.bootstrap, topics.prefix + "prompts")
    async with running(loop_of(topics, Echo().handle)):
        await results(topics, 3)
    assert_each_once_in_order(read_all(topics.bootstrap, topics.prefix + "results"), 3)
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


async def test_stopping_while_no_broker_answers_takes_no_longer_than_the_drain(tmp_path: Path) -> None:
    broker = await asyncio.to_thread(LocalBroker.start, tmp_path)
    try:
        await apply_topics(broker.bootstrap, partitions=1)
        topics = SimpleNamespace(bootstrap=broker.bootstrap, prefix="")
        send_numbers(broker.bootstrap, "", 200)
        stop = asyncio.Event()
        task = asyncio.create_task(loop_of(topics, Echo(longest_s=0.05).handle, drain_s=1.0).run(stop))
        await results(topics, 10)
        await asyncio.to_thread(broker.kill)
        stop.set()
        await asyncio.wait_for(asyncio.wait([task]), 45)
    finally:
        await asyncio.to_thread(broker.stop)


async def test_the_same_work_sent_again_is_done_once_also_by_the_next_owner(topics: Any) -> None:
    """Identity is the number here: each is sent by two owners' times, every one has one result."""
    echo = Echo()
    for owner in range(2):
        for _ in range(2):
            send_numbers(topics.bootstrap, topics.prefix, 20)
        send_numbers(topics.bootstrap, topics.prefix, 1, start=20 + owner)
        loop = loop_of(topics, echo.handle, stage={"identity": lambda prompt: prompt.prompt.encode()})
        async with running(loop):
            await results(topics, 21 + owner)
    assert echo.calls == 22
    found = numbers_by_key(read_all(topics.bootstrap, topics.prefix + "results"))
    assert sorted(number for numbers in found.values() for number in numbers) == list(range(22))
