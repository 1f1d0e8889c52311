"""A transaction that the broker calls complete without having marked it, as Kafka 4.4 does where a partition
has no leader at that moment: the outputs are hidden, and the group's offset is pending, for good.

Made here by a producer that keeps its transaction from the coordinator, on a broker told not to check.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from schemas.wire import encode, key_for
from streams.broker.local import LocalBroker
from streams.broker.topics import apply_topics
from streams.runtime.clients import TransactionalProducer
from streams.runtime.group_offsets import GroupAdmin, UnstableOffset
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
async def unmarked(trusting: LocalBroker) -> AsyncIterator[TestTopics]:
    """Twenty prompts; the results of the first five, and the offset behind them, lack their marker."""
    topics = TestTopics(trusting.bootstrap, f"t{secrets.token_hex(3)}-")
    await apply_topics(trusting.bootstrap, prefix=topics.prefix, partitions=1)
    send_numbers(topics, range(SENT))
    await leave_unmarked(topics)
    yield topics


async def leave_unmarked(topics: TestTopics) -> None:
    group, prompts, results_topic = f"{topics.prefix}echo", topics.name("prompts"), topics.name("results")
    producer = TransactionalProducer(
        bootstrap_servers=topics.bootstrap, transactional_id=f"{group}-{prompts}-0", acks="all"
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        # As if the coordinator had been told.
        producer._txn_manager._txn_partitions.add(TopicPartition(results_topic, 0))
        producer._txn_manager.consumer_group_added(group)
        for number in range(UNMARKED):
            result = numbered_result(event(number, number % 8)).event
            await producer.send_and_wait(results_topic, encode(result), key=key_for(result), partition=0)
        mark = OffsetAndMetadata(UNMARKED, "")
        await producer.send_offsets_to_transaction({TopicPartition(prompts, 0): mark}, group)
    finally:
        await producer.abandon()


async def test_a_pending_offset_is_no_answer_where_the_older_one_would_be(unmarked: TestTopics) -> None:
    admin = GroupAdmin(bootstrap_servers=unmarked.bootstrap)
    await admin.start()
    try:
        with pytest.raises(UnstableOffset, match=r"offset of .*prompts.* has no outcome yet"):
            await admin.stable_offset(f"{unmarked.prefix}echo", TopicPartition(unmarked.name("prompts"), 0))
    finally:
        await admin.close()


async def test_what_the_broker_left_unmarked_counts_once_and_its_records_are_not_done_again(
    unmarked: TestTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.runtime.ownership.RESTART_S", 0.01)
    assert all_results(unmarked) == []
    successor = Echo()
    async with running(loop_of(unmarked, successor.handle)):
        await results(unmarked, SENT)
    assert sorted(successor.seen.elements()) == list(range(UNMARKED, SENT))
    assert_each_once_in_order(all_results(unmarked), SENT)
