"""Outputs take memory too: they are counted, and one feed makes no more than a bounded number of them."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from dataclasses import replace

from schemas.events import PromptEvent, PromptRef, Result
from schemas.topics import RESULTS
from streams.runtime.partition import OUTPUT_BYTES, TRANSACTION_OUTPUTS, PartitionEpoch
from streams.runtime.stage import Emit
from tests.support.epochs import GatedTransactions, prompt_record, started_epoch, worker_of
from tests.support.stages import stage_of

FED = 64
EACH = 200


def many(count: int, *, reason_bytes: int = 0) -> Sequence[Emit]:
    ref = PromptRef("test", "p")
    reason = "x" * reason_bytes
    return [
        Emit(RESULTS, Result(id=f"{number}", ref=ref, final=True, status="accepted", reason=reason))
        for number in range(count)
    ]


async def never(_prompt: PromptEvent) -> Sequence[Emit]:
    raise AssertionError("done at once, so that nobody needs to wait")


class AtOnce:
    """Makes `count` outputs for each record, in place, and counts the records."""

    def __init__(self, count: int, *, reason_bytes: int = 0) -> None:
        self._count, self._reason_bytes = count, reason_bytes
        self.made: list[str] = []

    def decide(self, prompt: PromptEvent) -> Sequence[Emit]:
        self.made.append(prompt.prompt)
        return many(self._count, reason_bytes=self._reason_bytes)

    async def fed(self, records: int) -> tuple[PartitionEpoch, GatedTransactions]:
        """An epoch that was given `records` records while its transaction does not end."""
        epoch, written = await started_epoch(worker_of(stage_of(never, at_once=self.decide)))
        written.gate.clear()
        epoch.feed(prompt_record(offset, key=f"{offset}", number=f"{offset}") for offset in range(records))
        return epoch, written


async def committed(epoch: PartitionEpoch, written: GatedTransactions, records: int) -> None:
    """Goes on as the loop does, until the mark stands behind the last record."""
    written.gate.set()
    async with asyncio.timeout(10.0):
        while not written.marks or written.marks[-1].offset < records:
            epoch.work_on()
            await asyncio.sleep(0)


async def test_one_feed_makes_no_more_outputs_than_one_transaction_takes_and_the_rest_waits() -> None:
    stage = AtOnce(EACH)
    epoch, written = await stage.fed(FED)
    assert TRANSACTION_OUTPUTS <= len(stage.made) * EACH < TRANSACTION_OUTPUTS + EACH
    assert epoch.full, "more would be fetched for it"
    assert epoch.received == FED
    await committed(epoch, written, FED)
    await epoch.release()
    assert stage.made == [f"{offset}" for offset in range(FED)]
    assert len(written.outputs) == FED * EACH
    assert not epoch.full


async def test_one_feed_makes_no_more_dead_letters_than_one_transaction_takes_and_the_rest_waits() -> None:
    stage, records = AtOnce(1), TRANSACTION_OUTPUTS + 500
    epoch, written = await stage.fed(0)
    poison = (replace(prompt_record(n, key=f"{n}", number="0"), value=b"?") for n in range(records))
    epoch.feed(poison)
    assert epoch.full, "more would be fetched for it"
    await committed(epoch, written, records)
    await epoch.release()
    assert [output.topic for output in written.outputs] == ["dead-letters"] * records


async def test_outputs_that_wait_for_a_commit_count_as_memory_until_they_are_committed() -> None:
    stage, records = AtOnce(3, reason_bytes=10_000), 5
    epoch, written = await stage.fed(records)
    fed = sum(len(prompt_record(n, key="", number=f"{n}").value or b"") for n in range(records))
    made = epoch.held_bytes - fed
    assert made > 3 * records * 10_000
    await committed(epoch, written, records)
    await asyncio.sleep(0)
    await epoch.release()
    assert made == sum(len(output.value or b"") for output in written.outputs)
    assert epoch.held_bytes == 0


async def test_no_record_is_begun_while_the_outputs_of_earlier_ones_fill_the_partitions_share() -> None:
    """However often the loop asks: what stands in the way is the commit, not the turn."""
    large = 500_000
    stage, records = AtOnce(2, reason_bytes=large), 40
    epoch, written = await stage.fed(records)
    for _ in range(100):
        assert epoch.work_on()
        await asyncio.sleep(0)
    share = OUTPUT_BYTES // (2 * large)
    assert share <= len(stage.made) <= share + 1
    await committed(epoch, written, records)
    await epoch.release()
    assert len(written.outputs) == 2 * records


async def test_records_handed_back_from_the_backlog_are_not_committed() -> None:
    """The mark stays before the first record that was not begun: the next owner reads it again."""
    stage = AtOnce(EACH)
    epoch, written = await stage.fed(FED)
    begun = len(stage.made)
    written.gate.set()
    await epoch.drain(5.0)
    await epoch.release()
    assert begun < FED
    assert len(stage.made) == begun
    assert written.marks[-1].offset == begun
    assert [json.loads(output.value or b"{}")["id"] for output in written.outputs] == [
        f"{number}" for _, number in itertools.product(range(begun), range(EACH))
    ]
