"""What makes a cut-off demo safe to start again, against Apache Kafka itself."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.events import PromptEvent
from schemas.topics import PROMPTS, RESULTS
from schemas.wire import decode, encode, key_for
from streams.demo.sending import TRANSACTIONAL_ID, send_missing
from streams.demo.takeover import evict_members
from streams.demo.tally import Tally, expected_refs
from streams.demo.watching import Stalled, watch
from streams.runtime.clients import consumer_options, producer_options
from streams.scan import TopicMissing, open_scan
from streams.settings import Settings
from tests.conftest import TestTopics
from tests.streams.demo.finals_made import attempt, final
from tests.support.kafka import produce, read_all

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
THREE = [PromptEvent(id=str(number), source="s", prompt="p") for number in range(3)]


@pytest.fixture
def settings(topics: TestTopics) -> Settings:
    return Settings(bootstrap=topics.bootstrap, topic_prefix=topics.prefix)


def ids(topics: TestTopics) -> list[str]:
    messages = read_all(topics.bootstrap, topics.name(PROMPTS.name))
    return sorted(decode(PromptEvent, message.value()).id for message in messages)


async def test_only_what_the_topic_lacks_is_sent(settings: Settings, topics: TestTopics) -> None:
    assert await send_missing(settings, THREE[:1], NOW) == 1
    assert await send_missing(settings, THREE, NOW) == 2
    assert await send_missing(settings, THREE, NOW) == 0
    assert ids(topics) == ["0", "1", "2"]


async def test_a_half_sent_set_is_aborted_and_sent_whole(settings: Settings, topics: TestTopics) -> None:
    killed = AIOKafkaProducer(
        **producer_options(settings), transactional_id=settings.topic_prefix + TRANSACTIONAL_ID
    )
    await killed.start()
    await killed.begin_transaction()
    await killed.send_and_wait(topics.name(PROMPTS.name), encode(THREE[0]), key=key_for(THREE[0]))
    try:
        # The first is written but not committed, as a killed demo leaves it.
        assert await send_missing(settings, THREE, NOW) == 3
    finally:
        await killed.stop()
    assert ids(topics) == ["0", "1", "2"]


JOIN_AND_WAIT = """
import asyncio, sys
from aiokafka import AIOKafkaConsumer
from streams.runtime.clients import consumer_options
from streams.settings import Settings

async def main(bootstrap, topic, group):
    consumer = AIOKafkaConsumer(topic, group_id=group, **consumer_options(Settings(bootstrap=bootstrap)))
    await consumer.start()
    sys.stdout.write("joined\\n")
    sys.stdout.flush()
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_killed_member_does_not_keep_its_group_waiting(
    settings: Settings, topics: TestTopics
) -> None:
    topic, group = topics.name(PROMPTS.name), f"{topics.prefix}glyphstream.route"
    member = await asyncio.create_subprocess_exec(
        sys.executable, "-c", JOIN_AND_WAIT, topics.bootstrap, topic, group, stdout=asyncio.subprocess.PIPE
    )
    assert member.stdout is not None
    assert await member.stdout.readline() == b"joined\n"
    member.kill()
    await member.wait()

    assert await evict_members(settings, prefix=f"{topics.prefix}glyphstream.") == 1
    successor = AIOKafkaConsumer(topic, group_id=group, **consumer_options(settings))
    try:
        # Without the eviction it would wait for the dead member's session: `session_seconds`.
        async with asyncio.timeout(settings.session_seconds / 3):
            await successor.start()
        assert len(successor.assignment()) == 2
    finally:
        await successor.stop()


async def test_groups_of_others_are_left_alone(settings: Settings, topics: TestTopics) -> None:
    consumer = AIOKafkaConsumer(
        topics.name(PROMPTS.name), group_id=f"{topics.prefix}other", **consumer_options(settings)
    )
    await consumer.start()
    try:
        assert await evict_members(settings, prefix=f"{topics.prefix}glyphstream.") == 0
    finally:
        await consumer.stop()


async def test_watching_ends_with_the_last_final_that_is_owed(settings: Settings, topics: TestTopics) -> None:
    tally = Tally(expected_refs(THREE[:2]))
    shown: list[int] = []
    watching = asyncio.create_task(
        watch(
            settings,
            tally,
            show=lambda now: shown.append(len(now.finals)),
            trouble=lambda: None,
            monotonic=lambda: 0.0,
        )
    )
    for each in (final("0", [attempt(0)]), final("1", [attempt(0)])):
        produce(topics.bootstrap, topics.name(RESULTS.name), [(key_for(each), encode(each), [])])
    async with asyncio.timeout(20):
        await watching
    assert tally.done
    assert shown[-1] == 2


async def test_a_line_that_stands_still_is_told_with_what_is_open(settings: Settings) -> None:
    ticks = iter(range(0, 10_000, 200))
    tally = Tally(expected_refs(THREE[:1]))
    with pytest.raises(Stalled, match="nothing has moved for 300 s; still open: 0 v0"):
        await watch(
            settings, tally, show=lambda _: None, trouble=lambda: None, monotonic=lambda: float(next(ticks))
        )


async def test_a_broker_that_ended_is_not_waited_for(settings: Settings) -> None:
    with pytest.raises(Stalled, match="the broker has ended; still open: 0 v0"):
        await watch(
            settings,
            Tally(expected_refs(THREE[:1])),
            show=lambda _: None,
            trouble=lambda: "the broker has ended",
            monotonic=lambda: 0.0,
        )


async def test_a_scan_ends_behind_aborted_records(settings: Settings, topics: TestTopics) -> None:
    producer = AIOKafkaProducer(**producer_options(settings), transactional_id=f"{topics.prefix}aborts")
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(topics.name(PROMPTS.name), b"aborted", partition=0)
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topics.name(PROMPTS.name), b"kept", partition=1)
    finally:
        await producer.stop()
    async with asyncio.timeout(20), open_scan(settings, [PROMPTS.name]) as scan:
        assert [record.value async for record in scan.to_end()] == [b"kept"]


async def test_a_scan_of_a_topic_that_is_not_there_does_not_create_it(settings: Settings) -> None:
    for _ in range(2):
        with pytest.raises(TopicMissing, match="glyphstream topics apply"):
            async with open_scan(settings, ["nowhere"]):
                pass
