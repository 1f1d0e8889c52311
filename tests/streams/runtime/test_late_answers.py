"""A request whose answer is lost may still be done, now or later: its epoch sends no other transaction."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError, RequestTimedOutError
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.transaction import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    EndTxnRequest,
    TxnOffsetCommitRequest,
)

from streams.runtime.clients import KafkaClients, OutcomeUnknown, TransactionalProducer
from tests.conftest import TestTopics
from tests.support.faults import HookedClients
from tests.support.numbers import (
    Echo,
    Tally,
    all_results,
    assert_each_once_in_order,
    loop_of,
    results,
    running,
    send_numbers,
)

OF_A_TRANSACTION = (
    AddPartitionsToTxnRequest,
    AddOffsetsToTxnRequest,
    TxnOffsetCommitRequest,
    EndTxnRequest,
)
NODE = 1
OFFSETS = AddOffsetsToTxnRequest("stage-prompts-0", 7, 0, "group")
COMMIT_OFFSETS = TxnOffsetCommitRequest("stage-prompts-0", "group", 7, 0, [])
END = EndTxnRequest("stage-prompts-0", 7, 0, True)
LOST: list[KafkaError] = [RequestTimedOutError(), KafkaConnectionError("closed")]


def named(each: object) -> str:
    return type(each).__name__


async def outcome_of(request: object, answer: object, monkeypatch: pytest.MonkeyPatch) -> object:
    """What the producer's client gives for `request` where the connection gives or raises `answer`."""

    async def send(_client: AIOKafkaClient, node_id: int, sent: object, **_options: Any) -> object:
        assert (node_id, sent) == (NODE, request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(AIOKafkaClient, "send", send)
    producer = TransactionalProducer(bootstrap_servers="127.0.0.1:1", transactional_id="stage-prompts-0")
    try:
        return await producer.client.send(NODE, request)
    finally:
        await producer.abandon()


@pytest.mark.parametrize("lost", LOST, ids=named)
@pytest.mark.parametrize("request_sent", [OFFSETS, COMMIT_OFFSETS, END], ids=named)
async def test_a_lost_answer_to_what_ends_a_transaction_is_an_error_that_aiokafka_does_not_send_again(
    request_sent: object, lost: KafkaError, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OutcomeUnknown, match=f"{named(request_sent)}.*{named(lost)}") as raised:
        await outcome_of(request_sent, lost, monkeypatch)
    assert not isinstance(raised.value, KafkaError)
    assert raised.value.__cause__ is lost


@pytest.mark.parametrize(
    ("request_sent", "error"),
    [
        (MetadataRequest([]), RequestTimedOutError()),
        (MetadataRequest([]), KafkaConnectionError("closed")),
        (END, NodeNotReadyError("nothing was sent")),
    ],
    ids=named,
)
async def test_what_aiokafka_may_send_again_stays_its_own_error(
    request_sent: object, error: KafkaError, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(type(error)) as raised:
        await outcome_of(request_sent, error, monkeypatch)
    assert raised.value is error


async def test_an_answer_that_arrives_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = object()
    assert await outcome_of(END, answer, monkeypatch) is answer


@pytest.mark.parametrize(
    ("request_lost", "done"),
    [
        (AddOffsetsToTxnRequest, False),
        (TxnOffsetCommitRequest, True),
        (EndTxnRequest, False),
        (EndTxnRequest, True),
    ],
    ids=["offsets announced", "offsets sent and done", "end asked", "end asked and done"],
)
async def test_after_a_lost_answer_the_same_producer_sends_nothing_more_of_a_transaction(
    topics: TestTopics, monkeypatch: pytest.MonkeyPatch, request_lost: type[object], done: bool
) -> None:
    """The broker did it or never saw it, and the connection is cut: which of the two, nobody can tell."""
    asked, lost_by, after = Tally(), list[AIOKafkaClient](), list[str]()
    plain_send = AIOKafkaClient.send

    async def send(client: AIOKafkaClient, node_id: int, request: object, **options: Any) -> object:
        if client in lost_by and isinstance(request, OF_A_TRANSACTION):
            after.append(named(request))
        if not isinstance(request, request_lost) or asked.add() != 3:
            return await plain_send(client, node_id, request, **options)
        lost_by.append(client)
        if done:
            await plain_send(client, node_id, request, **options)
        raise KafkaConnectionError("the connection was cut before the answer")

    monkeypatch.setattr(AIOKafkaClient, "send", send)
    monkeypatch.setattr("streams.runtime.ownership.RESTART_S", 0.01)
    made: list[HookedClients] = []

    def wrap(clients: KafkaClients) -> HookedClients:
        made.append(HookedClients(clients))
        return made[-1]

    send_numbers(topics, range(60))
    async with running(loop_of(topics, Echo(longest_s=0.05).handle, wrap=wrap)):
        await results(topics, 60)
    assert_each_once_in_order(all_results(topics), 60)
    assert (len(lost_by), after) == (1, [])
    # A broker that has just started lets no producer start for a while: those did nothing.
    used = [producer for producer in made[0].made if producer.begun]
    assert len(used) == 3, "one for each partition, and one in place of the one that lost an answer"
    assert all(producer.stopped for producer in made[0].made)
