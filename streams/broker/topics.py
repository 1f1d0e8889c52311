"""Brings a cluster's topics to what `schemas.topics` asks for, and says what was done."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.topics import TOPICS, Topic
from streams.broker.errors import BrokerError

# A config entry of DescribeConfigs: name, value, read_only, source, sensitive, synonyms.
SET_ON_TOPIC = 1
# In a CreateTopics request: whatever default.replication.factor of the cluster says (KIP-464).
CLUSTER_DEFAULT = -1
# Brokers on a busy disk have taken more than 15 s to open five topics.
VISIBLE_S = 60.0
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
    """What a cluster has for one of our topics. `partitions` is 0 where it is missing.

    `config` is what was set on the topic itself; `min_insync` holds wherever it was set.
    """

    name: str
    topic: Topic
    partitions: int = 0
    replication: int = 0
    min_insync: int = 0
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
    replication: int | None = None,
    min_insync: int | None = None,
    client_options: Mapping[str, object] | None = None,
) -> list[TopicChange]:
    """Creates missing topics, raises partitions, corrects settings; a second call changes nothing.

    `replication` and `min_insync` None mean the cluster's own (`default.replication.factor`,
    `min.insync.replicas`) for a new topic, and for one that is there what it has.
    Partitions are never lowered and replication is never altered: Kafka cannot, or only by moving data.
    A different replication is reported as a conflict. Settings of a topic that are not ours stay.
    Raises `ValueError` naming the argument, `BrokerError` when the cluster refuses or cannot be reached.
    """
    _check(prefix, partitions, replication, min_insync)
    async with _admin(bootstrap, client_options) as admin:
        states = await _states(admin, prefix, min_insync)
        missing = [state for state in states if not state.exists]
        created = await _create(missing, admin, partitions, replication, min_insync)
        if len(created) < len(missing):
            # Somebody else is creating the rest at this moment.
            states = await _until_visible(admin, prefix, min_insync, lambda state: state.exists)
        changes = [
            TopicChange(state.name, "created")
            if state.name in created
            else await _correct(admin, state, partitions, replication, min_insync)
            for state in states
        ]
        await _until_visible(
            admin, prefix, min_insync, lambda state: not state.differences and state.partitions >= partitions
        )
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


async def _states(admin: AIOKafkaAdminClient, prefix: str, min_insync: int | None) -> list[TopicState]:
    # All topics, not ours by name: asking by name creates them on clusters that auto-create.
    present = {entry["topic"]: entry for entry in await admin.describe_topics()}
    names = {prefix + topic.name: topic for topic in TOPICS}
    configs = await _configs(admin, names.keys() & present.keys())
    return [
        _state(name, topic, present[name]["partitions"], configs[name], min_insync)
        if name in configs
        else TopicState(name, topic)
        for name, topic in names.items()
    ]


def _state(
    name: str, topic: Topic, partitions: list[dict[str, Any]], config: _Config, min_insync: int | None
) -> TopicState:
    differences = tuple(
        f"{key} {config.own.get(key, 'unset')} -> {value}"
        for key, value in _wanted(topic, min_insync).items()
        if config.own.get(key) != value
    )
    return TopicState(
        name=name,
        topic=topic,
        partitions=len(partitions),
        replication=min(len(partition["replicas"]) for partition in partitions),
        min_insync=config.min_insync,
        config=config.own,
        differences=differences,
    )


def _wanted(topic: Topic, min_insync: int | None) -> dict[str, str]:
    """The settings to make on the topic itself; without `min.insync.replicas` where it is not ours to say."""
    wanted = topic.config(min_insync=min_insync or 1)
    if min_insync is None:
        del wanted["min.insync.replicas"]
    return wanted


@dataclass(frozen=True, slots=True)
class _Config:
    own: Mapping[str, str]
    min_insync: int


async def _configs(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, _Config]:
    """The settings made on each topic itself, without what it inherits, and the one that counts anyway."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in sorted(names)]
    if not resources:
        return {}
    found = {}
    for answer in await admin.describe_configs(resources):
        for code, message, _kind, name, entries in answer.resources:
            if code == errors.UnknownTopicOrPartitionError.errno:
                # Another broker answers than the one that listed it, and has not heard of it yet.
                continue
            _raise_for(code, name, message)
            values = {entry[0]: entry[1] for entry in entries}
            own = {entry[0]: entry[1] for entry in entries if entry[3] == SET_ON_TOPIC}
            found[name] = _Config(own, int(values["min.insync.replicas"]))
    return found


async def _create(
    missing: list[TopicState],
    admin: AIOKafkaAdminClient,
    partitions: int,
    replication: int | None,
    min_insync: int | None,
) -> set[str]:
    if not missing:
        return set()
    answer = await admin.create_topics(
        [
            _new_topic(state.name, partitions, replication, _wanted(state.topic, min_insync))
            for state in missing
        ]
    )
    created = set()
    for name, code, message in answer.topic_errors:
        if code == errors.TopicAlreadyExistsError.errno:
            continue
        _raise_for(code, name, message)
        created.add(name)
    return created


def _new_topic(name: str, partitions: int, replication: int | None, config: dict[str, str]) -> NewTopic:
    topic = NewTopic(name, partitions, replication or 1, topic_configs=config)
    if replication is None:
        # The constructor takes this value only for topics whose replicas are placed by hand.
        topic.replication_factor = CLUSTER_DEFAULT
    return topic


async def _correct(
    admin: AIOKafkaAdminClient,
    state: TopicState,
    partitions: int,
    replication: int | None,
    min_insync: int | None,
) -> TopicChange:
    details = list(state.differences)
    if state.partitions < partitions:
        # Refused where somebody else raised them first; the wait at the end tells whether they are there.
        with suppress(errors.InvalidPartitionsError):
            await admin.create_partitions({state.name: NewPartitions(partitions)})
        details.append(f"partitions {state.partitions} -> {partitions}")
    if state.differences:
        # This request replaces all settings of a topic, so those that are not ours go along.
        config = {**(state.config or {}), **_wanted(state.topic, min_insync)}
        resource = ConfigResource(ConfigResourceType.TOPIC, state.name, configs=config)
        for answer in await admin.alter_configs([resource]):
            for code, message, _kind, name in answer.resources:
                _raise_for(code, name, message)
    if replication is not None and state.replication != replication:
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
    admin: AIOKafkaAdminClient, prefix: str, min_insync: int | None, settled: Callable[[TopicState], bool]
) -> list[TopicState]:
    """Waits until the cluster itself shows what was asked: it answers before all its brokers know."""
    leaderless: list[str] = []
    unsettled: list[str] = []
    asked = 0
    try:
        async with asyncio.timeout(VISIBLE_S):
            while True:
                led = await _led(admin)
                states = await _states(admin, prefix, min_insync)
                asked += 1
                leaderless = [state.name for state in states if state.name not in led]
                unsettled = [state.name for state in states if not settled(state)]
                if not leaderless and not unsettled:
                    return states
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise BrokerError(
            f"after {VISIBLE_S:.0f} s, asked {asked} times, the cluster shows "
            f"{_listed('no leader', leaderless)}; "
            f"{_listed('old settings', unsettled)}: "
            "are enough brokers up for the replication, and are they answering?"
        ) from None


def _listed(what: str, names: list[str]) -> str:
    return f"{what} for {', '.join(names)}" if names else f"{what} nowhere"


async def _led(admin: AIOKafkaAdminClient) -> set[str]:
    """The topics whose partitions all have a leader."""
    topics = await admin.describe_topics()
    return {topic["topic"] for topic in topics if all(one["leader"] >= 0 for one in topic["partitions"])}


def _raise_for(code: int, name: str, message: str | None) -> None:
    if code:
        raise BrokerError(f"topic {name}: {errors.for_code(code).__name__}: {message or 'no further word'}")
