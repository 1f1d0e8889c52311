"""Stopping: what has ended is committed, what has not is handed back, and neither is mixed up."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from schemas.events import PromptEvent
from streams.runtime.offsets import decode_finished
from streams.runtime.stage import Emit
from tests.conftest import TestTopics
from tests.support.kafka import read_all
from tests.support.numbers import (
    KEYS,
    Echo,
    Tally,
    all_results,
    assert_each_once_in_order,
    loop_of,
    numbers,
    results,
    running,
    send_numbers,
)

IN_FLIGHT = 1_000
DRAIN_S = 2.0
# Closing two producers and leaving the group, on a busy machine.
LEAVING_S = 5.0


async def test_stopping_hands_back_what_is_unfinished_and_never_commits_it(topics: TestTopics) -> None:
    """One key hangs for ever, others finish: the successor redoes the hung record alone."""
    finished, echo = Tally(), Echo()

    async def handle(prompt: PromptEvent) -> Sequence[Emit]:
        if prompt.id == "k0":
            await asyncio.Event().wait()
        return await echo.handle(prompt)

    send_numbers(topics, range(KEYS))
    async with running(loop_of(topics, handle, drain_s=0.2, on_done=finished.add)):
        await finished.reached(KEYS - 1)
    assert len(all_results(topics)) == KEYS - 1
    second = Echo()
    async with running(loop_of(topics, second.handle)):
        await results(topics, KEYS)
    assert second.calls == 1
    assert_each_once_in_order(all_results(topics), KEYS)


@contextmanager
def worker(topics: TestTopics) -> Iterator[subprocess.Popen[str]]:
    """Yields once `IN_FLIGHT` records are under way."""
    arguments = [topics.bootstrap, topics.prefix, str(IN_FLIGHT), str(DRAIN_S)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.draining", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "under way\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def stopped(topics: TestTopics) -> tuple[int, float]:
    """Exit status, and seconds from SIGTERM to the end."""
    with worker(topics) as process:
        asked = time.monotonic()
        process.terminate()
        return process.wait(60), time.monotonic() - asked


async def finished_offsets(topics: TestTopics, partition: int) -> tuple[int, frozenset[int]]:
    """What the group has committed: the low-water mark, and what its metadata names above it."""
    tp = TopicPartition(topics.name("prompts"), partition)
    admin = AIOKafkaAdminClient(bootstrap_servers=topics.bootstrap)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(f"{topics.prefix}echo", partitions=[tp])
    finally:
        await admin.close()
    return found[tp].offset, decode_finished(found[tp].offset, found[tp].metadata)


async def committed_numbers(topics: TestTopics) -> list[int]:
    """The numbers of the prompts that the group's commits say are finished."""
    finished = [await finished_offsets(topics, partition) for partition in range(2)]
    found = []
    for message in read_all(topics.bootstrap, topics.name("prompts")):
        below, above = finished[message.partition() or 0]
        offset = message.offset() or 0
        if offset < below or offset in above:
            found.append(int(json.loads(message.value() or b"{}")["prompt"]))
    return sorted(found)


async def test_sigterm_with_a_thousand_in_flight_commits_what_ends_within_the_grace_and_nothing_else(
    topics: TestTopics,
) -> None:
    send_numbers(topics, range(IN_FLIGHT), keys=IN_FLIGHT)
    status, seconds = await asyncio.to_thread(stopped, topics)
    assert status == 0
    assert seconds < DRAIN_S + LEAVING_S
    odd = list(range(1, IN_FLIGHT, 2))
    assert numbers(all_results(topics)) == odd
    assert await committed_numbers(topics) == odd
    successor = Echo()
    async with running(loop_of(topics, successor.handle, slots=64)):
        await results(topics, IN_FLIGHT)
    assert sorted(successor.seen.elements()) == list(range(0, IN_FLIGHT, 2))
    assert_each_once_in_order(all_results(topics), IN_FLIGHT)
