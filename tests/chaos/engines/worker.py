"""One polish stage that spends, to be killed: `python -m tests.chaos.engines.worker --help`.

Built as `streams/line.py` builds it, with the providers' contracts spoken to an emulator, on a day when all
their models live. Time-outs and leases are those of a run that lasts minutes. SIGTERM drains it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from inference.assets import AssetStore
from inference.engines.adapters import ADAPTERS, HostedEngines
from inference.engines.ledger import (
    Answer,
    AsyncLedger,
    Beginning,
    Budget,
    Call,
    Leases,
    Ledger,
    LookUp,
    Row,
    parse_budget,
)
from inference.engines.registry import Engines, Registry, load_registry
from inference.render import RenderService
from inference.spending import Spending
from schemas.events import Asset, RenderJob
from streams.broker.guard import die_with_guard
from streams.line import list_price
from streams.runtime.clients import KafkaClients
from streams.runtime.clock import SystemClock
from streams.runtime.deadletters import DeadLetterLimit, DeadLetterWatch
from streams.runtime.loop import StageLoop
from streams.runtime.ownership import LoopOptions
from streams.runtime.retry import RetryPolicy
from streams.runtime.stage import Emit, Stage
from streams.runtime.work import Worker
from streams.settings import Settings
from streams.stages.draw import DrawDeps
from streams.stages.polish import polish_stage
from tests.chaos.engines.jobs import number_of
from tests.chaos.worker import CONSUMER, PRODUCER

CONTROLS: Final = ("none", "pays-again", "settles-nothing", "drops-jobs")
TODAY: Final = dt.date(2026, 5, 1)
TIMEOUT_S: Final = 2.5
LEASES: Final = Leases(intent_s=4.0, margin_s=1.5)
TEND_S: Final = 3.0
DROPPED: Final = 25
KEYS: Final = dict.fromkeys(
    ("GEMINI_API_KEY", "OPENAI_API_KEY", "IDEOGRAM_API_KEY", "STABILITY_API_KEY"), "a-key-for-the-emulator"
)


class AmnesicLedger(AsyncLedger):
    """A planted fault: each process begins every job anew, whatever others have written of it."""

    async def begin(
        self,
        call: Call,
        budgets: Sequence[Budget] = (),
        *,
        repeatable: bool = False,
        look_up: LookUp | None = None,
    ) -> Beginning:
        own = dataclasses.replace(call, asked=f"{call.asked} {os.getpid()}")
        return await super().begin(own, budgets, repeatable=repeatable, look_up=look_up)


class MuteLedger(AsyncLedger):
    """A planted fault: how a call ended is never written."""

    async def settle(self, row: Row, answer: Answer) -> Row:  # noqa: ARG002 # the ledger's own signature
        return row


LEDGERS: Final[Mapping[str, type[AsyncLedger]]] = {
    "pays-again": AmnesicLedger,
    "settles-nothing": MuteLedger,
}


def hurried(registry: Registry) -> Registry:
    """The registry with time-outs that a run can wait for."""
    return Registry({entry.name: msgspec.structs.replace(entry, timeout_s=TIMEOUT_S) for entry in registry})


@contextlib.asynccontextmanager
async def service_of(options: argparse.Namespace, store: AssetStore) -> AsyncIterator[RenderService]:
    registry = hurried(load_registry())
    engines = Engines(
        registry,
        today=lambda: TODAY,
        environ=KEYS,
        hosted=HostedEngines(registry, addresses=dict.fromkeys(ADAPTERS, options.emulator)),
    )
    ledger = await asyncio.to_thread(Ledger.open, options.ledger, leases=LEASES)
    budgets = [parse_budget(text) for text in options.budget]
    spending = Spending(LEDGERS.get(options.control, AsyncLedger)(ledger), budgets)
    tending = asyncio.create_task(spending.keep_tending(store, every_s=TEND_S))
    try:
        yield RenderService(engines, store, time.monotonic, spending=spending)
    finally:
        tending.cancel()
        await asyncio.wait((tending,))
        await engines.aclose()
        await spending.aclose()


def loop_of(options: argparse.Namespace, stage: Stage[RenderJob], store: AssetStore) -> StageLoop:
    async def keep(data: bytes) -> Asset:
        return await store.put(data, "application/json")

    settings = Settings(bootstrap=options.bootstrap, topic_prefix=options.prefix)
    clients = KafkaClients.of(settings)
    clients = dataclasses.replace(
        clients,
        consumer_options={**clients.consumer_options, **CONSUMER},
        producer_options={**clients.producer_options, **PRODUCER},
    )
    clock = SystemClock()
    worker: Worker[Any] = Worker(
        stage,
        prefix=settings.topic_prefix,
        retry=RetryPolicy(longest_s=3.0),
        clock=clock,
        rng=random.SystemRandom(),
        slots=asyncio.Semaphore(settings.concurrency),
        keep=keep,
    )
    loop_options = LoopOptions(
        group=group_of(options.prefix),
        topic=options.prefix + stage.topic.name,
        max_in_flight=settings.max_in_flight,
        drain_s=5.0,
        revoke_s=2.0,
    )
    return StageLoop(worker, loop_options, clients, clock=clock, watch=DeadLetterWatch(DeadLetterLimit()))


def group_of(prefix: str) -> str:
    return f"{prefix}glyphstream.polish"


def losing(stage: Stage[RenderJob]) -> Stage[RenderJob]:
    """A planted fault: of every so many jobs one leaves nothing behind."""

    async def handle(job: RenderJob) -> Sequence[Emit]:
        return () if number_of(job.ref.id) % DROPPED == 0 else await stage.handle(job)

    return dataclasses.replace(stage, handle=handle)


async def serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    store = AssetStore.open(options.assets)
    async with service_of(options, store) as service:
        stage = polish_stage(DrawDeps(service, SystemClock(), list_price(load_registry())))
        if options.control == "drops-jobs":
            stage = losing(stage)
        await loop_of(options, stage, store).run(stop)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--prefix", default="", help="of the topics")
    parser.add_argument("--emulator", required=True, help="its address")
    parser.add_argument("--ledger", required=True, help="a path, or postgresql://...")
    parser.add_argument("--assets", type=Path, required=True)
    parser.add_argument("--budget", action="append", default=[], help="SCOPE=DOLLARS or SCOPE:NAME=DOLLARS")
    parser.add_argument("--control", choices=CONTROLS, default="none", help="plant a fault")
    options = parser.parse_args(argv)
    die_with_guard()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    asyncio.run(serve(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
