"""A producer's resend is done once, whoever owns the partition by then. Identity is the number here."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import pytest
from confluent_kafka import Producer

from schemas.wire import encode, key_for
from streams.runtime.loop import StageLoop
from tests.conftest import TestTopics
from tests.support.numbers import (
    Echo,
    Tally,
    all_results,
    assert_each_once_in_order,
    event,
    loop_of,
    numbers,
    results,
    running,
    send_numbers,
)

KNOWN: dict[str, Any] = {"identity": lambda prompt: prompt.prompt.encode()}
HORIZON = 50


async def test_the_same_work_sent_again_is_done_once_also_by_the_next_owner(topics: TestTopics) -> None:
    echo = Echo()
    for owner in range(2):
        for _ in range(2):
            send_numbers(topics, range(20))
        send_numbers(topics, [20 + owner])
        async with running(loop_of(topics, echo.handle, stage=KNOWN)):
            await results(topics, 21 + owner)
    assert echo.calls == 22
    assert numbers(all_results(topics)) == list(range(22))


async def test_the_same_work_sent_again_while_members_come_and_go_is_done_once(topics: TestTopics) -> None:
    """Between the three times, partitions move to a second member and back; some work is still under way."""
    echoes, ended = (Echo(longest_s=0.05), Echo(longest_s=0.05)), Tally()
    first, second = (
        loop_of(topics, echo.handle, stage=KNOWN, on_done=ended.add, revoke_s=1.0) for echo in echoes
    )
    send_numbers(topics, range(100))
    async with running(first):
        await ended.reached(30)
        async with running(second):
            send_numbers(topics, range(100))
            await ended.reached(130)
        send_numbers(topics, range(100))
        await ended.reached(300)
    assert_each_once_in_order(all_results(topics), 100)


@pytest.mark.parametrize("markers", [False, True], ids=["plain", "each record in a transaction"])
@pytest.mark.parametrize(("between", "times"), [(HORIZON - 1, 1), (HORIZON, 2)], ids=["within", "beyond"])
async def test_a_next_owner_knows_the_work_of_the_horizon_and_no_more(
    topics: TestTopics, markers: bool, between: int, times: int
) -> None:
    """What bounds the memory bounds the promise. Markers of transactions take offsets and shorten nothing."""
    ended = Tally()

    def loop() -> StageLoop:
        return loop_of(topics, Echo().handle, stage=KNOWN, resend_horizon=HORIZON, on_done=ended.add)

    send_in_order(topics, range(between + 1), each_alone=markers)
    async with running(loop()):
        await ended.reached(between + 1)
    send_in_order(topics, [0], each_alone=markers)
    async with running(loop()):
        await ended.reached(between + 2)
    assert numbers(all_results(topics)).count(0) == times


def send_in_order(topics: TestTopics, sent: Iterable[int], *, each_alone: bool) -> None:
    """To one partition; with `each_alone`, in a transaction of its own."""
    if not each_alone:
        send_numbers(topics, sent, partition=0)
        return
    producer = Producer({"bootstrap.servers": topics.bootstrap, "transactional.id": uuid.uuid4().hex})
    producer.init_transactions(30)
    for number in sent:
        prompt = event(number, number % 8)
        producer.begin_transaction()
        producer.produce(topics.name("prompts"), encode(prompt), key_for(prompt), 0)
        producer.commit_transaction(30)
