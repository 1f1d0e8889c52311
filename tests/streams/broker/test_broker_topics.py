"""`apply_topics` on the run's own broker."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError

from schemas.topics import DEAD_LETTERS, PROMPTS, TOPICS, Topic
from streams.broker.errors import BrokerError
from streams.broker.topics import apply_topics, describe_topics


def own_config(topic: Topic) -> dict[str, str]:
    """What is set on a topic whose copies in sync are the cluster's own."""
    return {name: value for name, value in topic.config().items() if name != "min.insync.replicas"}


async def test_missing_topics_are_created_as_the_schemas_say(topics: Any) -> None:
    states = await describe_topics(topics.bootstrap, prefix=topics.prefix)
    assert [state.topic for state in states] == list(TOPICS)
    for state in states:
        assert (state.partitions, state.replication, state.min_insync) == (2, 1, 1)
        assert (state.config, state.differences) == (own_config(state.topic), ())


async def test_a_second_apply_changes_nothing(topics: Any) -> None:
    changes = await apply_topics(topics.bootstrap, prefix=topics.prefix, partitions=2)
    assert [change.action for change in changes] == ["unchanged"] * len(TOPICS)
    assert all(not change.details for change in changes)


async def test_partitions_are_raised_and_never_lowered(topics: Any) -> None:
    raised = await apply_topics(topics.bootstrap, prefix=topics.prefix, partitions=3)
    lower = await apply_topics(topics.bootstrap, prefix=topics.prefix, partitions=1)
    assert {(change.action, change.details) for change in raised} == {("changed", ("partitions 2 -> 3",))}
    assert {change.action for change in lower} == {"unchanged"}
    assert lower[0].details == ("partitions stay 3, 1 was asked for",)
    states = await describe_topics(topics.bootstrap, prefix=topics.prefix)
    assert {state.partitions for state in states} == {3}


async def test_a_setting_that_drifted_is_corrected_and_a_foreign_one_stays(topics: Any) -> None:
    name = topics.prefix + PROMPTS.name
    drifted = {**own_config(PROMPTS), "retention.ms": "1000", "segment.ms": "3600000"}
    admin = AIOKafkaAdminClient(bootstrap_servers=topics.bootstrap)
    await admin.start()
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=drifted)])
    await admin.close()
    # A broker answers before it knows itself.
    async with asyncio.timeout(10):
        drift: tuple[str, ...] = ()
        while not drift:
            drift = (await describe_topics(topics.bootstrap, prefix=topics.prefix))[0].differences

    changes = await apply_topics(topics.bootstrap, prefix=topics.prefix, partitions=2)

    changed = [change for change in changes if change.action != "unchanged"]
    assert [(change.name, change.details) for change in changed] == [
        (name, (f"retention.ms 1000 -> {PROMPTS.retention_ms}",))
    ]
    state = (await describe_topics(topics.bootstrap, prefix=topics.prefix))[0]
    assert state.config == {**own_config(PROMPTS), "segment.ms": "3600000"}


async def test_copies_in_sync_are_set_where_they_are_asked_for_and_then_stay(topics: Any) -> None:
    asked = await apply_topics(topics.bootstrap, prefix=topics.prefix, partitions=2, min_insync=1)
    assert {change.details for change in asked} == {("min.insync.replicas unset -> 1",)}
    again = await apply_topics(topics.bootstrap, prefix=topics.prefix, partitions=2)
    assert {change.action for change in again} == {"unchanged"}
    states = await describe_topics(topics.bootstrap, prefix=topics.prefix)
    assert all(state.config == state.topic.config(min_insync=1) for state in states)


async def test_another_replication_is_a_conflict(topics: Any) -> None:
    changes = await apply_topics(topics.bootstrap, prefix=topics.prefix, partitions=2, replication=3)
    assert {change.action for change in changes} == {"conflict"}
    assert "replication stays 1, 3 was asked for" in changes[0].details[0]


async def test_two_applies_at_once_agree(kafka: str, topic_prefix: str) -> None:
    both = await asyncio.gather(*(apply_topics(kafka, prefix=topic_prefix, partitions=1) for _ in range(2)))
    for name in (topic_prefix + topic.name for topic in TOPICS):
        actions = sorted(change.action for changes in both for change in changes if change.name == name)
        assert actions == ["created", "unchanged"]


async def test_more_replicas_than_brokers_are_refused_with_kafkas_reason(
    kafka: str, topic_prefix: str
) -> None:
    with pytest.raises(
        BrokerError, match=rf"{topic_prefix}\w+: InvalidReplicationFactorError: .*replication"
    ):
        await apply_topics(kafka, prefix=topic_prefix, replication=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"partitions": 0}, "partitions is 0"),
        ({"replication": 1, "min_insync": 2}, "min_insync is 2 with replication 1"),
        ({"prefix": "a b"}, "prefix is 'a b'"),
    ],
)
async def test_an_argument_that_cannot_be_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        await apply_topics("127.0.0.1:1", **arguments)


async def test_an_absent_cluster_is_named() -> None:
    with pytest.raises(BrokerError, match=r"Kafka at 127\.0\.0\.1:1: .*is it up"):
        await apply_topics("127.0.0.1:1")


async def test_ten_megabytes_are_refused_and_what_follows_still_flows(topics: Any) -> None:
    name = topics.prefix + PROMPTS.name
    producer = AIOKafkaProducer(bootstrap_servers=topics.bootstrap, max_request_size=20_000_000)
    await producer.start()
    try:
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(name, b"x" * 10_000_000, partition=0)
        sent = await producer.send_and_wait(name, b"x" * 900_000, partition=0)
    finally:
        await producer.stop()
    assert sent.offset == 0


async def test_a_dead_letter_has_room_for_the_largest_event_and_its_headers(topics: Any) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=topics.bootstrap, max_request_size=2_000_000)
    await producer.start()
    try:
        value = b"x" * (PROMPTS.max_message_bytes - 100)
        await producer.send_and_wait(topics.prefix + PROMPTS.name, value, partition=0)
        headers = [("error", b"y" * 60_000)]
        await producer.send_and_wait(topics.prefix + DEAD_LETTERS.name, value, headers=headers, partition=0)
    finally:
        await producer.stop()


async def test_read_committed_hides_what_was_aborted(kafka: str, topic_prefix: str) -> None:
    name = f"{topic_prefix}plain"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=topic_prefix, retry_backoff_ms=5)
    await producer.start()
    try:
        with pytest.raises(ZeroDivisionError):
            async with producer.transaction():
                await producer.send_and_wait(name, b"aborted")
                raise ZeroDivisionError
        async with producer.transaction():
            await producer.send_and_wait(name, b"committed")
    finally:
        await producer.stop()

    seen = {level: await _first(kafka, name, level) for level in ("read_committed", "read_uncommitted")}
    assert seen == {"read_committed": b"committed", "read_uncommitted": b"aborted"}


async def _first(bootstrap: str, topic: str, isolation: str) -> bytes | None:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, isolation_level=isolation, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        value: bytes | None = (await asyncio.wait_for(consumer.getone(), 10)).value
        return value
    finally:
        await consumer.stop()


def test_no_topic_lets_retention_take_what_only_bears_an_old_timestamp() -> None:
    """Dead letters bear their record's, prompts their producer's, whose clock nobody knows."""
    for topic in (PROMPTS, DEAD_LETTERS):
        stamped_by_broker = topic.config()["message.timestamp.type"] == "LogAppendTime"
        assert stamped_by_broker or topic.config()["retention.ms"] == "-1"
