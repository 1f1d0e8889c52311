"""What reviewing reads from Kafka and writes to it, where the log or the broker is not as one would wish."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from aiokafka.errors import KafkaError

from schemas.events import PromptRef, Review
from streams.reviewing import records
from streams.reviewing.order import LogOrder, in_order
from streams.reviewing.records import WriteFailed, Writer, open_writer
from streams.runtime.records import Record
from streams.settings import Settings
from tests.support.records import StoredRecord

REVIEW = Review(id="1", ref=PromptRef("s", "1"), render_id="r", reviewer="dana", score=3)


class SilentProducer:
    """A producer whose broker is gone: nothing it is asked for ever ends, not even when it is cancelled."""

    def __init__(self, **_options: Any) -> None:
        self.gone = asyncio.Event()

    async def start(self) -> None:
        pass

    async def send_and_wait(self, *_args: Any, **_named: Any) -> None:
        await self.gone.wait()

    async def stop(self) -> None:
        try:
            await self.gone.wait()
        except asyncio.CancelledError:
            await self.gone.wait()


class RefusingProducer(SilentProducer):
    async def send_and_wait(self, *_args: Any, **_named: Any) -> None:
        raise KafkaError("too large")


def now() -> dt.datetime:
    return dt.datetime(2026, 11, 23, tzinfo=dt.UTC)


def record(partition: int, offset: int, timestamp: int) -> Record:
    return StoredRecord("reviews", partition, offset, timestamp, None, None, ())


def sorted_by_log(written: list[Record]) -> list[tuple[int, int]]:
    order = LogOrder()
    placed = [(order.place(each), each) for each in written]
    return [(each.partition, each.offset) for each in in_order(placed)]


def test_within_a_partition_the_log_is_the_order_though_a_clock_was_set_back() -> None:
    assert sorted_by_log([record(0, 0, 900), record(0, 1, 100), record(0, 2, 950)]) == [
        (0, 0),
        (0, 1),
        (0, 2),
    ]


def test_between_partitions_times_are_the_order() -> None:
    written = [record(0, 0, 100), record(0, 1, 300), record(1, 0, 200), record(1, 1, 400)]
    assert sorted_by_log(written) == [(0, 0), (1, 0), (0, 1), (1, 1)]


async def test_a_broker_that_says_nothing_is_not_waited_for_for_ever() -> None:
    with pytest.raises(WriteFailed, match=r"t: no word from the broker in 0\.01 s"):
        await Writer(SilentProducer(), "t", now, within_s=0.01).write(REVIEW)


async def test_what_the_broker_refuses_is_told_with_its_reason() -> None:
    with pytest.raises(WriteFailed, match=r"t: KafkaError: .*too large"):
        await Writer(RefusingProducer(), "t", now).write(REVIEW)


async def test_a_writer_that_cannot_close_is_left_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = SilentProducer()
    monkeypatch.setattr(records, "AIOKafkaProducer", lambda **_options: silent)
    monkeypatch.setattr(records, "CLOSED_WITHIN_S", 0.01)
    async with asyncio.timeout(10):
        async with open_writer(Settings(), now):
            pass
    assert "did not close: not done within 0.01 s" in capsys.readouterr().err
    silent.gone.set()
