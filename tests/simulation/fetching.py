"""The half of a consumer that fetches: positions, records fetched ahead, and what a seek makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from tests.simulation.cluster import Cluster
from tests.simulation.log import Entry

RETRY_S = 0.1
IDLE_S = 0.3
FETCH_RECORDS = 12


@dataclass(slots=True)
class Partition:
    """`fetched` holds records asked for at `fetched_from`; None where nothing is."""

    position: int | None = None
    paused: bool = False
    fetched: Sequence[Entry] | None = None
    fetched_from: int = 0
    fetched_to: int = 0


class Fetcher:
    """One assignment's. `something` is set when records have come."""

    def __init__(self, cluster: Cluster, tps: Iterable[TopicPartition], something: asyncio.Event) -> None:
        self._cluster = cluster
        self._something = something
        self._changed = asyncio.Event()
        self.partitions = {tp: Partition() for tp in tps}

    def of(self, tp: TopicPartition) -> Partition:
        try:
            return self.partitions[tp]
        except KeyError:
            raise IllegalStateError(f"No current assignment for partition {tp}") from None

    def change(self, tp: TopicPartition, *, paused: bool | None = None, position: int | None = None) -> None:
        partition = self.of(tp)
        if paused is not None and paused != partition.paused:
            partition.paused = paused
            self._changed.set()
        if position is not None:
            partition.position = position
            self._changed.set()

    async def run(self) -> None:
        await self._start_positions()
        while True:
            self._changed.clear()
            wanted = self._wanted()
            if not wanted:
                await self._changed.wait()
            elif not await self._fetch(wanted):
                await _wait(self._changed, IDLE_S)

    async def _start_positions(self) -> None:
        """From the offsets committed by now; a transaction that is under way shows only when it has ended."""
        cluster, tps = self._cluster, list(self.partitions)
        while True:
            try:
                found = await cluster.network.call(lambda: cluster.committed(tps), coordinator=True)
                break
            except KafkaError:
                await asyncio.sleep(RETRY_S)
        for tp, partition in self.partitions.items():
            mark = found.get(tp)
            if partition.position is None:
                partition.position = cluster.logs[tp].start if mark is None else mark.offset

    def _wanted(self) -> list[tuple[TopicPartition, int]]:
        return [
            (tp, partition.position)
            for tp, partition in self.partitions.items()
            if partition.fetched is None and not partition.paused and partition.position is not None
        ]

    async def _fetch(self, wanted: Sequence[tuple[TopicPartition, int]]) -> bool:
        """True when there was something new, or the position had to be moved."""
        try:
            answers = await self._cluster.network.call(lambda: self._cluster.fetch(wanted, FETCH_RECORDS))
        except KafkaError:
            await asyncio.sleep(RETRY_S)
            return True
        moved = False
        for (tp, asked), answer in zip(wanted, answers, strict=True):
            partition = self.partitions[tp]
            if partition.position != asked:
                continue
            if answer is None:
                # Out of range: auto_offset_reset is earliest.
                partition.position, moved = self._cluster.logs[tp].start, True
                continue
            records, to = answer
            if records:
                partition.fetched, partition.fetched_from, partition.fetched_to = records, asked, to
                self._something.set()
            moved = moved or to != asked
            if not records:
                partition.position = to
        return moved

    def drain(self, wanted: Sequence[TopicPartition], most: int) -> dict[TopicPartition, Sequence[Entry]]:
        """What was fetched and is still asked for.

        A record that cannot be parsed raises, and what was drained before it in this call is gone, though
        the positions have moved: so does aiokafka.
        """
        drained: dict[TopicPartition, Sequence[Entry]] = {}
        for tp, partition in self.partitions.items():
            if (wanted and tp not in wanted) or partition.fetched is None or most == 0:
                continue
            if partition.paused or partition.position != partition.fetched_from:
                self._drop(partition)
                continue
            drained[tp] = taken = self._take(partition, partition.fetched, most)
            most -= len(taken)
        return drained

    def _take(self, partition: Partition, fetched: Sequence[Entry], most: int) -> Sequence[Entry]:
        taken = fetched[:most]
        for entry in taken:
            if entry.unparsable:
                self._drop(partition)
                raise ValueError(f"unknown codec at offset {entry.offset}")
        if len(taken) < len(fetched):
            partition.fetched = fetched[most:]
            partition.position = partition.fetched_from = taken[-1].offset + 1
        else:
            partition.position = partition.fetched_to
            self._drop(partition)
        return taken

    def _drop(self, partition: Partition) -> None:
        partition.fetched = None
        self._changed.set()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
