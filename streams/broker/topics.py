"""Brings a cluster's topics to what `schemas.topics` asks for, and says what was done."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidPartitionsError, KafkaError, TopicAlreadyExistsError, for_code

from schemas.topics import TOPICS, Topic
from streams.broker.errors import BrokerError

# A config entry of DescribeConfigs: name, value, read_only, source, sensitive, synonyms.
SET_ON_TOPIC = 1
VISIBLE_S = 15.0
POLL_S = 0.05

Action = Literal["created", "changed", "unchanged", "conflict"]


@dataclass(frozen=True, slots=True)
class TopicChange:
    """What happened to one topic; `details` names each difference, old -> new."""

    name: str
    action: Action
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TopicState:
    """What a cluster has for one of our topics. `partitions` is 0 where it is missing."""

    name: str
    topic: Topic
    partitions: int = 0
    replication: int = 0
    config: Mapping[str, str] | None = None
    differences: tuple[str, ...] = ()

    @property
    def exists(self) -> bool:
        return self.partitions > 0


async def apply_topics(
    bootstrap: str,
    *,
    prefix: str = "",
    partitions: int = 4,
    replication: int = 1,
    min_insync: int = 1,
    client_options: Mapping[str, object] | None = None,
) -> list[TopicChange]:
    """Creates missing topics, raises partitions, corrects settings; a second call changes nothing.

    Partitions are never lowered and replication is never altered: Kafka cannot, or only by moving data.
    A different replication is reported as a conflict. Settings of a topic that are not ours stay.
    Raises `ValueError` naming the argument, `BrokerError` when the cluster refuses or cannot be reached.
    """
    _check(prefix, partitions, replication, min_insync)
    async with _admin(bootstrap, client_options) as admin:
        states = await _states(admin, prefix, min_insync)
        created = await _create(
            [s for s in states if not s.exists], admin, partitions, replication, min_insync
        )
        if len(created) < sum(not state.exists for state in states):
            # Somebody else is creating the rest at this moment.
            await _until_visible(admin, prefix, 1, None)
            states = await _states(admin, prefix, min_insync)
        changes = [
            TopicChange(state.name, "created")
            if state.name in created
            else await _correct(admin, state, partitions, replication, min_insync)
            for state in states
        ]
        await _until_visible(admin, prefix, partitions, min_insync)
    return changes


async def describe_topics(
    bootstrap: str,
    *,
    prefix: str = "",
    min_insync: int | None = None,
    client_options: Mapping[str, object] | None = None,
) -> list[TopicState]:
    """What the cluster has beside what we ask for. `min_insync` None means that any value is right."""
    async with _admin(bootstrap, client_options) as admin:
        return await _states(admin, prefix, min_insync)


def _check(prefix: str, partitions: int, replication: int, min_insync: int) -> None:
    if not re.fullmatch(r"[a-zA-Z0-9._-]{0,200}", prefix):
        raise ValueError(f"prefix is {prefix!r}: use at most 200 letters, digits, '.', '_' and '-'")
    for name, value in (("partitions", partitions), ("replication", replication), ("min_insync", min_insync)):
        if value < 1:
            raise ValueError(f"{name} is {value}: give 1 or more")
    if min_insync > replication:
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
    except KafkaError as error:
        raise BrokerError(
            f"Kafka at {bootstrap}: {error!r}; is it up and may this client manage topics?"
        ) from error
    finally:
        await admin.close()


async def _states(admin: AIOKafkaAdminClient, prefix: str, min_insync: int | None) -> list[TopicState]:
    # All topics, not ours by name: asking by name creates them on clusters that auto-create.
    present = {entry["topic"]: entry for entry in await admin.describe_topics()}
    names = {prefix + topic.name: topic for topic in TOPICS}
    configs = await _configs(admin, names.keys() & present.keys())
    return [
        _state(name, topic, present[name]["partitions"], configs[name], min_insync)
        if name in present
        else TopicState(name, topic)
        for name, topic in names.items()
    ]


def _state(
    name: str, topic: Topic, partitions: list[dict[str, Any]], config: dict[str, str], min_insync: int | None
) -> TopicState:
    wanted = topic.config(min_insync=min_insync or 1)
    if min_insync is None:
        del wanted["min.insync.replicas"]
    differences = tuple(
        f"{key} {config.get(key, 'unset')} -> {value}"
        for key, value in wanted.items()
        if config.get(key) != value
    )
    return TopicState(
        name=name,
        topic=topic,
        partitions=len(partitions),
        replication=min(len(partition["replicas"]) for partition in partitions),
        config=config,
        differences=differences,
    )


async def _configs(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """The settings made on each topic itself, without what it inherits."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in sorted(names)]
    if not resources:
        return {}
    found = {}
    for answer in await admin.describe_configs(resources):
        for code, message, _kind, name, entries in answer.resources:
            _raise_for(code, name, message)
            found[name] = {entry[0]: entry[1] for entry in entries if entry[3] == SET_ON_TOPIC}
    return found


async def _create(
    missing: list[TopicState], admin: AIOKafkaAdminClient, partitions: int, replication: int, min_insync: int
) -> set[str]:
    if not missing:
        return set()
    answer = await admin.create_topics(
        [
            NewTopic(
                state.name,
                partitions,
                replication,
                topic_configs=state.topic.config(min_insync=min_insync),
            )
            for state in missing
        ]
    )
    created = set()
    for name, code, message in answer.topic_errors:
        if code == TopicAlreadyExistsError.errno:
            continue
        _raise_for(code, name, message)
        created.add(name)
    return created


async def _correct(
    admin: AIOKafkaAdminClient, state: TopicState, partitions: int, replication: int, min_insync: int
) -> TopicChange:
    details = list(state.differences)
    if state.partitions < partitions:
        # Refused where somebody else raised them first; the wait at the end tells whether they are there.
        with suppress(InvalidPartitionsError):
            await admin.create_partitions({state.name: NewPartitions(partitions)})
        details.append(f"partitions {state.partitions} -> {partitions}")
    if state.differences:
        # This request replaces all settings of a topic, so those that are not ours go along.
        config = {**(state.config or {}), **state.topic.config(min_insync=min_insync)}
        resource = ConfigResource(ConfigResourceType.TOPIC, state.name, configs=config)
        for answer in await admin.alter_configs([resource]):
            for code, message, _kind, name in answer.resources:
                _raise_for(code, name, message)
    if state.replication != replication:
        kept = (
            f"replication stays {state.replication}, {replication} was asked for: Kafka's own tools move it"
        )
        return TopicChange(state.name, "conflict", (*details, kept))
    if details:
        return TopicChange(state.name, "changed", tuple(details))
    if state.partitions > partitions:
        return TopicChange(
            state.name, "unchanged", (f"partitions stay {state.partitions}, {partitions} was asked for",)
        )
    return TopicChange(state.name, "unchanged")


async def _until_visible(
    admin: AIOKafkaAdminClient, prefix: str, partitions: int, min_insync: int | None
) -> None:
    """Waits until the cluster itself shows what was asked: it answers before all its brokers know."""
    try:
        async with asyncio.timeout(VISIBLE_S):
            while True:
                late = await _late(admin, prefix, partitions, min_insync)
                if not late:
                    return
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise BrokerError(
            f"after {VISIBLE_S:.0f} s no leader, or old settings, for {', '.join(late)}: "
            "are enough brokers up for the replication?"
        ) from None


async def _late(
    admin: AIOKafkaAdminClient, prefix: str, partitions: int, min_insync: int | None
) -> list[str]:
    leaders = {
        entry["topic"]: [partition["leader"] for partition in entry["partitions"]]
        for entry in await admin.describe_topics()
    }
    return [
        state.name
        for state in await _states(admin, prefix, min_insync)
        if state.differences or state.partitions < partitions or min(leaders.get(state.name, [-1])) < 0
    ]


def _raise_for(code: int, name: str, message: str | None) -> None:
    if code:
        raise BrokerError(f"topic {name}: {for_code(code).__name__}: {message or 'no further word'}")
