"""Before brokers start on old data, their controllers alone declare them gone.

A node that starts as broker and controller at once first acts on its old metadata, in which it leads
partitions, and a moment later is fenced as its own predecessor: then no partition has a leader. A transaction
that was being committed at the crash and is taken up again in that moment is called complete without a marker
in any partition (Kafka 4.4, TransactionMarkerChannelManager: "Couldn't find leader endpoint"), so its outputs
and its offset no longer stand or fall together. A broker that is already fenced as it starts takes nothing up
before every partition has its leader again.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.broker.folder import DataFolder
from streams.broker.launch import Options, Runtime
from streams.broker.process import BrokerProcess
from streams.broker.properties import controller_properties, render_properties

logger = logging.getLogger(__name__)
# Without it the brokers start all the same: after their old sessions, and with the risk told above.
FENCE_S = 30.0
POLL_S = 0.02
# Many times what it takes to write the decision down; the last controllers would wait longer for a majority.
STOP_S = 1.0
CONTROLLER_HEAP_MB = 128
# What says of a broker whether it is fenced, as the controller reads its log and as it decides.
TELL = "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.controller.ClusterControlManager=info"
IN_CHARGE = "Performing controller activation"
# In the metadata log, which is not compressed, a BrokerRegistrationChangeRecord (type 17) whose field 0 is
# FENCE (1): frame version, type, version, broker id, its epoch, one tagged field: tag, size, value.
_FENCED = re.compile(rb"\x01\x11.(.{4}).{8}\x01\x00\x01\x01", re.DOTALL)
_STATE = re.compile(
    r"(?:RegisterBrokerRecord|BrokerRegistrationChangeRecord)\(brokerId=(\d+),.*?\bfenced=(true|false|-?1)\b"
)


@dataclass(frozen=True, slots=True)
class Absent:
    """A node that does not run and is to be started."""

    folder: DataFolder
    options: Options
    lock_fd: int


def fence_absent(runtime: Runtime, nodes: Sequence[Absent]) -> bool:
    """Whether a controller has all of `nodes` fenced. They must be all the controllers there are.

    Nodes without data, which no metadata knows, need none of it. Takes about as long as one start.
    """
    if not all(node.folder.is_formatted() for node in nodes):
        return False
    with contextlib.ExitStack() as running:
        controllers = []
        for node in nodes:
            controllers.append(_Controller.start(runtime, node))
            running.callback(controllers[-1].process.terminate, STOP_S)
        fenced = _wait_until_fenced(controllers)
        for controller in controllers:
            controller.process.ask_to_stop()
    if not fenced:
        logger.warning(
            "%s: no controller took the old brokers for gone within %.0f s: they start all the same, when "
            "their sessions have ended; %s may say why",
            nodes[0].folder.path,
            FENCE_S,
            nodes[0].folder.controller_log,
        )
    return fenced


@dataclass(frozen=True, slots=True)
class _Controller:
    """`known` is how often its metadata log declared each broker fenced before it started."""

    node: Absent
    process: BrokerProcess
    known: Mapping[int, int]

    @classmethod
    def start(cls, runtime: Runtime, node: Absent) -> _Controller:
        folder, options = node.folder, node.options
        known = fences_in(_metadata(folder))
        properties = controller_properties(
            ports=options.ports, logs=folder.logs.name, node_id=options.node_id, voters=options.voters
        )
        folder.controller_properties.write_text(render_properties(properties), "ascii")
        folder.controller_log.unlink(missing_ok=True)
        process = BrokerProcess.spawn(
            runtime.command(
                "kafka.Kafka", folder.controller_properties.name, heap_mb=CONTROLLER_HEAP_MB, flags=(TELL,)
            ),
            folder=folder.path,
            log=folder.controller_log,
            lock_fd=node.lock_fd,
            environ=runtime.environ(),
        )
        return cls(node, process, known)

    def said(self) -> str:
        return self.node.folder.controller_log.read_text("utf-8", "replace")

    def wrote_fences(self) -> set[int]:
        """The brokers that its metadata log has declared fenced since, whichever controller decided it."""
        now = fences_in(_metadata(self.node.folder))
        return {broker for broker, times in now.items() if times > self.known.get(broker, 0)}


def _metadata(folder: DataFolder) -> bytes:
    """The metadata log as it lies there; what a crash tore off its end is cut off by the next controller."""
    return b"".join(segment.read_bytes() for segment in _segments(folder))


def _segments(folder: DataFolder) -> list[Path]:
    return sorted((folder.logs / "__cluster_metadata-0").glob("*.log"))


def _wait_until_fenced(controllers: Sequence[_Controller]) -> bool:
    deadline = time.monotonic() + FENCE_S
    while all(controller.process.running for controller in controllers) and time.monotonic() < deadline:
        if _all_fenced(controllers):
            return True
        time.sleep(POLL_S)
    return False


def _all_fenced(controllers: Sequence[_Controller]) -> bool:
    brokers = {controller.node.options.node_id for controller in controllers}
    for controller in controllers:
        said = controller.said()
        if brokers <= fenced_by(said):
            # What it decides it says before it is written down; what it only read is.
            decided = fenced_by(IN_CHARGE + said.partition(IN_CHARGE)[2])
            return all(decided <= one.wrote_fences() for one in controllers)
    return False


def fenced_by(log: str) -> set[int]:
    """The brokers that are fenced by the controller that wrote `log`; none before it is in charge."""
    if IN_CHARGE not in log:
        return set()
    states = {int(broker): state in ("true", "1") for broker, state in _STATE.findall(log)}
    return {broker for broker, fenced in states.items() if fenced}


def fences_in(metadata: bytes) -> collections.Counter[int]:
    """How often `metadata`, a piece of the cluster's metadata log, declares each broker fenced."""
    return collections.Counter(int.from_bytes(broker, "big") for broker in _FENCED.findall(metadata))
