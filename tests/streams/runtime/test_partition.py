"""One epoch of a partition, with transactions that are only written down."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from schemas.events import PromptEvent
from schemas.wire import encode
from streams.runtime.clock import SystemClock
from streams.runtime.offsets import encode_finished
from streams.runtime.partition import PartitionEpoch
from streams.runtime.records import Outgoing
from streams.runtime.retry import RetryPolicy
from streams.runtime.stage import Emit
from streams.runtime.transactions import Transactions
from streams.runtime.work import Worker
from tests.support.records import StoredRecord
from tests.support.stages import keep, numbered_result, stage_of

TP = TopicPartition("prompts", 0)


class WrittenDown:
    """Stands for `Transactions`: remembers what was committed."""

    def __init__(self) -> None:
        self.outputs: list[Outgoing] = []
        self.marks: list[OffsetAndMetadata] = []
        self._more = asyncio.Event()

    async def marked(self, offset: int) -> None:
        """Returns once `offset` is committed."""
        while not self.marks or self.marks[-1].offset < offset:
            self._more.clear()
            await self._more.wait()

    async def start(self) -> None: ...

    async def commit(self, outputs: Iterable[Outgoing], mark: OffsetAndMetadata) -> None:
        self.outputs += outputs
        self.marks.append(mark)
        self._more.set()

    async def close(self) -> None: ...


class Position:
    at = -1

    def seek(self, _partition: TopicPartition, offset: int) -> None:
        self.at = offset


def record(offset: int, *, key: str, number: str) -> StoredRecord:
    event = PromptEvent(id=f"p{number}", source="test", prompt=number)
    return StoredRecord("prompts", 0, offset, 0, key.encode(), encode(event), ())


async def started(
    handle: Callable[[PromptEvent], Any],
    *,
    committed: int | None = None,
    metadata: str = "",
    position: Position | None = None,
    horizon: int = 100,
) -> tuple[PartitionEpoch, WrittenDown]:
    written = WrittenDown()
    worker = Worker(
        stage_of(handle, identity=lambda prompt: prompt.prompt.encode()),
        prefix="",
        retry=RetryPolicy(),
        clock=SystemClock(),
        rng=random.Random(1),
        slots=asyncio.Semaphore(8),
        keep=keep,
    )
    epoch = PartitionEpoch(
        TP,
        transactions=cast(Transactions, written),
        worker=worker,
        on_committed=lambda _batch: None,
        resend_horizon=horizon,
    )

    async def mark(_tp: TopicPartition) -> OffsetAndMetadata | None:
        return None if committed is None else OffsetAndMetadata(committed, metadata)

    async def bounds(_tp: TopicPartition) -> tuple[int, int]:
        return 0, 1_000_000

    await epoch.start(position or Position(), mark, bounds)
    return epoch, written


async def echo(prompt: PromptEvent) -> Sequence[Emit]:
    return (numbered_result(prompt),)


async def test_a_resend_under_another_key_is_dropped_also_when_the_first_still_waits() -> None:
    go_on = asyncio.Event()

    async def handle(prompt: PromptEvent) -> Sequence[Emit]:
        if prompt.prompt == "slow":
            await go_on.wait()
        return (numbered_result(prompt),)

    epoch, written = await started(handle)
    epoch.feed(
        [
            record(0, key="a", number="slow"),
            record(1, key="a", number="seven"),  # stands in line behind the slow one
            record(2, key="b", number="seven"),
        ]
    )
    go_on.set()
    assert await epoch.drain(5.0)
    await epoch.release()
    assert sorted(output.value or b"" for output in written.outputs) == sorted(
        encode(numbered_result(PromptEvent(id=f"p{number}", source="test", prompt=number)).event)
        for number in ("slow", "seven")
    )
    assert written.marks[-1].offset == 3


async def test_a_new_owner_reads_far_enough_back_to_know_every_resend_of_the_horizon() -> None:
    position = Position()
    epoch, written = await started(echo, committed=1_000, position=position, horizon=100)
    # Between any two records there may be a transaction marker.
    assert position.at == 800
    epoch.feed([record(802, key="a", number="once")])
    epoch.feed([record(1_000, key="b", number="once"), record(1_001, key="b", number="new")])
    assert await epoch.drain(5.0)
    await epoch.release()
    assert len(written.outputs) == 1
    assert written.marks[-1].offset == 1_002


async def test_a_released_epoch_commits_nothing_that_finishes_later() -> None:
    go_on = asyncio.Event()

    async def handle(prompt: PromptEvent) -> Sequence[Emit]:
        await go_on.wait()
        return (numbered_result(prompt),)

    epoch, written = await started(handle)
    epoch.feed([record(0, key="a", number="late")])
    assert not await epoch.drain(0.01)
    await epoch.release()
    go_on.set()
    await asyncio.sleep(0)
    assert (written.outputs, written.marks) == ([], [])


@pytest.mark.parametrize("parsed", [True, False])
async def test_what_an_earlier_owner_finished_moves_the_mark_without_new_work(
    parsed: bool,
) -> None:
    epoch, written = await started(echo, committed=5, metadata=encode_finished(5, [5, 6]))
    for offset in (5, 6):
        if parsed:
            epoch.feed([record(offset, key="a", number=f"{offset}")])
        else:
            epoch.skip(record(offset, key="a", number=f"{offset}"), ValueError("a header"))
    async with asyncio.timeout(5.0):
        await written.marked(7)
    await epoch.release()
    assert written.outputs == []
