"""The settings of the local broker: small, on loopback, strict."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from schemas.topics import TOPICS
from streams.broker.errors import BrokerError
from streams.broker.ports import LOOPBACK, Ports

NODE_ID = 1
NODE_COUNTS = (1, 3, 5)
# A batch adds its own header to the largest record that a topic takes.
MESSAGE_MAX_BYTES = max(topic.max_message_bytes for topic in TOPICS) + 1_024

_MODEST = {
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(MESSAGE_MAX_BYTES),
    "replica.fetch.max.bytes": str(MESSAGE_MAX_BYTES),
    "num.partitions": "4",
    "offsets.topic.num.partitions": "8",
    "offsets.retention.minutes": str(30 * 24 * 60),
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    # The cleaner takes this whole buffer from the heap at once; 128 MB by default.
    "log.cleaner.dedupe.buffer.size": str(16 << 20),
    "log.index.size.max.bytes": str(2 << 20),
}

# The others take over from a node that says nothing for so long.
_OF_SEVERAL = {"broker.session.timeout.ms": "2000"}
# Nobody takes over. Fenced, or leaving in good order, it would have no leader for any partition while it
# still commits transactions, and Kafka then leaves out their markers (see `fencing`).
_ALONE = {"broker.session.timeout.ms": "30000", "controlled.shutdown.enable": "false"}


def check_nodes(nodes: int) -> None:
    """Raises `BrokerError` with the counts there are and why there is no other."""
    if nodes not in NODE_COUNTS:
        raise BrokerError(
            f"nodes is {nodes}: choose one of {', '.join(map(str, NODE_COUNTS))}. "
            "A majority of them must be up, so two survive no loss at all, and four no more than three do"
        )


def replication(nodes: int) -> tuple[int, int]:
    """(copies of a record, how many of them must have it before it is acknowledged)."""
    return (3, 2) if nodes >= 3 else (1, 1)


def _replicated(nodes: int) -> dict[str, str]:
    """For topics that do not say otherwise, and for Kafka's own."""
    copies, in_sync = map(str, replication(nodes))
    return {
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        "unclean.leader.election.enable": "false",
    }


def server_properties(
    *,
    ports: Ports,
    logs: str,
    node_id: int = NODE_ID,
    voters: Mapping[int, int] | None = None,
    advertised_port: int | None = None,
    settings: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """One node that is broker and controller. `settings` override all but where it listens and lives.

    `voters` are the controllers' ports by node id, this one's included; None means that it is alone.
    `advertised_port` is what clients are told; brokers speak to each other over a listener of their own.
    Raises `BrokerError` naming a setting that is not the caller's to make.
    """
    quorum = voters or {node_id: ports.controller}
    listening = {"PLAINTEXT": ports.client, "INTERNAL": ports.internal, "CONTROLLER": ports.controller}
    advertised = {"PLAINTEXT": advertised_port or ports.client, "INTERNAL": ports.internal}
    fixed = {
        "process.roles": "broker,controller",
        "node.id": str(node_id),
        "controller.quorum.voters": _voters(quorum),
        "listeners": _listeners(listening),
        "advertised.listeners": _listeners(advertised),
        "inter.broker.listener.name": "INTERNAL",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listening),
        "log.dirs": logs,
        "metadata.log.dir": logs,
    }
    chosen = dict(settings or {})
    if taken := sorted(chosen.keys() & fixed.keys()):
        raise BrokerError(
            f"setting {taken[0]!r} (given {chosen[taken[0]]!r}) belongs to the local broker: "
            "choose its port and data folder instead"
        )
    sessions = _OF_SEVERAL if len(quorum) > 1 else _ALONE
    return {**_MODEST, **sessions, **_replicated(len(quorum)), **chosen, **fixed}


def controller_properties(
    *, ports: Ports, logs: str, node_id: int = NODE_ID, voters: Mapping[int, int] | None = None
) -> dict[str, str]:
    """The same node as a controller alone, which soon misses its brokers."""
    quorum = voters or {node_id: ports.controller}
    return {
        "process.roles": "controller",
        "node.id": str(node_id),
        "controller.quorum.voters": _voters(quorum),
        "listeners": _listeners({"CONTROLLER": ports.controller}),
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT",
        "log.dirs": logs,
        "broker.heartbeat.interval.ms": "25",
        "broker.session.timeout.ms": "100",
    }


def _voters(quorum: Mapping[int, int]) -> str:
    return ",".join(f"{one}@{LOOPBACK}:{port}" for one, port in quorum.items())


def _listeners(ports: Mapping[str, int]) -> str:
    return ",".join(f"{name}://{LOOPBACK}:{port}" for name, port in ports.items())


def render_properties(properties: Mapping[str, str]) -> str:
    """The format that Java's `Properties.load` reads: Latin-1, so all else is escaped."""
    return "".join(f"{_escape(key)}={_escape(value)}\n" for key, value in sorted(properties.items()))


def _escape(text: str) -> str:
    return "".join(chain.from_iterable(map(_escape_character, text)))


def _escape_character(character: str) -> str:
    if character in "\\=:#! ":
        return "\\" + character
    if " " < character <= "~":
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
