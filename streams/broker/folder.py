"""A broker's data folder: what lies where, and what it remembers between starts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from streams.broker.errors import BrokerError
from streams.broker.jars import KAFKA_VERSION

LOG_LIMIT = 8 << 20
TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class Identity:
    """What a folder remembers between starts."""

    kafka_version: str
    port: int
    controller_port: int


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

    def remember(self, identity: Identity) -> None:
        fresh = self.path / "broker.json.new"
        fresh.write_text(json.dumps(asdict(identity), indent=1) + "\n", "utf-8")
        fresh.replace(self.path / "broker.json")

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


def last_words(output: str) -> str:
    """The end of what Java wrote, without the frames that bury the reason."""
    lines = [line for line in output.splitlines() if line.strip() and not line.lstrip().startswith("at ")]
    return "\n".join(lines[-TAIL_LINES:])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
