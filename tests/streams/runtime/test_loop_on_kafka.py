"""The loop against Apache Kafka itself, counted by another client."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from schemas.events import PromptEvent, PromptRef, Result
from schemas.topics import PROMPTS, RESULTS
from schemas.wire import encode, key_for
from streams.runtime.clients import connection_options, consumer_options, producer_options
from streams.runtime.clock import SystemClock
from streams.runtime.deadletters import DeadLetterLimit, DeadLetterWatch
from streams.runtime.errors import EXIT_DEAD_LETTER_LIMIT, StageStopped
from streams.runtime.loop import LoopOptions, StageLoop
from streams.runtime.retry import RetryPolicy
from streams.runtime.stage import Emit, GivenUp, Stage
from streams.runtime.work import Done, Worker
from streams.settings import Settings
from streams.stages.finals import failed_final
from tests.support.kafka import header, produce, read_all, read_until

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
        result = Result(
            id=prompt.prompt, ref=PromptRef(prompt.source, prompt.id), final=True, status="accepted"
        )
        return (Emit(RESULTS, result),)


def stage_of(handle: Any, identity: Callable[[PromptEvent], bytes] | None = None) -> Stage[PromptEvent]:
    def give_up(prompt: PromptEvent, error: Exception) -> GivenUp:
        return GivenUp(failed_final(PromptRef(prompt.source, prompt.id), str(error)))

    return Stage("echo", PROMPTS, PromptEvent, handle, give_up, failed_final, identity=identity)


def loop_of(topics: Any, handle: Any, **changes: Any) -> StageLoop:
    settings = Settings(bootstrap=topics.bootstrap, topic_prefix=topics.prefix)
    limit = changes.pop("limit", DeadLetterLimit())
    on_done: Callable[[Done], None] = changes.pop("on_done", lambda _done: None)
    worker = Worker(
        stage_of(handle, changes.pop("identity", None)),
        prefix=topics.prefix,
        retry=RetryPolicy(first_s=0.01),
        clock=SystemClock(),
        rng=random.Random(1),
        slots=asyncio.Semaphore(KEYS),
    )
    options = LoopOptions(
        group=f"{topics.prefix}echo",
        topic=topics.prefix + "prompts",
        consumer={**consumer_options(settings), "session_timeout_ms": 6_000, "heartbeat_interval_ms": 500},
        producer=producer_options(settings),
        connection=connection_options(settings),
        drain_s=10.0,
    )
    options = dataclasses.replace(options, **changes)
    watch = DeadLetterWatch(limit)
    return StageLoop(worker, options, clock=SystemClock(), watch=watch, on_done=on_done)


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


async def test_too_many_dead_letters_stop_the_stage_with_its_exit_code(topics: Any) -> None:
    produce(topics.bootstrap, topics.prefix + "prompts", [(b"k", b"not json", [])] * 5)
    loop = loop_of(topics, Echo().handle, limit=DeadLetterLimit(run=5))
    with pytest.raises(StageStopped, match="5 records in a row") as stopped:
        await asyncio.wait_for(loop.run(asyncio.Event()), 30)
    assert stopped.value.exit_code == EXIT_DEAD_LETTER_LIMIT


async def test_more_waiting_work_than_the_budget_is_paused_not_taken(topics: Any) -> None:
    gate, full, most = asyncio.Event(), asyncio.Event(), 0
    echo = Echo()

    async def handle(prompt: PromptEvent) -> Sequence[Emit]:
        nonlocal most
        most = max(most, loop.in_flight)
        if most >= 10:
            full.set()
        await gate.wait()
        return await echo.handle(prompt)

    send_numbers(topics.bootstrap, topics.prefix, 200)
    loop = loop_of(topics, handle, max_in_flight=10)
    async with running(loop):
        await asyncio.wait_for(full.wait(), 30)
        gate.set()
        await results(topics, 200)
    assert 10 <= most <= 20
    assert_each_once_in_order(read_all(topics.bootstrap, topics.prefix + "results"), 200)


async def test_the_same_work_sent_again_is_done_once_also_by_the_next_owner(topics: Any) -> None:
    """Identity is the number here: each is sent by two owners' times, every one has one result."""
    echo = Echo()
    for owner in range(2):
        for _ in range(2):
            send_numbers(topics.bootstrap, topics.prefix, 20)
        send_numbers(topics.bootstrap, topics.prefix, 1, start=20 + owner)
        loop = loop_of(topics, echo.handle, identity=lambda prompt: prompt.prompt.encode())
        async with running(loop):
            await results(topics, 21 + owner)
    assert echo.calls == 22
    found = numbers_by_key(read_all(topics.bootstrap, topics.prefix + "results"))
    assert sorted(number for numbers in found.values() for number in numbers) == list(range(22))
