"""A broker that dies under the loop: both coordinators and the partitions' leader are gone at once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from streams.broker.local import LocalBroker
from streams.broker.topics import apply_topics
from tests.conftest import TestTopics
from tests.support.faults import HookedClients, Moment
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

# One worker starts the broker that these tests may kill.
pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("a broker to kill")]
DRAIN_S = 1.0
# Five for a transaction that does not end, five for its producer, ten for clients that cannot say goodbye.
LEAVING_S = 21.0


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    with LocalBroker.start(tmp_path_factory.mktemp("mortal")) as broker:
        yield broker


@pytest.fixture
async def topics_at_risk(mortal: LocalBroker) -> AsyncIterator[TestTopics]:
    if not mortal.running:
        await asyncio.to_thread(mortal.restart)
    prefix = f"t{secrets.token_hex(3)}-"
    await apply_topics(mortal.bootstrap, prefix=prefix, partitions=2)
    yield TestTopics(mortal.bootstrap, prefix)


@pytest.mark.slow
async def test_a_broker_lost_inside_a_transaction_and_restarted_under_load_loses_and_repeats_nothing(
    mortal: LocalBroker, topics_at_risk: TestTopics
) -> None:
    """It crashes between a transaction's last record and its commit; later it is restarted in good order."""
    topics, inside, gate = topics_at_risk, Tally(), asyncio.Event()

    async def hold(at: Moment, _transactional_id: str) -> None:
        if at == "marked" and inside.add() == 10:
            await gate.wait()

    handle = Echo(longest_s=0.1).handle
    send_numbers(topics, range(600))
    async with running(loop_of(topics, handle, wrap=lambda clients: HookedClients(clients, hold))):
        await inside.reached(10)
        await asyncio.to_thread(mortal.kill)
        await asyncio.to_thread(mortal.restart)
        gate.set()
        await results(topics, 300)
        await asyncio.to_thread(mortal.restart)
        await results(topics, 600)
    assert_each_once_in_order(all_results(topics), 600)


async def test_stopping_while_no_broker_answers_takes_no_longer_than_the_drain(
    mortal: LocalBroker, topics_at_risk: TestTopics
) -> None:
    send_numbers(topics_at_risk, range(200))
    stop = asyncio.Event()
    loop = loop_of(topics_at_risk, Echo(longest_s=0.05).handle, drain_s=DRAIN_S)
    task = asyncio.create_task(loop.run(stop))
    await results(topics_at_risk, 10)
    await asyncio.to_thread(mortal.kill)
    stop.set()
    done, _ = await asyncio.wait({task}, timeout=DRAIN_S + LEAVING_S)
    assert done, "still stopping"
    assert task.result() is None
