"""Brings a cluster's topics to what `schemas.topics` asks for, and says what was done."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.broker.errors import BrokerError
from streams.broker.topic_states import TopicState, raise_for, states_of, wanted_config

# In a CreateTopics request: whatever default.replication.factor of the cluster says (KIP-464).
CLUSTER_DEFAULT = -1
# Brokers on a busy disk have taken more than 15 s to open five topics.
VISIBLE_S = 60.0
POLL_S = 0.05
# A broker may show for that long what the controller has changed already.
ASK_AGAIN_S = 1.0
FORBIDDEN = frozenset(
    error.errno for error in (errors.TopicAuthorizationFailedError, errors.ClusterAuthorizationFailedError)
)

Action = Literal["created", "changed", "unchanged", "conflict"]


@dataclass(frozen=True, slots=True)
class TopicChange:
    """What happened to one topic; `details` names each difference, old -> new."""

    name: str
    action: Action
    details: tuple[str, ...] = ()


async def apply_topics(
    bootstrap: str,
    *,
    prefix: str = "",
    partitions: int = 4,
    replication: int | None = None,
    min_insync: int | None = None,
    client_options: Mapping[str, object] | None = None,
) -> list[TopicChange]:
    """Creates missing topics, raises partitions, corrects settings; a second call changes nothing.

    `replication` and `min_insync` None mean the cluster's own (`default.replication.factor`,
    `min.insync.replicas`) for a new topic, and for one that is there what it has.
    Partitions are never lowered and replication is never altered: Kafka cannot, or only by moving data.
    A different replication is reported as a conflict. Settings of a topic that are not ours stay.
    A topic that vanishes meanwhile, because its deletion was still under way, is created.
    Raises `ValueError` naming the argument, `BrokerError` when the cluster refuses, cannot be reached or
    does not show within a minute what was asked for.
    """
    _check(prefix, partitions, replication, min_insync)
    async with _admin(bootstrap, client_options) as admin:
        return await _Applying(admin, _Wish(prefix, partitions, replication, min_insync)).to_the_end()


async def describe_topics(
    bootstrap: str,
    *,
    prefix: str = "",
    min_insync: int | None = None,
    client_options: Mapping[str, object] | None = None,
) -> list[TopicState]:
    """What the cluster has beside what we ask for. `min_insync` None means that any value is right."""
    async with _admin(bootstrap, client_options) as admin:
        return await states_of(admin, prefix, min_insync)


def _check(prefix: str, partitions: int, replication: int | None, min_insync: int | None) -> None:
    if not re.fullmatch(r"[a-zA-Z0-9._-]{0,200}", prefix):
        raise ValueError(f"prefix is {prefix!r}: use at most 200 letters, digits, '.', '_' and '-'")
    for name, value in (("partitions", partitions), ("replication", replication), ("min_insync", min_insync)):
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}: give 1 or more")
    if replication is not None and min_insync is not None and min_insync > replication:
        raise ValueError(
            f"min_insync is {min_insync} with replication {replication}, so no write could be acknowledged: "
            "give at most the replication"
        )


@asynccontextmanager
async def _admin(
    bootstrap: str, client_options: Mapping[str, object] | None
) -> AsyncIterator[AIOKafkaAdminClient]:
    options: dict[str, Any] = {"client_id": "glyphstream-topics", **(client_options or {})}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **options)
    try:
        await admin.start()
        yield admin
    except errors.KafkaError as error:
        raise BrokerError(
            f"Kafka at {bootstrap}: {error!r}; is it up and may this client manage topics?"
        ) from error
    finally:
        await admin.close()


@dataclass(frozen=True, slots=True)
class _Wish:
    prefix: str
    partitions: int
    replication: int | None
    min_insync: int | None

    def lacking(self, state: TopicState) -> tuple[str, ...]:
        """What can be corrected at a topic that exists."""
        fewer = (f"partitions {state.partitions} -> {self.partitions}",)
        return state.differences + (fewer if state.partitions < self.partitions else ())

    def change(self, state: TopicState) -> TopicChange:
        """What correcting a topic that exists amounts to."""
        details = self.lacking(state)
        if self.replication is not None and state.replication != self.replication:
            kept = (
                f"replication stays {state.replication}, {self.replication} was asked for: "
                "Kafka's own tools move it"
            )
            return TopicChange(state.name, "conflict", (*details, kept))
        if details:
            return TopicChange(state.name, "changed", details)
        if state.partitions > self.partitions:
            more = f"partitions stay {state.partitions}, {self.partitions} was asked for"
            return TopicChange(state.name, "unchanged", (more,))
        return TopicChange(state.name, "unchanged")

    def settled(self, state: TopicState) -> bool:
        return state.led and not self.lacking(state)


class _Applying:
    """Looks and asks in turn until the cluster shows what was wished for."""

    def __init__(self, admin: AIOKafkaAdminClient, wish: _Wish) -> None:
        self._admin = admin
        self._wish = wish
        self._done: dict[str, TopicChange] = {}
        self._asked: dict[tuple[str, str], float] = {}

    async def to_the_end(self) -> list[TopicChange]:
        looks = 0
        states: list[TopicState] = []
        begun = _now()
        try:
            async with asyncio.timeout(VISIBLE_S):
                while True:
                    states = await states_of(self._admin, self._wish.prefix, self._wish.min_insync)
                    looks += 1
                    # One look is not enough: a broker may still show what the controller has deleted.
                    if looks > 1 and all(map(self._wish.settled, states)):
                        return [self._done.get(state.name) or self._wish.change(state) for state in states]
                    await self._ask(states)
                    if looks > 1:
                        await asyncio.sleep(POLL_S)
        except TimeoutError:
            asked = f"after {_now() - begun:.0f} s, asked {looks} times"
            raise BrokerError(f"{asked}, {self._unsettled(states)}") from None

    async def _ask(self, states: Iterable[TopicState]) -> None:
        """Asks first for all topics, also those seen: only the controller's answer tells which are there."""
        first = not self._asked
        await self._create([state for state in states if first or not state.exists])
        for state in states:
            if state.exists and self._wish.lacking(state) and self._due("correct", state.name):
                await self._correct(state)

    def _due(self, what: str, name: str) -> bool:
        """Whether to ask for it now; remembers that it was asked."""
        now = _now()
        if now - self._asked.get((what, name), -ASK_AGAIN_S) < ASK_AGAIN_S:
            return False
        self._asked[what, name] = now
        return True

    async def _create(self, states: Iterable[TopicState]) -> None:
        wanted = {state.name: state for state in states if self._due("create", state.name)}
        if not wanted:
            return
        answer = await self._admin.create_topics([self._new_topic(state) for state in wanted.values()])
        for name, code, message in answer.topic_errors:
            if code == errors.TopicAlreadyExistsError.errno:
                continue
            if code in FORBIDDEN and wanted[name].exists:
                # Who may not create topics may still have those that are there checked.
                continue
            raise_for(code, name, message)
            self._done[name] = TopicChange(name, "created")
            # What was seen of it belongs to the one that it replaces.
            self._due("correct", name)

    def _new_topic(self, state: TopicState) -> NewTopic:
        wish = self._wish
        config = wanted_config(state.topic, wish.min_insync)
        topic = NewTopic(state.name, wish.partitions, wish.replication or 1, topic_configs=config)
        if wish.replication is None:
            # The constructor takes this value only for topics whose replicas are placed by hand.
            topic.replication_factor = CLUSTER_DEFAULT
        return topic

    async def _correct(self, state: TopicState) -> None:
        if state.partitions < self._wish.partitions:
            # Refused where somebody else raised them first, or deleted it: the next look tells.
            with suppress(errors.InvalidPartitionsError, errors.UnknownTopicOrPartitionError):
                await self._admin.create_partitions({state.name: NewPartitions(self._wish.partitions)})
        if state.differences:
            # This request replaces all settings of a topic, so those that are not ours go along.
            config = {**(state.config or {}), **wanted_config(state.topic, self._wish.min_insync)}
            resource = ConfigResource(ConfigResourceType.TOPIC, state.name, configs=config)
            for answer in await self._admin.alter_configs([resource]):
                for code, message, _kind, name in answer.resources:
                    if code != errors.UnknownTopicOrPartitionError.errno:
                        raise_for(code, name, message)
        self._done.setdefault(state.name, self._wish.change(state))

    def _unsettled(self, states: Iterable[TopicState]) -> str:
        leaderless = [state.name for state in states if not state.led]
        old = [state.name for state in states if not state.exists or self._wish.lacking(state)]
        return (
            f"the cluster shows {_listed('no leader', leaderless)}; {_listed('old settings', old)}: "
            "are enough brokers up for the replication, and are they answering?"
        )


def _listed(what: str, names: list[str]) -> str:
    return f"{what} for {', '.join(names)}" if names else f"{what} nowhere"


def _now() -> float:
    return asyncio.get_running_loop().time()
