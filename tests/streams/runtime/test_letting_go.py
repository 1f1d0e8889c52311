"""An epoch ends in bounded time and wholly, whatever its handlers do and whoever interrupts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from schemas.events import PromptEvent
from streams.runtime.clients import Admin, Clients, Consumer
from streams.runtime.ownership import LoopOptions, Ownership
from streams.runtime.stage import Emit
from tests.support.epochs import TP, VirtualClock, prompt_record, started_epoch, worker_of
from tests.support.stages import stage_of

# Far more than the bound that a test sets, far less than the wait of a handler that nobody lets go.
SOON_S = 5.0


class SlowToLeave:
    """A handler that, cancelled, says goodbye to a server that does not answer until `answered`."""

    def __init__(self) -> None:
        self.begun, self.leaving, self.answered = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(self, _prompt: PromptEvent) -> Sequence[Emit]:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.leaving.set()
            await self.answered.wait()
        return ()


async def others_ended() -> None:
    """Waits for the tasks of this test that are about to end; those that never do are a failure."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, left = await asyncio.wait(others, timeout=SOON_S)
        assert not left


async def test_a_release_ends_within_its_bound_though_a_handler_cleans_up_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.runtime.partition.RELEASE_S", 0.05)
    slow = SlowToLeave()
    epoch, written = await started_epoch(worker_of(stage_of(slow.handle)))
    epoch.feed([prompt_record(0, key="a", number="7")])
    await slow.begun.wait()
    await asyncio.wait_for(epoch.release(), SOON_S)
    assert slow.leaving.is_set()
    assert (written.closed, written.marks) == (True, [])
    slow.answered.set()
    await others_ended()
    assert written.marks == []


async def test_a_release_ends_within_its_bound_though_a_transaction_never_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.runtime.partition.RELEASE_S", 0.05)

    async def handle(_prompt: PromptEvent) -> Sequence[Emit]:
        return ()

    epoch, written = await started_epoch(worker_of(stage_of(handle)))
    written.gate.clear()
    epoch.feed([prompt_record(0, key="a", number="7")])
    assert not await epoch.drain(0.01)
    await asyncio.wait_for(epoch.release(), SOON_S)
    assert (written.closed, written.marks) == (True, [])
    await others_ended()


class IdleProducer:
    """A producer that is never given a transaction."""

    stopped = False

    async def start(self) -> None: ...

    async def stop(self) -> None:
        self.stopped = True

    async def abandon(self) -> None: ...

    def hush(self) -> None: ...


class IdleCluster:
    """Stands for clients, consumer and admin of an empty log."""

    def __init__(self) -> None:
        self.producers: list[IdleProducer] = []

    def producer(self, _transactional_id: str) -> IdleProducer:
        self.producers.append(IdleProducer())
        return self.producers[-1]

    async def last_ending(self, _transactional_id: str) -> None:
        return None

    async def stable_offset(self, _group: str, _tp: TopicPartition) -> OffsetAndMetadata | None:
        return None

    async def beginning_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 100)

    def seek(self, _partition: TopicPartition, _offset: int) -> None: ...
    def pause(self, *_partitions: TopicPartition) -> None: ...


@asynccontextmanager
async def replacing(slow: SlowToLeave, cluster: IdleCluster) -> AsyncIterator[Ownership]:
    """An ownership in the middle of replacing a failed epoch, whose handler has not let go yet."""
    unused: Any = cluster
    owned = Ownership(
        LoopOptions(group="group", topic=TP.topic, revoke_s=0.01),
        cast(Clients, unused),
        worker_of(stage_of(slow.handle)),
        consumer=cast(Consumer, unused),
        admin=cast(Admin, unused),
        clock=VirtualClock(),
        on_committed=lambda _batch: None,
    )
    owned.on_partitions_assigned([TP])
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
    epoch = owned.epochs[TP]
    epoch.feed([prompt_record(0, key="a", number="7")])
    await slow.begun.wait()
    epoch.failed = RuntimeError("timed out")
    owned.replace_failed()
    await slow.leaving.wait()
    yield owned
    assert epoch.running == 0
    await others_ended()


@pytest.mark.parametrize("by", ["revoke", "stop"])
async def test_a_release_that_is_interrupted_is_carried_to_its_end_before_the_partition_goes_on(
    by: str,
) -> None:
    """Else handlers nobody owns any more would work on, and a producer would never be closed."""
    slow, cluster = SlowToLeave(), IdleCluster()
    async with replacing(slow, cluster) as owned:
        interrupting = asyncio.create_task(
            owned.on_partitions_revoked([TP]) if by == "revoke" else owned.close()
        )
        done, _ = await asyncio.wait({interrupting}, timeout=0.05)
        assert not done, "the partition went on before its handler had let go"
        slow.answered.set()
        await asyncio.wait_for(interrupting, SOON_S)
        assert [producer.stopped for producer in cluster.producers] == [True]
        assert owned.epochs == {}


async def test_a_partition_assigned_after_the_close_is_not_begun() -> None:
    slow, cluster = SlowToLeave(), IdleCluster()
    async with replacing(slow, cluster) as owned:
        slow.answered.set()
        await owned.close()
        owned.on_partitions_assigned([TP])
        assert len(cluster.producers) == 1
