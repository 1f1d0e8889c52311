"""The half of a consumer that fetches: positions, records fetched ahead, and what a seek makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException, IllegalStateError, KafkaError, UnsupportedCodecError

from tests.simulation.cluster import Cluster
from tests.simulation.log import Entry

RETRY_S = 0.1
IDLE_S = 0.3
FETCH_RECORDS = 12


@dataclass(slots=True)
class Partition:
    """`fetched` holds the records from `next_offset` on, up to `fetched_to`; None where nothing is."""

    position: int | None = None
    paused: bool = False
    fetched: Sequence[Entry] | None = None
    next_offset: int = 0
    fetched_to: int = 0


class Fetcher:
    """One assignment's. `something` is set when records have come."""

    def __init__(self, cluster: Cluster, tps: Iterable[TopicPartition], something: asyncio.Event) -> None:
        self._cluster = cluster
        self._something = something
        self._changed = asyncio.Event()
        self.partitions = {tp: Partition() for tp in tps}
        # In the order in which they came, as aiokafka gives them out.
        self._arrived: dict[TopicPartition, None] = {}

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
                found = await cluster.network.call(lambda: cluster.committed(tps), role="offsets")
                break
            except KafkaError:
                await asyncio.sleep(RETRY_S)
        for tp, partition in self.partitions.items():
            mark = found.get(tp)
            if partition.position is None:
                partition.position = (
                    cluster.logs[tp].start if mark is None or mark.offset < 0 else mark.offset
                )

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
                partition.fetched, partition.next_offset, partition.fetched_to = records, asked, to
                self._arrived[tp] = None
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
        for tp in list(self._arrived):
            partition = self.partitions[tp]
            if (wanted and tp not in wanted) or partition.fetched is None or most == 0:
                continue
            if partition.paused or partition.position != partition.next_offset:
                self._drop(tp)
                continue
            taken = self._take(tp, partition.fetched, most)
            if taken:
                drained[tp] = taken
                most -= len(taken)
        return drained

    def _take(self, tp: TopicPartition, fetched: Sequence[Entry], most: int) -> Sequence[Entry]:
        partition, taken = self.partitions[tp], fetched[:most]
        for entry in taken:
            if entry.unparsable:
                # The remains stay until the next poll finds them used up or out of place.
                partition.fetched, partition.next_offset, partition.fetched_to = (
                    (),
                    entry.offset,
                    entry.offset,
                )
                raise parse_error(entry)
        if len(taken) < len(fetched):
            partition.fetched = fetched[most:]
            partition.position = partition.next_offset = taken[-1].offset + 1
        else:
            partition.position = partition.fetched_to
            self._drop(tp)
        return taken

    def stopped_at(self, tp: TopicPartition) -> int | None:
        """Where parsing stopped, markers and aborted records passed over; None where nothing is fetched."""
        partition = self.partitions.get(tp)
        return None if partition is None or partition.fetched is None else partition.next_offset

    def _drop(self, tp: TopicPartition) -> None:
        self.partitions[tp].fetched = None
        self._arrived.pop(tp, None)
        self._changed.set()


def parse_error(entry: Entry) -> Exception:
    """What aiokafka raises for it: some of Kafka's errors, some of Python's."""
    errors = (
        UnsupportedCodecError("Libraries for zstd compression codec not found"),
        CorruptRecordException(f"Invalid CRC - {entry.topic}/{entry.partition}"),
        ValueError("'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    )
    return errors[entry.offset % len(errors)]


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
