"""Measures the latency a stage adds at a steady rate, beside a bare transaction of equal size.

From just before a prompt is handed to a producer that sends at once, to the moment when a read_committed
reader has its job in hand. Both contestants get the same producer and the same reader, in turns.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from schemas.topics import PROMPTS
from tests.bench import contestants
from tests.bench.backlog import PARTITIONS, QUIET, BenchError
from tests.bench.figures import percentiles
from tests.bench.job import JOB_TOPICS
from tests.bench.procfs import cpu_seconds
from tests.bench.routing import Say
from tests.bench.stand import Contestant, Stand, share_of_cores
from tests.bench.workload import Row, good_rows

LATE_S = 30.0
SHARES = (0.5, 0.9, 0.99, 0.999)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPlan:
    """Each contestant gets `segments` of `seconds` at `rate`, each after `warm_s` that count for nothing.

    So does one whole segment of each before all others.
    """

    rate: int = 1_000
    seconds: float = 10.0
    warm_s: float = 2.0
    segments: int = 4


@dataclass(frozen=True, slots=True)
class Segment:
    """Latencies in milliseconds, in the order of sending.

    `behind_ms`: the producer's own worst delay. `foreign`: the share of the machine that others used.
    """

    latencies_ms: Sequence[float]
    cpu_us: float
    behind_ms: float
    foreign: float


def measure_latency(stand: Stand, plan: LatencyPlan, folder: Path, say: Say) -> dict[str, object]:
    rows = good_rows(round(plan.rate * (plan.warm_s + plan.seconds)))
    pair = (contestants.glyphstream(folder), contestants.bare_transactions())
    found: dict[str, list[Segment]] = {contestant.name: [] for contestant in pair}
    for number in range(plan.segments + 1):
        for contestant in pair if number % 2 == 0 else reversed(pair):
            segment = steady(stand, contestant, rows, plan)
            if number == 0:
                # A broker that is just up is slow until its code is compiled: nobody's figure.
                say(f"warm-up: {contestant.name}")
                continue
            found[contestant.name].append(segment)
            figures = "  ".join(
                f"p{name} {value:.1f} ms" for name, value in named(segment.latencies_ms).items()
            )
            say(
                f"segment {number} of {plan.segments}: {contestant.name:16} {figures}  "
                f"others used {segment.foreign:.0%}"
            )
    return {
        "rate": plan.rate,
        "contestants": [summary(name, segments) for name, segments in found.items()],
    }


def summary(name: str, segments: Sequence[Segment]) -> dict[str, object]:
    pooled = [latency for segment in segments for latency in segment.latencies_ms]
    return {
        "name": name,
        "events": len(pooled),
        "percentiles_ms": named(pooled),
        "segments_ms": [named(segment.latencies_ms) for segment in segments],
        "cpu_us": [segment.cpu_us for segment in segments],
        "foreign": [segment.foreign for segment in segments],
        "behind_ms": max(segment.behind_ms for segment in segments),
        "curve_ms": percentiles(pooled, [step / 1_000 for step in range(1, 1_000)]),
    }


def named(latencies_ms: Sequence[float]) -> dict[str, float]:
    """The percentiles that are reported, by their names: 50, 90, 99, 99.9."""
    found = percentiles(latencies_ms, SHARES)
    return {f"{share * 100:g}": value for share, value in zip(SHARES, found, strict=True)}


def steady(stand: Stand, contestant: Contestant, rows: Sequence[Row], plan: LatencyPlan) -> Segment:
    with stand.topics() as prefix, stand.running(contestant, prefix) as (process, _):
        reader = Reader(stand.bootstrap, [prefix + topic.name for topic in JOB_TOPICS])
        sender = Sender(stand.bootstrap, prefix + PROMPTS.name, rows, plan.rate)
        try:
            begun = time.monotonic()
            cpu, foreign = cpu_seconds(process.pid), stand.foreign_seconds(process.pid)
            sender.start()
            seen = reader.read({row.key for row in rows})
            sender.join()
            used = cpu_seconds(process.pid) - cpu
            others = share_of_cores(stand.foreign_seconds(process.pid) - foreign, time.monotonic() - begun)
        finally:
            reader.close()
    warm = round(plan.rate * plan.warm_s)
    latencies = [
        (seen[row.key] - sent) * 1_000
        for row, sent in zip(rows[warm:], sender.sent[warm:], strict=True)
        if row.key is not None
    ]
    return Segment(latencies, used / len(rows) * 1e6, sender.behind_s * 1_000, others)


class Sender(threading.Thread):
    """Hands `rows` to Kafka evenly; `sent` are the moments, `behind_s` how late the latest was."""

    def __init__(self, bootstrap: str, topic: str, rows: Sequence[Row], rate: int) -> None:
        super().__init__(name="sender", daemon=True)
        self._producer = Producer(
            {**QUIET, "bootstrap.servers": bootstrap, "linger.ms": 0, "partitioner": "murmur2_random"}
        )
        self._topic, self._rows, self._rate = topic, rows, rate
        self.sent: list[float] = []
        self.behind_s = 0.0

    def run(self) -> None:
        # The first send waits for metadata; it is none of the rows.
        self._producer.list_topics(self._topic, timeout=30)
        begun = time.monotonic() + 0.1
        for number, row in enumerate(self._rows):
            due = begun + number / self._rate
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            now = time.monotonic()
            self.behind_s = max(self.behind_s, now - due)
            self.sent.append(now)
            self._producer.produce(self._topic, key=row.key, value=row.value, headers=list(row.headers))
            self._producer.poll(0)
        self._producer.flush(30)


class Reader:
    """Notes when each key is first seen among committed records."""

    def __init__(self, bootstrap: str, topics: Sequence[str]) -> None:
        self._consumer = Consumer(
            {
                **QUIET,
                "bootstrap.servers": bootstrap,
                "group.id": f"{topics[0]}-reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.error.backoff.ms": 5,
            }
        )
        self._consumer.assign(
            [TopicPartition(t, number, OFFSET_BEGINNING) for t in topics for number in range(PARTITIONS)]
        )
        self._consumer.poll(1.0)

    def read(self, owed: set[bytes | None]) -> dict[bytes | None, float]:
        """Until every key that is owed was seen.

        Raises:
            BenchError: nothing came for half a minute.
        """
        seen: dict[bytes | None, float] = {}
        last = time.monotonic()
        while len(seen) < len(owed):
            message = self._consumer.poll(0.2)
            now = time.monotonic()
            if message is not None and message.error() is None:
                seen.setdefault(message.key(), now)
                last = now
            elif now - last > LATE_S:
                raise BenchError(f"{len(owed) - len(seen)} of {len(owed)} jobs have not come out")
        return seen

    def close(self) -> None:
        self._consumer.close()
