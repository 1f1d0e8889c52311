"""One stage process on the real runtime, to be killed: `python -m tests.chaos.worker --help`.

Each numbered event becomes one numbered result after a little work. SIGTERM drains it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from schemas.events import PromptEvent, PromptRef, Result, Status
from schemas.topics import PROMPTS, RESULTS
from streams.broker.guard import die_with_guard
from streams.runtime.clients import Admin, Clients, Consumer, KafkaClients, Producer
from streams.runtime.errors import Permanent, Retryable
from streams.runtime.loop import StageLoop
from streams.runtime.stage import Emit, GivenUp, Stage
from streams.stages.finals import failed_final
from tests.chaos.tally import Tally
from tests.chaos.workload import kind, stumbles, work_s
from tests.support.stages import loop_of

CONTROLS = ("none", "one-id-per-worker")
SESSION_MS = 2_500
# Everything that production has at 40 to 90 s, short enough that a swallowed answer is found out in a run.
CONSUMER: Mapping[str, Any] = {
    "session_timeout_ms": SESSION_MS,
    "heartbeat_interval_ms": 300,
    "rebalance_timeout_ms": 8_000,
    "request_timeout_ms": 10_000,
    "retry_backoff_ms": 50,
}
PRODUCER: Mapping[str, Any] = {"request_timeout_ms": 5_000, "transaction_timeout_ms": 10_000}


class Work:
    """What the stage does; an event that stumbles fails the first time this process tries it."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._stumbled: set[int] = set()

    async def handle(self, prompt: PromptEvent) -> Sequence[Emit]:
        number = int(prompt.prompt)
        await asyncio.sleep(work_s(number))
        if stumbles(number) and number not in self._stumbled:
            self._stumbled.add(number)
            raise Retryable(f"event {number} stumbles")
        self._tally.add()
        if kind(number) == "refused":
            raise Permanent(f"event {number} is refused", code="refused")
        return [Emit(RESULTS, result(prompt))]


def give_up(prompt: PromptEvent, error: Exception) -> GivenUp:
    """A refused event leaves a dead letter and a failed result under its own number."""
    return GivenUp([Emit(RESULTS, result(prompt, status="failed", reason=str(error)))])


def result(prompt: PromptEvent, *, status: Status = "accepted", reason: str = "") -> Result:
    """A result's id is the event's number."""
    ref = PromptRef(prompt.source, prompt.id)
    return Result(id=prompt.prompt, ref=ref, final=True, status=status, reason=reason)


def number_of(prompt: PromptEvent) -> bytes:
    return prompt.prompt.encode()


class UnfencedClients:
    """The planted fault: transactional ids that carry the worker's name, so that nobody who takes over a
    partition fences the owner before. aiokafka's documentation shows one id a worker.
    """

    def __init__(self, inner: Clients, worker: str) -> None:
        self._inner = inner
        self._worker = worker

    def consumer(self, group: str) -> Consumer:
        return self._inner.consumer(group)

    def producer(self, transactional_id: str) -> Producer:
        return self._inner.producer(f"{transactional_id}-{self._worker}")

    def admin(self) -> Admin:
        return self._inner.admin()


def build(options: argparse.Namespace) -> StageLoop:
    work = Work(Tally(options.tally))
    stage = Stage("chaos", PROMPTS, PromptEvent, work.handle, give_up, failed_final, identity=number_of)

    def wrap(clients: KafkaClients) -> Clients:
        if options.control == "none":
            return clients
        return UnfencedClients(clients, options.tally.stem)

    return loop_of(
        options.bootstrap,
        options.prefix,
        stage,
        consumer=CONSUMER,
        producer=PRODUCER,
        slots=options.in_flight,
        wrap=wrap,
        max_in_flight=options.in_flight,
        revoke_s=2.0,
    )


async def serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await build(options).run(stop)


def write_log() -> None:
    """What the runtime says about epochs; dead letters and resends are counted by the checker."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("streams.runtime.partition").setLevel(logging.INFO)
    logging.getLogger("streams.runtime.work").setLevel(logging.ERROR)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--prefix", default="", help="of the topics")
    parser.add_argument("--tally", type=Path, required=True, help="file for this worker's counter")
    parser.add_argument("--in-flight", type=int, default=128)
    parser.add_argument("--control", choices=CONTROLS, default="none", help="plant a fault")
    options = parser.parse_args(argv)
    die_with_guard()
    write_log()
    asyncio.run(serve(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
