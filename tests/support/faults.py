"""Kafka clients that let a test step in at a chosen moment of a transaction or a rebalance.

They are the runtime's own clients around a real broker; what goes wrong is what the test's hook does there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Literal

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from streams.runtime.clients import (
    Admin,
    Consumer,
    GroupConsumer,
    KafkaClients,
    Producer,
    TransactionalProducer,
)

# sent: the broker has the outputs; marked: the offset too; committed: all of it stands, and the runtime
# does not know yet.
Moment = Literal["sent", "marked", "committed"]
Hook = Callable[[Moment, str], Awaitable[None]]
# revoking and assigned: aiokafka's callbacks begin; revoked: the runtime has let go.
Turn = Literal["revoking", "revoked", "assigned"]
Watch = Callable[[Turn, frozenset[int]], None]


async def no_hook(_moment: Moment, _transactional_id: str) -> None:
    """Lets every transaction pass."""


def no_watch(_turn: Turn, _partitions: frozenset[int]) -> None:
    """Looks away."""


class HookedClients:
    """`hook` is awaited with the transactional id; what it raises is what the runtime's call raises."""

    def __init__(self, clients: KafkaClients, hook: Hook = no_hook, watch: Watch = no_watch) -> None:
        self._clients = clients
        self._hook = hook
        self._watch = watch
        self.made: list[HookedProducer] = []

    def consumer(self, group: str) -> Consumer:
        consumer: Consumer = WatchedConsumer(self._watch, group_id=group, **self._clients.consumer_options)
        return consumer

    def producer(self, transactional_id: str) -> Producer:
        options = self._clients.producer_options
        made = HookedProducer(self._hook, transactional_id, **options)
        self.made.append(made)
        producer: Producer = made
        return producer

    def admin(self) -> Admin:
        return self._clients.admin()


class HookedProducer(TransactionalProducer):
    def __init__(self, hook: Hook, transactional_id: str, **options: Any) -> None:
        super().__init__(transactional_id=transactional_id, **options)
        self.transactional_id = transactional_id
        self.stopped = False
        self.begun = False
        self._hook = hook

    async def begin_transaction(self) -> None:
        await super().begin_transaction()
        self.begun = True

    async def send_offsets_to_transaction(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], group_id: str
    ) -> None:
        await self._hook("sent", self.transactional_id)
        await super().send_offsets_to_transaction(offsets, group_id)

    async def commit_transaction(self) -> None:
        await self._hook("marked", self.transactional_id)
        await super().commit_transaction()
        await self._hook("committed", self.transactional_id)

    async def stop(self) -> None:
        self.stopped = True
        await super().stop()


class WatchedConsumer(GroupConsumer):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, watch: Watch, **options: Any) -> None:
        super().__init__(**options)
        self._watch = watch

    def subscribe(self, topics: Sequence[str], *, listener: ConsumerRebalanceListener) -> None:
        super().subscribe(topics, listener=WatchedListener(listener, self._watch))


class WatchedListener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, listener: ConsumerRebalanceListener, watch: Watch) -> None:
        self._listener = listener
        self._watch = watch

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._watch("revoking", _numbers(revoked))
        await self._listener.on_partitions_revoked(revoked)
        self._watch("revoked", _numbers(revoked))

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._watch("assigned", _numbers(assigned))
        outcome = self._listener.on_partitions_assigned(assigned)
        if outcome is not None:
            await outcome


def _numbers(partitions: Collection[TopicPartition]) -> frozenset[int]:
    return frozenset(tp.partition for tp in partitions)
