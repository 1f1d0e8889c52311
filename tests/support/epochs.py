"""One epoch of a partition with a clock that only sleeping moves and transactions that are written down."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import random
from collections.abc import Iterable
from typing import Any, cast

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from schemas.events import PromptEvent
from schemas.wire import encode
from streams.runtime.partition import PartitionEpoch
from streams.runtime.records import Outgoing
from streams.runtime.retry import RetryPolicy
from streams.runtime.stage import Stage
from streams.runtime.transactions import Transactions
from streams.runtime.work import Worker
from tests.support.records import StoredRecord
from tests.support.stages import keep

TP = TopicPartition("prompts", 0)
START = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)


@dataclasses.dataclass
class VirtualClock:
    """Sleeping moves the clock, at once."""

    elapsed: float = 0.0

    def now(self) -> dt.datetime:
        return START + dt.timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.elapsed += seconds
        await asyncio.sleep(0)


class GatedTransactions:
    """Stands for `Transactions`: a commit waits for `gate`, which is open unless a test closes it."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.outputs: list[Outgoing] = []
        self.marks: list[OffsetAndMetadata] = []
        self.closed = False

    async def start(self) -> None: ...

    async def commit(self, outputs: Iterable[Outgoing], mark: OffsetAndMetadata) -> None:
        sent = list(outputs)
        await self.gate.wait()
        self.outputs += sent
        self.marks.append(mark)

    async def close(self) -> None:
        self.closed = True


class Seeker:
    def seek(self, _partition: TopicPartition, _offset: int) -> None: ...


def prompt_record(offset: int, *, key: str, number: str) -> StoredRecord:
    event = PromptEvent(id=f"p{number}", source="test", prompt=number)
    return StoredRecord("prompts", 0, offset, 0, key.encode(), encode(event), ())


def worker_of(
    stage: Stage[PromptEvent], *, clock: VirtualClock | None = None, slots: asyncio.Semaphore | None = None
) -> Worker[PromptEvent]:
    return Worker(
        stage,
        prefix="",
        retry=RetryPolicy(),
        clock=clock or VirtualClock(),
        rng=random.Random(1),
        slots=slots or asyncio.Semaphore(8),
        keep=keep,
    )


async def started_epoch(worker: Worker[Any]) -> tuple[PartitionEpoch, GatedTransactions]:
    """Owns an empty log from its beginning on."""
    written = GatedTransactions()
    epoch = PartitionEpoch(
        TP,
        transactions=cast(Transactions, written),
        worker=worker,
        on_committed=lambda _batch: None,
    )

    async def committed(_tp: TopicPartition) -> OffsetAndMetadata | None:
        return None

    async def bounds(_tp: TopicPartition) -> tuple[int, int]:
        return 0, 1_000_000

    await epoch.start(Seeker(), committed, bounds)
    return epoch, written
