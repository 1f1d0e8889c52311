"""What must not lose or repeat a record: doubtful outcomes, fences, rebalances, a stuck window."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import CoordinatorNotAvailableError, KafkaTimeoutError, RequestTimedOutError

from schemas.events import PromptEvent
from streams.runtime.clients import KafkaClients
from streams.runtime.stage import Emit
from tests.conftest import TestTopics
from tests.support.faults import Hook, HookedClients, Moment, Turn
from tests.support.numbers import (
    Echo,
    Tally,
    all_results,
    assert_each_once_in_order,
    event,
    loop_of,
    results,
    running,
    send_events,
    send_numbers,
)
from tests.support.stages import numbered_result

# Transactions that fail, counted over both partitions: an early one, and one after a new start.
DOUBTFUL = (2, 6)


async def done_with(topics: TestTopics, hook: Hook) -> HookedClients:
    """Runs 200 records with `hook` in their transactions; each must come out once."""
    made: list[HookedClients] = []

    def wrap(clients: KafkaClients) -> HookedClients:
        made.append(HookedClients(clients, hook))
        return made[-1]

    send_numbers(topics, range(200))
    async with running(loop_of(topics, Echo(longest_s=0.05).handle, wrap=wrap)):
        await results(topics, 200)
    assert_each_once_in_order(all_results(topics), 200)
    return made[0]


@pytest.mark.parametrize(
    ("moment", "error"),
    [
        ("sent", CoordinatorNotAvailableError()),
        ("marked", RequestTimedOutError()),
        ("committed", KafkaTimeoutError()),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
async def test_after_a_transaction_of_unknown_outcome_the_producer_is_replaced_and_offsets_read_anew(
    topics: TestTopics, moment: Moment, error: Exception
) -> None:
    """At "committed" the broker did it and the answer is lost; before, it did not."""
    transactions = Tally()

    async def fail_some(at: Moment, _transactional_id: str) -> None:
        if at == moment and transactions.add() in DOUBTFUL:
            raise error

    clients = await done_with(topics, fail_some)
    assert len(clients.made) >= 2 + len(DOUBTFUL)
    assert all(producer.stopped for producer in clients.made)


async def test_a_call_that_is_never_answered_is_given_up_and_the_offsets_read_anew(
    topics: TestTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once before the broker has committed, once after."""
    monkeypatch.setattr("streams.runtime.transactions.TRANSACTION_S", 1.0)
    marked, committed = Tally(), Tally()

    async def swallow_answers(at: Moment, _transactional_id: str) -> None:
        if (at == "marked" and marked.add() == 2) or (at == "committed" and committed.add() == 5):
            await asyncio.Event().wait()

    clients = await done_with(topics, swallow_answers)
    assert len(clients.made) >= 4
    assert all(producer.stopped for producer in clients.made)


@pytest.mark.parametrize("moment", ["sent", "marked"])
async def test_an_owner_fenced_in_the_middle_of_a_transaction_starts_over_without_a_double(
    topics: TestTopics, moment: Moment
) -> None:
    transactions = Tally()

    async def intrude(at: Moment, transactional_id: str) -> None:
        if at == moment and transactions.add() in DOUBTFUL:
            intruder = AIOKafkaProducer(bootstrap_servers=topics.bootstrap, transactional_id=transactional_id)
            await intruder.start()
            await intruder.stop()

    clients = await done_with(topics, intrude)
    assert len(clients.made) >= 2 + len(DOUBTFUL)


@pytest.mark.parametrize("ends", ["in time", "never"])
async def test_a_rebalance_inside_a_transaction_waits_for_it_or_aborts_it(
    topics: TestTopics, ends: str
) -> None:
    """A second member joins while the first one is between its send and its commit."""
    inside, revoking, gate = Tally(), Tally(), asyncio.Event()
    turns: list[tuple[str, Turn]] = []

    async def hold(at: Moment, _transactional_id: str) -> None:
        if at == "marked" and inside.add() == 2:
            await gate.wait()

    def watch(member: str, turn: Turn) -> None:
        turns.append((member, turn))
        if (member, turn) == ("first", "revoking") and inside.count >= 2:
            revoking.add()
            if ends == "in time":
                gate.set()

    first = loop_of(
        topics,
        Echo().handle,
        wrap=lambda clients: HookedClients(clients, hold, lambda turn, _: watch("first", turn)),
        revoke_s=20.0 if ends == "in time" else 0.2,
    )
    second = loop_of(
        topics,
        Echo().handle,
        wrap=lambda clients: HookedClients(clients, watch=lambda turn, _: watch("second", turn)),
    )
    send_numbers(topics, range(100))
    async with running(first):
        await inside.reached(2)
        async with running(second):
            await revoking.reached(1)
            send_numbers(topics, range(100, 200))
            await results(topics, 200)
    assert_each_once_in_order(all_results(topics), 200)
    let_go = turns.index(("first", "revoked"), turns.index(("first", "revoking"), 1))
    assert ("second", "assigned") not in turns[:let_go], "two owners at once"


async def test_work_of_an_earlier_ownership_that_ends_late_is_not_committed(topics: TestTopics) -> None:
    """A partition goes to another member and comes back. What the first ownership still had under way ends
    when it is taken away, with a result: that result is nobody's any more."""
    late = 10_000
    patient = asyncio.Event()
    started, committed = Tally(), Tally()
    seen: list[str] = []

    async def handle(prompt: PromptEvent) -> Sequence[Emit]:
        seen.append(prompt.id)
        started.add()
        try:
            if prompt.id.startswith("slow"):
                await patient.wait()
        except asyncio.CancelledError:
            # As work in a thread or another process ends that nobody could stop.
            return (numbered_result(event(late, 0)),)
        return (numbered_result(prompt),)

    quick = [PromptEvent(id=f"quick{n}", source="test", prompt=f"{n}") for n in range(40)]
    slow = [PromptEvent(id=f"slow{n}", source="test", prompt=f"{40 + n}") for n in range(20)]
    send_events(topics, [*slow, *quick])
    changes = {"revoke_s": 0.2, "drain_s": 0.2, "slots": 100, "on_done": committed.add}
    async with running(loop_of(topics, handle, **changes)):
        await started.reached(60)
        await committed.reached(40)
        async with running(loop_of(topics, handle, **changes)):
            await started.reached(80)
        await started.reached(90)
        patient.set()
        await results(topics, 60)
    assert_each_once_in_order(all_results(topics), 60)
    assert all(seen.count(each.id) == 1 for each in quick)
    assert all(seen.count(each.id) >= 3 for each in slow)
