"""A transaction given up while its records are unanswered ends then, and not when the broker comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaTimeoutError
from aiokafka.structs import OffsetAndMetadata

from streams.runtime.clients import Producer
from streams.runtime.records import Outgoing
from streams.runtime.transactions import Transactions
from tests.support.epochs import TP

SOON_S = 5.0
MARK = OffsetAndMetadata(1, "")


class OneRecord:
    """A batch that takes one record."""

    def __init__(self) -> None:
        self._taken = False

    def append(self, **_record: object) -> object | None:
        full, self._taken = self._taken, True
        return None if full else object()


class SilentProducer:
    """Takes batches and never says what became of them; after `full_at` it does not even take them."""

    def __init__(self, full_at: int = 1_000) -> None:
        self.sent: list[asyncio.Future[Any]] = []
        self.full = asyncio.Event()
        self._full_at = full_at

    async def begin_transaction(self) -> None: ...

    def hush(self) -> None: ...

    async def partitions_for(self, _topic: str) -> Collection[int]:
        return [0]

    def create_batch(self) -> OneRecord:
        return OneRecord()

    async def send_batch(self, _batch: OneRecord, _topic: str, *, partition: int) -> asyncio.Future[Any]:
        assert partition == 0
        if len(self.sent) == self._full_at:
            await asyncio.Event().wait()
        self.sent.append(asyncio.get_running_loop().create_future())
        if len(self.sent) == self._full_at:
            self.full.set()
        return self.sent[-1]


def outputs(count: int) -> Iterable[Outgoing]:
    headers: Sequence[tuple[str, bytes]] = ()
    return [Outgoing("results", b"key", b"value", headers) for _ in range(count)]


def transactions(producer: SilentProducer) -> Transactions:
    return Transactions(TP, group="group", producer=cast(Producer, producer))


async def test_a_commit_that_is_cancelled_does_not_wait_for_what_no_broker_answers() -> None:
    producer = SilentProducer(full_at=3)
    committing = asyncio.create_task(transactions(producer).commit(outputs(8), MARK))
    await producer.full.wait()
    committing.cancel()
    done, _ = await asyncio.wait({committing}, timeout=SOON_S)
    assert done
    assert committing.cancelled()


async def test_a_commit_that_takes_too_long_ends_with_a_timeout_though_its_records_are_unanswered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.runtime.transactions.TRANSACTION_S", 0.01)
    producer = SilentProducer()
    committing = asyncio.create_task(transactions(producer).commit(outputs(3), MARK))
    done, _ = await asyncio.wait({committing}, timeout=SOON_S)
    assert done
    assert isinstance(committing.exception(), TimeoutError)
    assert len(producer.sent) == 3


async def test_what_becomes_of_the_records_later_is_nobodys_unseen_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Closing the producer fails them all: asyncio would report each as never retrieved."""
    monkeypatch.setattr("streams.runtime.transactions.TRANSACTION_S", 0.01)
    unseen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unseen.append(context))
    producer = SilentProducer()
    with pytest.raises(TimeoutError):
        await transactions(producer).commit(outputs(3), MARK)
    for future in producer.sent:
        if not future.done():
            future.set_exception(KafkaTimeoutError())
    await asyncio.sleep(0)
    producer.sent.clear()
    del future
    assert unseen == []


async def test_one_refused_batch_ends_the_commit_though_the_others_are_unanswered() -> None:
    producer = SilentProducer(full_at=3)
    committing = asyncio.create_task(transactions(producer).commit(outputs(3), MARK))
    await asyncio.wait_for(producer.full.wait(), SOON_S)
    producer.sent[1].set_exception(KafkaTimeoutError())
    with pytest.raises(KafkaTimeoutError):
        await asyncio.wait_for(committing, SOON_S)
