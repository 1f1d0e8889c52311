"""A broker of one's own: what survives, what is refused, what dies with whom."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.broker.local import BrokerError, LocalBroker
from streams.broker.lock import is_alive
from streams.broker.topics import apply_topics

pytestmark = pytest.mark.kafka

GONE_S = 20.0
OWNER = """
import sys, time
from pathlib import Path
from streams.broker.local import LocalBroker
broker = LocalBroker.start(Path(sys.argv[1]))
print(broker.pid, broker._process.guard.pid, broker.bootstrap, flush=True)
time.sleep(600)
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A path that Kafka's own settings file could not hold: a comma, spaces, other scripts."""
    return tmp_path / "a, b = ü ข"


@pytest.fixture
def owner(data: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has a broker on `data`."""
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(data)], stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_what_was_written_survives_a_stop_and_a_crash_at_the_same_address(data: Path) -> None:
    with LocalBroker.start(data) as broker:
        address = broker.bootstrap
        _fill(address)
        broker.restart()
        assert (broker.bootstrap, _values(address)) == (address, [b"1", b"2", b"3"])
        broker.kill()
        assert not broker.running
        broker.restart()
        assert (broker.bootstrap, _values(address)) == (address, [b"1", b"2", b"3"])
    assert not broker.running


def test_a_folder_in_use_is_refused_with_the_pids_that_hold_it(data: Path) -> None:
    with LocalBroker.start(data) as broker:
        with pytest.raises(
            BrokerError, match=rf"in use by process {os.getpid()} \(its broker is process {broker.pid}\)"
        ):
            LocalBroker.start(data)
        with pytest.raises(BrokerError, match=rf"port {broker.bootstrap[10:]} on 127\.0\.0\.1 is taken"):
            LocalBroker.start(data.with_name("other"), port=int(broker.bootstrap[10:]))


def test_a_killed_owner_takes_its_broker_along_and_the_folder_starts_again_at_once(
    owner: subprocess.Popen[str], data: Path
) -> None:
    broker_pid, _, address = _report(owner)
    owner.kill()
    with LocalBroker.start(data) as successor:
        assert not is_alive(int(broker_pid))
        assert successor.bootstrap == address


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child whose guard was killed")
def test_a_killed_guard_takes_its_broker_along(owner: subprocess.Popen[str]) -> None:
    broker_pid, guard_pid, _ = _report(owner)
    os.kill(int(guard_pid), signal.SIGKILL)
    _wait_until_gone(int(broker_pid))


def test_a_broker_that_does_not_come_up_shows_its_own_last_words(data: Path) -> None:
    wrong = {"num.io.threads": "0"}
    with pytest.raises(BrokerError, match=r"could not be formatted.*\n.*Invalid value 0 .* num\.io\.threads"):
        LocalBroker.start(data, settings=wrong)
    LocalBroker.start(data).stop()
    with pytest.raises(
        BrokerError, match=r"left with exit status 1(.|\n)*Invalid value 0 .* num\.io\.threads"
    ):
        LocalBroker.start(data, settings=wrong)
    with LocalBroker.start(data) as broker:
        assert broker.running


@pytest.mark.skipif(sys.platform != "linux", reason="reads the kernel's table of sockets in /proc")
def test_only_loopback_answers(data: Path) -> None:
    with LocalBroker.start(data) as broker:
        port = int(broker.bootstrap[10:])
        listening = {
            line.split()[1]
            for table in ("tcp", "tcp6")
            for line in Path(f"/proc/{broker.pid}/net/{table}").read_text().splitlines()[1:]
            if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
        }
    loopback = socket.inet_aton("127.0.0.1")[::-1].hex().upper()
    assert all(address.partition(":")[0].endswith(loopback) for address in listening)
    assert listening


def _fill(bootstrap: str) -> None:
    """Three records, the last of them in a transaction."""

    async def produce() -> None:
        await apply_topics(bootstrap, partitions=1)
        plain = AIOKafkaProducer(bootstrap_servers=bootstrap)
        async with plain:
            await plain.send_and_wait("prompts", b"1")
            await plain.send_and_wait("prompts", b"2")
        transactional = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="filler")
        async with transactional, transactional.transaction():
            await transactional.send_and_wait("prompts", b"3")

    asyncio.run(produce())


def _values(bootstrap: str) -> list[bytes]:
    async def consume() -> list[bytes]:
        consumer = AIOKafkaConsumer(
            "prompts",
            bootstrap_servers=bootstrap,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
        async with consumer:
            return [(await asyncio.wait_for(consumer.getone(), 20)).value for _ in range(3)]

    return asyncio.run(consume())


def _report(owner: subprocess.Popen[str]) -> list[str]:
    assert owner.stdout is not None
    return owner.stdout.readline().split()


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + GONE_S
    while is_alive(pid) and _state(pid) != "Z":
        assert time.monotonic() < deadline, f"process {pid} still lives"


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"
