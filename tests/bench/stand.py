"""The measuring stand: a broker, a backlog that appears all at once, a contestant, and what it took.

The backlog lies in one open transaction until the contestant has joined its group and waits; the
commit shows it whole. So start-up is no part of a figure, and the clock starts for all at the same event.
It stops when the group's committed offsets cover the backlog. CPU is that of the contestant's process
alone, user and system.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from confluent_kafka import Consumer, TopicPartition

from schemas.topics import PROMPTS, TOPICS
from streams.broker.topics import apply_topics
from tests.bench.backlog import PARTITIONS, QUIET, BenchError, hidden_backlog
from tests.bench.job import group_of
from tests.bench.procfs import busy_seconds, cpu_seconds, peak_rss_mb
from tests.bench.workload import Row

JOIN_S = 60.0
SETTLE_S = 1.5
STALL_S = 60.0
SAMPLE_S = 0.02
STOP_S = 15.0
QUIET_PROBE_S = 1.0
QUIET_SHARE = 0.15
# Of the process, not of a stand: a name just deleted is still shown for a moment, and its group lives on.
RUN = secrets.token_hex(3)
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Contestant:
    """`command` may hold {bootstrap} and {prefix}; so may the values of `env`."""

    name: str
    setting: str
    command: Sequence[str]
    env: Mapping[str, str]

    def filled(self, bootstrap: str, prefix: str) -> tuple[list[str], dict[str, str]]:
        names = {"bootstrap": bootstrap, "prefix": prefix}
        command = [part.format(**names) for part in self.command]
        return command, {name: value.format(**names) for name, value in self.env.items()}


@dataclass(frozen=True, slots=True)
class Drain:
    """What one contestant took for one backlog of `events`.

    `start_s`: from its start until it had joined. `foreign`: the share of the machine that neither it nor
    the broker nor the bench used meanwhile.
    """

    events: int
    wall_s: float
    cpu_s: float
    start_s: float
    rss_mb: float
    foreign: float

    @property
    def rate(self) -> float:
        return self.events / self.wall_s

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / self.events * 1e6


def share_of_cores(seconds: float, wall_s: float) -> float:
    """CPU seconds as a share of what all cores could give; ticks may make it a little less than none."""
    return max(0.0, seconds / (wall_s * (os.cpu_count() or 1)))


def clean_environment() -> dict[str, str]:
    """This process's, less the settings of a glyphstream somebody configured: defaults are measured."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GLYPHSTREAM_", "KAFKA_", "PYTHONPATH"))
    }


class Stand:
    """Works on one broker; everything of one measurement has a prefix of its own."""

    def __init__(
        self, bootstrap: str, folder: Path, *, broker_pid: int | None = None, quiet_s: float = 0.0
    ) -> None:
        """`quiet_s`: the longest wait, before a contestant starts, for others to leave the machine alone."""
        self.bootstrap = bootstrap
        self._broker_pid = broker_pid
        self._quiet_s = quiet_s
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def topics(self) -> Iterator[str]:
        """Fresh topics under a fresh prefix, which is what it gives; they are deleted afterwards."""
        prefix = f"b{RUN}-{next(_NUMBERS)}-"
        asyncio.run(apply_topics(self.bootstrap, prefix=prefix, partitions=PARTITIONS))
        try:
            yield prefix
        finally:
            asyncio.run(deleted(self.bootstrap, [prefix + topic.name for topic in TOPICS]))

    @contextlib.contextmanager
    def running(self, contestant: Contestant, prefix: str) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
        """The contestant once it has joined and waits, and the seconds it took to get there."""
        self._until_quiet()
        command, env = contestant.filled(self.bootstrap, prefix)
        log = self._folder / f"{prefix}{contestant.name.replace(' ', '-')}.log"
        started = time.monotonic()
        with log.open("wb") as sink:
            process = subprocess.Popen(
                command,
                env={**clean_environment(), **env},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
            )
        try:
            asyncio.run(until_joined(self.bootstrap, group_of(prefix), lambda: _alive(process)))
            joined = time.monotonic() - started
            time.sleep(SETTLE_S)
            yield process, joined
        except BenchError as error:
            raise BenchError(f"{contestant.name}: {error}\n{tail(log)}") from None
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def drain(self, contestant: Contestant, prefix: str, rows: Sequence[Row]) -> Drain:
        """Has `contestant` work through `rows`, which appear once it waits."""
        topic = prefix + PROMPTS.name
        backlog = hidden_backlog(self.bootstrap, topic, rows)
        with self.running(contestant, prefix) as (process, joined):
            cpu, foreign = cpu_seconds(process.pid), self.foreign_seconds(process.pid)
            backlog.producer.commit_transaction(60)
            begun = time.monotonic()
            ended = until_committed(self.bootstrap, prefix, backlog.ends, lambda: _alive(process))
            wall = ended - begun
            used = cpu_seconds(process.pid) - cpu
            others = share_of_cores(self.foreign_seconds(process.pid) - foreign, wall)
            return Drain(len(rows), wall, used, joined, peak_rss_mb(process.pid), others)

    def _until_quiet(self) -> None:
        until = time.monotonic() + self._quiet_s
        while time.monotonic() < until:
            before = self.foreign_seconds()
            time.sleep(QUIET_PROBE_S)
            if share_of_cores(self.foreign_seconds() - before, QUIET_PROBE_S) < QUIET_SHARE:
                return

    def foreign_seconds(self, *pids: int) -> float:
        """What the machine has used for others than `pids`, the broker and the bench."""
        known = [*pids, os.getpid(), *([self._broker_pid] if self._broker_pid else [])]
        return busy_seconds() - sum(map(cpu_seconds, known))


async def until_joined(bootstrap: str, group: str, alive: Callable[[], None]) -> None:
    """Returns once `group` is stable: its one member then has all partitions.

    Raises:
        BenchError: not within a minute; `alive` may raise its own.
    """
    until = time.monotonic() + JOIN_S
    async with admin_of(bootstrap) as admin:
        while time.monotonic() < until:
            alive()
            # The coordinator may still be loading, and then says so by an error.
            with contextlib.suppress(KafkaError):
                (answer,) = await admin.describe_consumer_groups([group])
                _error, _group, state, *_protocol, members = answer.groups[0]
                if state == "Stable" and len(members) == 1:
                    return
            await asyncio.sleep(0.1)
    raise BenchError(f"has not joined {group} within {JOIN_S:g} s")


async def deleted(bootstrap: str, names: list[str]) -> None:
    async with admin_of(bootstrap) as admin:
        await admin.delete_topics(names)


@contextlib.asynccontextmanager
async def admin_of(bootstrap: str) -> AsyncIterator[Any]:
    # librdkafka's admin client sometimes waits for ever when it is destroyed after its broker.
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


def until_committed(bootstrap: str, prefix: str, ends: Sequence[int], alive: Callable[[], None]) -> float:
    """The moment when the route stage's committed offsets have reached `ends` in all partitions.

    Raises:
        BenchError: nothing was committed for a minute; `alive` may raise its own.
    """
    reader = Consumer({**QUIET, "bootstrap.servers": bootstrap, "group.id": group_of(prefix)})
    wanted = [TopicPartition(prefix + PROMPTS.name, number) for number in range(PARTITIONS)]
    best, moved = 0, time.monotonic()
    try:
        while True:
            marks = [max(0, found.offset) for found in reader.committed(wanted, timeout=30)]
            now, done = time.monotonic(), sum(marks)
            if all(mark >= end for mark, end in zip(marks, ends, strict=True)):
                return now
            if done > best:
                best, moved = done, now
            alive()
            if now - moved > STALL_S:
                raise BenchError(f"stands still at {done} of {sum(ends)} committed")
            time.sleep(SAMPLE_S)
    finally:
        reader.close()


def _alive(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        raise BenchError(f"ended by itself with status {process.returncode}")


def tail(log: Path, size: int = 3_000) -> str:
    return log.read_bytes()[-size:].decode("utf-8", "replace")
