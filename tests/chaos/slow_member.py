"""One member of a group whose work takes minutes: `python -m tests.chaos.slow_member --help`.

It writes JSON lines: each turn of a rebalance as it comes, and at SIGTERM what it measured. A prompt's tags
say how its work is done and for how many seconds: `sleep`, `thread` (Python at full speed beside the event
loop, in the same interpreter) or `process` (at full speed in another one).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import orjson
import psutil

from schemas.events import PromptEvent
from streams.broker.guard import die_with_guard
from streams.runtime.stage import Emit
from tests.support.faults import HookedClients, Turn
from tests.support.stages import loop_of, numbered_result, stage_of

SAMPLE_S = 0.1
IN_FLIGHT = 64


@dataclass(slots=True)
class Measured:
    """What one member saw between its last assignment and its stop. Seconds and bytes."""

    heartbeats: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    settled: float = 0.0

    def begin(self) -> None:
        self.heartbeats.clear()
        self.lags.clear()
        self.memory.clear()
        self.settled = time.monotonic()

    def summary(self) -> dict[str, float]:
        now = time.monotonic()
        beats = [self.settled, *self.heartbeats, now]
        third = max(1, len(self.memory) // 3)
        return {
            "seconds": now - self.settled,
            "heartbeats": len(self.heartbeats),
            "longest_heartbeat_gap_s": max(later - sooner for sooner, later in itertools.pairwise(beats)),
            "longest_loop_lag_s": max(self.lags, default=0.0),
            "memory_first_third_bytes": mean(self.memory[:third]),
            "memory_last_third_bytes": mean(self.memory[-third:]),
            "memory_most_bytes": max(self.memory, default=0),
            "cpu_s": time.process_time(),
        }


def mean(values: Sequence[int]) -> float:
    return sum(values) / max(1, len(values))


def burn(seconds: float) -> int:
    """Keeps a core busy; how many rounds it got."""
    rounds, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        rounds += sum(range(1_000)) > 0
    return rounds


def lower_priority() -> None:
    os.nice(10)


class Work:
    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    async def handle(self, prompt: PromptEvent) -> Sequence[Emit]:
        manner, seconds = prompt.tags[0], float(prompt.tags[1])
        match manner:
            case "sleep":
                await asyncio.sleep(seconds)
            case "thread":
                await asyncio.to_thread(burn, seconds)
            case "process":
                await asyncio.get_running_loop().run_in_executor(self._pool, burn, seconds)
            case _:
                raise ValueError(f"tags[0] is {manner!r}; give sleep, thread or process")
        return (numbered_result(prompt),)


def listen_to_heartbeats(consumer: Any, measured: Measured) -> None:
    """Notes each heartbeat that the broker answered."""
    client = consumer._client
    send = client.send

    async def noting(node: object, request: object, **where: object) -> object:
        answer = await send(node, request, **where)
        if "Heartbeat" in type(request).__name__:
            measured.heartbeats.append(time.monotonic())
        return answer

    client.send = noting


async def sample(measured: Measured) -> None:
    """How late the event loop is, and how large the process."""
    process = psutil.Process()
    while True:
        due = time.monotonic() + SAMPLE_S
        await asyncio.sleep(SAMPLE_S)
        measured.lags.append(time.monotonic() - due)
        measured.memory.append(process.memory_info().rss)


def say(**fields: object) -> None:
    sys.stdout.write(orjson.dumps(fields).decode() + "\n")
    sys.stdout.flush()


async def serve(options: argparse.Namespace, pool: ProcessPoolExecutor) -> None:
    stop, measured = asyncio.Event(), Measured()

    def watch(turn: Turn, partitions: frozenset[int]) -> None:
        say(turn=turn, partitions=sorted(partitions), at=time.monotonic())
        measured.begin()

    loop = loop_of(
        options.bootstrap,
        options.prefix,
        stage_of(Work(pool).handle),
        consumer={name: value for name, value in chosen(options).items() if value},
        wrap=lambda clients: HookedClients(clients, watch=watch),
        slots=IN_FLIGHT,
        max_in_flight=IN_FLIGHT,
    )

    def leave() -> None:
        say(generation=generation(loop.consumer), **measured.summary())
        stop.set()

    listen_to_heartbeats(loop.consumer, measured)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave)
    sampler = asyncio.create_task(sample(measured))
    await loop.run(stop)
    sampler.cancel()


def generation(consumer: Any) -> int:
    found: int = consumer._coordinator.generation
    return found


def chosen(options: argparse.Namespace) -> dict[str, int]:
    return {
        "session_timeout_ms": options.session_ms,
        "heartbeat_interval_ms": options.heartbeat_ms,
        "max_poll_interval_ms": options.max_poll_ms,
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--prefix", default="", help="of topics and group")
    for name in ("session", "heartbeat", "max-poll"):
        parser.add_argument(f"--{name}-ms", type=int, default=0, help="0 is the product's own")
    options = parser.parse_args(argv)
    die_with_guard()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=lower_priority) as pool:
        asyncio.run(serve(options, pool))
    return 0


if __name__ == "__main__":
    sys.exit(main())
