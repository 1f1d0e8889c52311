"""One Apache Kafka for the whole run, started by the first test that asks for it.

Under xdist the controller process owns the broker, because a worker may finish, or crash, before the others:
it listens on a loopback socket, whose address every worker is given, and answers with the bootstrap address.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from schemas.topics import TOPICS
from streams.broker.local import BrokerError, LocalBroker
from streams.broker.topics import apply_topics

# No test may spend money, whatever keys the person who runs it has set.
for _key in ("GEMINI_API_KEY", "OPENAI_API_KEY", "IDEOGRAM_API_KEY", "STABILITY_API_KEY"):
    os.environ.pop(_key, None)

BOOTSTRAP_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
START_TIMEOUT_S = 300.0
REFUSED = "!"


@dataclass
class SharedBroker:
    """Starts at most one broker; all answers after the first are the same."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    folder: Path | None = None
    broker: LocalBroker | None = None
    failure: str = ""

    def bootstrap(self) -> str:
        with self.lock:
            if self.failure:
                raise BrokerError(self.failure)
            if self.broker is None:
                self.folder = Path(tempfile.mkdtemp(prefix="glyphstream-tests-"))
                try:
                    self.broker = LocalBroker.start(self.folder)
                except BrokerError as error:
                    self.failure = str(error)
                    raise
            return self.broker.bootstrap

    def close(self) -> None:
        with self.lock:
            if self.broker is not None:
                self.broker.stop(grace_s=5)
            if self.folder is not None:
                shutil.rmtree(self.folder, ignore_errors=True)


class BrokerDesk:
    """The controller's side: answers each connection with the bootstrap address, or why there is none."""

    def __init__(self, shared: SharedBroker) -> None:
        self.shared = shared
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, name="broker-desk", daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.sendall(self._answer().encode())

    def _answer(self) -> str:
        try:
            return self.shared.bootstrap()
        except Exception as error:
            return f"{REFUSED}{error}"

    def close(self) -> None:
        self.listener.close()


def ask_desk(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=START_TIMEOUT_S) as connection:
        answer = b"".join(iter(lambda: connection.recv(65_536), b"")).decode()
    if not answer or answer.startswith(REFUSED):
        raise BrokerError(answer[1:] or "the run that owns the broker is ending")
    return answer


SHARED = pytest.StashKey[SharedBroker]()
DESK = pytest.StashKey[BrokerDesk]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[SHARED] = SharedBroker()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    config: pytest.Config = node.config
    if DESK not in config.stash:
        config.stash[DESK] = BrokerDesk(config.stash[SHARED])
    node.workerinput["broker_desk"] = config.stash[DESK].port


def pytest_unconfigure(config: pytest.Config) -> None:
    if desk := config.stash.get(DESK, None):
        desk.close()
    if shared := config.stash.get(SHARED, None):
        shared.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker("kafka")


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> str:
    """The bootstrap address of an Apache Kafka: the one named in the environment, else the run's own."""
    if named := os.environ.get(BOOTSTRAP_VARIABLE):
        return named
    worker: dict[str, Any] | None = getattr(request.config, "workerinput", None)
    if worker is not None:
        return ask_desk(worker["broker_desk"])
    return request.config.stash[SHARED].bootstrap()


@pytest.fixture
def topic_prefix() -> str:
    """Keeps the topics, groups and transactional ids of one test apart from all others."""
    return f"t{secrets.token_hex(3)}-"


@dataclass(frozen=True, slots=True)
class TestTopics:
    """All our topics under a prefix of their own."""

    __test__ = False

    bootstrap: str
    prefix: str

    def name(self, topic: str) -> str:
        return self.prefix + topic


@pytest.fixture
async def topics(kafka: str, topic_prefix: str) -> AsyncIterator[TestTopics]:
    """Our topics with two partitions each, deleted afterwards."""
    await apply_topics(kafka, prefix=topic_prefix, partitions=2)
    yield TestTopics(kafka, topic_prefix)
    await delete_topics(kafka, [topic_prefix + topic.name for topic in TOPICS])


async def delete_topics(bootstrap: str, names: list[str]) -> None:
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    # Best effort: the broker is about to vanish with its folder anyway.
    with contextlib.suppress(KafkaError, OSError):
        await admin.start()
        await admin.delete_topics(names)
    await admin.close()
