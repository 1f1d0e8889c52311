"""The settings of the local broker: small, on loopback, strict."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from schemas.topics import TOPICS
from streams.broker.errors import BrokerError
from streams.broker.ports import LOOPBACK

NODE_ID = 1
# A batch adds its own header to the largest record that a topic takes.
MESSAGE_MAX_BYTES = max(topic.max_message_bytes for topic in TOPICS) + 1_024

_MODEST = {
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(MESSAGE_MAX_BYTES),
    "replica.fetch.max.bytes": str(MESSAGE_MAX_BYTES),
    "num.partitions": "4",
    "offsets.topic.num.partitions": "8",
    "offsets.topic.replication.factor": "1",
    "offsets.retention.minutes": str(30 * 24 * 60),
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # After a crash the controller refuses the broker until its old session ends: 9 s by default.
    "broker.session.timeout.ms": "2000",
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


def server_properties(
    *, port: int, controller_port: int, logs: str, settings: Mapping[str, str] | None = None
) -> dict[str, str]:
    """One node that is broker and controller. `settings` override all but where it listens and lives.

    Raises `BrokerError` naming a setting that is not the caller's to make.
    """
    fixed = {
        "process.roles": "broker,controller",
        "node.id": str(NODE_ID),
        "controller.quorum.voters": f"{NODE_ID}@{LOOPBACK}:{controller_port}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": logs,
    }
    chosen = dict(settings or {})
    if taken := sorted(chosen.keys() & fixed.keys()):
        raise BrokerError(
            f"setting {taken[0]!r} (given {chosen[taken[0]]!r}) belongs to the local broker: "
            "choose its port and data folder instead"
        )
    return {**_MODEST, **chosen, **fixed}


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
