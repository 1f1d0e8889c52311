"""`streams.runtime.clients.Clients` over the simulated cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from aiokafka import TopicPartition
from aiokafka.errors import CoordinatorLoadInProgressError, KafkaConnectionError
from aiokafka.structs import OffsetAndMetadata

from streams.runtime.clients import Admin, Consumer, Producer
from streams.runtime.group_offsets import Ending
from tests.simulation.cluster import Cluster
from tests.simulation.consumer import SimConsumer
from tests.simulation.fetching import RETRY_S
from tests.simulation.producer import SimProducer


class SimAdmin:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def start(self) -> None:
        while self._cluster.network.weather.down:
            if self._cluster.network.over:
                raise KafkaConnectionError("the run is over")
            await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        return

    async def stable_offset(self, group: str, tp: TopicPartition) -> OffsetAndMetadata | None:
        """One attempt: an error is the caller's to handle."""
        del group
        mark = (await self.committed(tp)).get(tp)
        if mark is None:
            raise CoordinatorLoadInProgressError(f"no answer about {tp}")
        return None if mark.offset < 0 else mark

    async def last_ending(self, transactional_id: str) -> Ending | None:
        """Nobody asks further: no simulated broker leaves a transaction open."""
        del transactional_id
        return None

    async def committed(self, tp: TopicPartition) -> Mapping[TopicPartition, OffsetAndMetadata]:
        """Of `tp`; empty while the coordinator loads."""
        cluster = self._cluster
        found: Mapping[TopicPartition, OffsetAndMetadata] = await cluster.network.call(
            lambda: cluster.committed([tp]), role="offsets"
        )
        return found


class SimClients:
    """`transactional_id` renames ids; only a planted bug does."""

    def __init__(
        self, cluster: Cluster, member: str, transactional_id: Callable[[str, str], str] | None = None
    ) -> None:
        self._cluster = cluster
        self._member = member
        self._renamed = transactional_id

    def consumer(self, group: str) -> Consumer:
        del group
        return SimConsumer(self._cluster, self._member)

    def producer(self, transactional_id: str) -> Producer:
        name = transactional_id if self._renamed is None else self._renamed(transactional_id, self._member)
        return SimProducer(self._cluster, name)

    def admin(self) -> Admin:
        return SimAdmin(self._cluster)
