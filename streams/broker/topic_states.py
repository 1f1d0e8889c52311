"""What a cluster has for each of our topics, beside what `schemas.topics` asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.topics import TOPICS, Topic
from streams.broker.errors import BrokerError

# A config entry of DescribeConfigs: name, value, read_only, source, sensitive, synonyms.
SET_ON_TOPIC = 1


@dataclass(frozen=True, slots=True)
class TopicState:
    """What a cluster has for one of our topics. `partitions` is 0 where it is missing.

    `led` where all partitions have a leader; `config` is what was set on the topic itself; `min_insync`
    holds wherever it was set.
    """

    name: str
    topic: Topic
    partitions: int = 0
    led: bool = False
    replication: int = 0
    min_insync: int = 0
    config: Mapping[str, str] | None = None
    differences: tuple[str, ...] = ()

    @property
    def exists(self) -> bool:
        return self.partitions > 0


async def states_of(admin: AIOKafkaAdminClient, prefix: str, min_insync: int | None) -> list[TopicState]:
    """As one broker knows them, which may lag behind the controller by a moment; in `TOPICS`' order."""
    # All topics, not ours by name: asking by name creates them on clusters that auto-create.
    present = {entry["topic"]: entry for entry in await admin.describe_topics() if entry["partitions"]}
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
        for key, value in wanted_config(topic, min_insync).items()
        if config.own.get(key) != value
    )
    return TopicState(
        name=name,
        topic=topic,
        partitions=len(partitions),
        led=all(partition["leader"] >= 0 for partition in partitions),
        replication=min(len(partition["replicas"]) for partition in partitions),
        min_insync=config.min_insync,
        config=config.own,
        differences=differences,
    )


def wanted_config(topic: Topic, min_insync: int | None) -> dict[str, str]:
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
            raise_for(code, name, message)
            values = {entry[0]: entry[1] for entry in entries}
            own = {entry[0]: entry[1] for entry in entries if entry[3] == SET_ON_TOPIC}
            found[name] = _Config(own, int(values["min.insync.replicas"]))
    return found


def raise_for(code: int, name: str, message: str | None) -> None:
    """Raises `BrokerError` with Kafka's reason where `code` is one of its errors."""
    if code:
        raise BrokerError(f"topic {name}: {errors.for_code(code).__name__}: {message or 'no further word'}")
