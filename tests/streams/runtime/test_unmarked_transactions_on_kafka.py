"""A transaction that the broker calls complete without having marked it, as Kafka 4.4 does where a partition
has no leader at that moment: the outputs are hidden, and the group's offset is pending, for good.

Made here by a producer that keeps its transaction from the coordinator, on a broker told not to check.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from schemas.wire import encode, key_for
from streams.broker.local import LocalBroker
from streams.broker.topics import apply_topics
from streams.runtime.clients import TransactionalProducer
from streams.runtime.group_offsets import Ending, GroupAdmin, UnstableOffset
from tests.conftest import TestTopics
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
from tests.support.stages import numbered_result

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("a trusting broker")]
UNMARKED = 5
SENT = 20


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    settings = {"transaction.partition.verification.enable": "false"}
    with LocalBroker.start(tmp_path_factory.mktemp("trusting"), settings=settings) as broker:
        yield broker


@pytest.fixture
async def prompts(trusting: LocalBroker) -> TestTopics:
    """Twenty prompts in one partition."""
    topics = TestTopics(trusting.bootstrap, f"t{secrets.token_hex(3)}-")
    await apply_topics(trusting.bootstrap, prefix=topics.prefix, partitions=1)
    send_numbers(topics, range(SENT))
    return topics


def group_of(topics: TestTopics) -> str:
    return f"{topics.prefix}echo"


def input_of(topics: TestTopics) -> TopicPartition:
    return TopicPartition(topics.name("prompts"), 0)


def owners_id(topics: TestTopics) -> str:
    return f"{group_of(topics)}-{topics.name('prompts')}-0"


@asynccontextmanager
async def owner(topics: TestTopics, transactional_id: str) -> AsyncIterator[TransactionalProducer]:
    producer = TransactionalProducer(
        bootstrap_servers=topics.bootstrap, transactional_id=transactional_id, acks="all"
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.abandon()


async def leave_unmarked(topics: TestTopics, last_known: Ending | None) -> None:
    """The results of the first five prompts, and the offset behind them, lack their marker.

    `last_known` is how the coordinator says that the owner's last transaction ended.
    """
    async with owner(topics, owners_id(topics)) as producer:
        if last_known is not None:
            await producer.begin_transaction()
            await producer.send_and_wait(topics.name("reviews"), b"{}", partition=0)
            await (producer.commit_transaction if last_known == "commit" else producer.abort_transaction)()
        await producer.begin_transaction()
        # As if the coordinator had been told.
        producer._txn_manager._txn_partitions.add(TopicPartition(topics.name("results"), 0))
        producer._txn_manager.consumer_group_added(group_of(topics))
        for number in range(UNMARKED):
            result = numbered_result(event(number, number % 8)).event
            await producer.send_and_wait(
                topics.name("results"), encode(result), key=key_for(result), partition=0
            )
        mark = OffsetAndMetadata(UNMARKED, "")
        await producer.send_offsets_to_transaction({input_of(topics): mark}, group_of(topics))


async def test_a_pending_offset_is_no_answer_where_the_older_one_would_be(prompts: TestTopics) -> None:
    await leave_unmarked(prompts, "commit")
    admin = GroupAdmin(bootstrap_servers=prompts.bootstrap)
    await admin.start()
    try:
        with pytest.raises(UnstableOffset, match=r"offset of .*prompts.* has no outcome yet"):
            await admin.stable_offset(group_of(prompts), input_of(prompts))
    finally:
        await admin.close()


@pytest.mark.parametrize(
    ("last_known", "handled_from"),
    [("commit", UNMARKED), ("abort", 0), (None, 0)],
    ids=["decided to commit", "decided to abort", "forgotten"],
)
async def test_what_the_broker_left_unmarked_ends_as_it_was_decided_and_counts_once(
    prompts: TestTopics, monkeypatch: pytest.MonkeyPatch, last_known: Ending | None, handled_from: int
) -> None:
    monkeypatch.setattr("streams.runtime.ownership.RESTART_S", 0.01)
    await leave_unmarked(prompts, last_known)
    assert all_results(prompts) == []
    successor = Echo()
    async with running(loop_of(prompts, successor.handle)):
        await results(prompts, SENT)
    assert sorted(successor.seen.elements()) == list(range(handled_from, SENT))
    assert_each_once_in_order(all_results(prompts), SENT)


async def test_a_topic_that_is_not_there_hinders_no_settling(
    prompts: TestTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster that an older version set up, or one that needs only some of them."""
    monkeypatch.setattr("streams.runtime.ownership.RESTART_S", 0.01)
    await leave_unmarked(prompts, "commit")
    admin = GroupAdmin(bootstrap_servers=prompts.bootstrap)
    await admin.start()
    await admin.delete_topics([prompts.name("reviews")])
    await admin.close()
    async with running(loop_of(prompts, Echo().handle)):
        await results(prompts, SENT, timeout_s=30)
    assert_each_once_in_order(all_results(prompts), SENT)


async def test_an_offset_that_another_id_holds_is_told_and_waited_for(
    prompts: TestTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.runtime.ownership.RESTART_S", 0.01)
    monkeypatch.setattr("streams.runtime.ownership.STUCK_S", 0.01)
    told, said = asyncio.Event(), list[str]()

    def tell(text: str, *values: object) -> None:
        said.append(text % values)
        told.set()

    monkeypatch.setattr("streams.runtime.ownership.logger.error", tell)
    successor = Echo()
    async with owner(prompts, "stranger") as stranger:
        await stranger.begin_transaction()
        mark = OffsetAndMetadata(UNMARKED, "")
        await stranger.send_offsets_to_transaction({input_of(prompts): mark}, group_of(prompts))
        async with running(loop_of(prompts, successor.handle)):
            await asyncio.wait_for(told.wait(), 30)
            assert successor.calls == 0
            await stranger.commit_transaction()
            await results(prompts, SENT - UNMARKED)
    assert sorted(successor.seen.elements()) == list(range(UNMARKED, SENT))
    assert owners_id(prompts) in said[0]
    assert "kafka-transactions.sh" in said[0]
