"""Data folders, of a broker and of a cluster: what lies where, and what they remember between starts."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streams.broker.errors import BrokerError
from streams.broker.jars import KAFKA_VERSION
from streams.broker.ports import Ports

LOG_LIMIT = 8 << 20
TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class Identity:
    """What a folder remembers between starts. One that an older version wrote has no internal port: 0."""

    kafka_version: str
    port: int
    controller_port: int
    internal_port: int = 0

    @property
    def ports(self) -> Ports:
        return Ports(self.port, self.controller_port, self.internal_port)


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Holds `kafka/` (the data), `broker.json` (the identity), `broker.log`, its lock and its settings."""

    path: Path

    @property
    def logs(self) -> Path:
        return self.path / "kafka"

    @property
    def unformatted(self) -> Path:
        return self.path / "kafka.new"

    @property
    def log(self) -> Path:
        return self.path / "broker.log"

    @property
    def lock(self) -> Path:
        return self.path / "broker.lock"

    @property
    def properties(self) -> Path:
        return self.path / "server.properties"

    @property
    def controller_properties(self) -> Path:
        """Of the controller that runs for a moment before the broker starts on old data."""
        return self.path / "controller.properties"

    @property
    def controller_log(self) -> Path:
        return self.path / "controller.log"

    def identity(self) -> Identity | None:
        try:
            text = (self.path / "broker.json").read_text("utf-8")
        except FileNotFoundError:
            return None
        try:
            return Identity(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise BrokerError(
                f"{self.path / 'broker.json'} holds {text!r}, which is not what a broker writes ({error}): "
                "remove that file to let the folder pick new ports"
            ) from error

    def ports(self) -> Ports | None:
        """Those of last time, None on the first."""
        known = self.identity()
        return known.ports if known else None

    def remember(self, ports: Ports) -> None:
        identity = Identity(KAFKA_VERSION, ports.client, ports.controller, ports.internal)
        write_json(self.path / "broker.json", asdict(identity))

    def is_formatted(self) -> bool:
        """Raises `BrokerError` for logs that this version must not open."""
        known = self.identity()
        if known and _numbers(known.kafka_version) > _numbers(KAFKA_VERSION):
            raise BrokerError(
                f"{self.path} was written by Apache Kafka {known.kafka_version}; this is {KAFKA_VERSION}, "
                "which cannot read newer data: upgrade glyphstream, or choose another folder"
            )
        if not self.logs.exists():
            return False
        if not (self.logs / "meta.properties").exists():
            raise BrokerError(
                f"{self.logs} has no meta.properties, so it was half formatted or is not a broker's: "
                "move it away to start empty, or choose another folder"
            )
        return True

    def rotate_log(self) -> int:
        """Makes room in broker.log and returns where this start's lines begin, in bytes."""
        size = self.log.stat().st_size if self.log.exists() else 0
        if size <= LOG_LIMIT:
            return size
        self.log.replace(self.log.with_suffix(".log.1"))
        return 0

    def log_tail(self, since: int = 0) -> str:
        """The last lines of broker.log written from byte `since` on."""
        if not self.log.exists():
            return ""
        return last_words(self.log.read_bytes()[since:].decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class ClusterFolder:
    """Holds `cluster.json` and, for each node, a data folder `node-1` and so on.

    The data folder of a single broker is no cluster's: what it holds lies beside `broker.json`.
    """

    path: Path

    def node(self, node_id: int) -> DataFolder:
        return DataFolder(self.path / f"node-{node_id}")

    def check_nodes(self, nodes: int) -> None:
        """Raises `BrokerError` where the folder has the data of another number of nodes."""
        found = self._nodes()
        if found not in (0, nodes):
            raise BrokerError(
                f"{self.path} holds the data of {_counted(found)}, not of {_counted(nodes)}, and one cannot "
                f"be made into the other: start it with {_counted(found)}, or choose another folder"
            )

    def cluster_id(self, nodes: int, fresh: str) -> str:
        """The one this folder has; on the first start `fresh`, which it then keeps."""
        known = self._known()
        if known is None:
            known = {"nodes": nodes, "cluster_id": fresh}
            write_json(self._file, known)
        return str(known["cluster_id"])

    @property
    def _file(self) -> Path:
        return self.path / "cluster.json"

    def _nodes(self) -> int:
        """0 where nothing was started yet."""
        known = self._known()
        if known is not None:
            return int(known["nodes"])
        return 1 if DataFolder(self.path).logs.exists() else 0

    def _known(self) -> dict[str, Any] | None:
        try:
            text = self._file.read_text("utf-8")
        except FileNotFoundError:
            return None
        try:
            known = json.loads(text)
            return {"nodes": int(known["nodes"]), "cluster_id": str(known["cluster_id"])}
        except (ValueError, TypeError, KeyError) as error:
            raise BrokerError(
                f"{self._file} holds {text!r}, which is not what a cluster writes ({error!r}): write "
                '{"nodes": N, "cluster_id": ...} with the id in node-1/kafka/meta.properties'
            ) from error


def make_folder(path: Path) -> Path:
    """Absolute, and there. Raises `BrokerError` where it cannot be, or this platform runs no broker."""
    if sys.platform == "win32":
        raise BrokerError("the local broker runs on Linux and macOS: use WSL, or docker compose up")
    absolute = path.expanduser().resolve()
    try:
        absolute.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BrokerError(f"data folder {path} cannot be made: {error}; choose another") from error
    return absolute


def last_words(output: str) -> str:
    """The end of what Java wrote, without the frames that bury the reason."""
    lines = [line for line in output.splitlines() if line.strip() and not line.lstrip().startswith("at ")]
    return "\n".join(lines[-TAIL_LINES:])


def write_json(path: Path, value: object) -> None:
    """Whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(json.dumps(value, indent=1) + "\n", "utf-8")
    fresh.replace(path)


def _counted(nodes: int) -> str:
    return "1 node" if nodes == 1 else f"{nodes} nodes"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
