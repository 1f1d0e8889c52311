"""While a group's coordinator loads, nobody knows where a partition stood."""

from __future__ import annotations

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CoordinatorLoadInProgressError
from aiokafka.structs import OffsetAndMetadata

from streams.runtime.clients import Admin, KafkaClients
from streams.runtime.group_offsets import Ending
from tests.conftest import TestTopics
from tests.support.faults import HookedClients
from tests.support.numbers import (
    Echo,
    all_results,
    assert_each_once_in_order,
    loop_of,
    results,
    running,
    send_numbers,
)

LOADING_ANSWERS = 5


class LoadingAdmin:
    """Answers as while the coordinator loads, and then as the coordinator."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self.asked = 0

    async def start(self) -> None:
        await self._admin.start()

    async def close(self) -> None:
        await self._admin.close()

    async def stable_offset(self, group: str, tp: TopicPartition) -> OffsetAndMetadata | None:
        self.asked += 1
        if self.asked <= LOADING_ANSWERS:
            raise CoordinatorLoadInProgressError
        return await self._admin.stable_offset(group, tp)

    async def last_ending(self, transactional_id: str) -> Ending | None:
        return await self._admin.last_ending(transactional_id)


class LoadingClients(HookedClients):
    def __init__(self, clients: KafkaClients) -> None:
        super().__init__(clients)
        self.loading = LoadingAdmin(clients.admin())

    def admin(self) -> Admin:
        return self.loading


async def test_no_partition_starts_from_its_beginning_because_the_coordinator_still_loads(
    topics: TestTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.runtime.ownership.RESTART_S", 0.01)
    made: list[LoadingClients] = []

    def wrap(clients: KafkaClients) -> LoadingClients:
        made.append(LoadingClients(clients))
        return made[-1]

    send_numbers(topics, range(50))
    async with running(loop_of(topics, Echo().handle)):
        await results(topics, 50)
    send_numbers(topics, range(50, 100))
    successor = Echo()
    async with running(loop_of(topics, successor.handle, wrap=wrap)):
        await results(topics, 100)
    assert made[0].loading.asked > LOADING_ANSWERS
    assert sorted(successor.seen.elements()) == list(range(50, 100))
    assert_each_once_in_order(all_results(topics), 100)


async def test_a_group_that_never_committed_starts_from_the_beginning_once_the_coordinator_says_so(
    topics: TestTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The coordinator lists such a partition with offset -1: that is an answer."""
    monkeypatch.setattr("streams.runtime.ownership.RESTART_S", 0.01)
    send_numbers(topics, range(20))
    async with running(loop_of(topics, Echo().handle, wrap=LoadingClients)):
        await results(topics, 20)
    assert_each_once_in_order(all_results(topics), 20)
