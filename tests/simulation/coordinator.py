"""The transaction coordinator and the group's offsets: producer ids, epochs, two phases, markers.

Requests are methods that answer at once or raise the broker's error. Between the decision (`end`) and the
last marker the transaction is *ending*: its offsets are pending, readers still see the old ones, and every
request on behalf of its id is told to come again (CONCURRENT_TRANSACTIONS).
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from aiokafka import TopicPartition
from aiokafka.errors import ConcurrentTransactions, InvalidProducerEpoch, InvalidTxnState
from aiokafka.structs import OffsetAndMetadata

from tests.simulation.log import Content, PartitionLog
from tests.simulation.virtual import VirtualLoop

AGAIN_S = 0.05
Phase = Literal["empty", "ongoing", "ending", "committed", "aborted"]


@dataclass(frozen=True, slots=True)
class Identity:
    """What every request of a producer carries."""

    transactional_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Committed:
    """One committed offset, in the order of the offsets topic; `who` is the transactional id."""

    at: float
    tp: TopicPartition
    mark: OffsetAndMetadata
    transaction: int
    who: str


@dataclass(slots=True)
class _Producer:
    transactional_id: str
    epoch: int = -1
    phase: Phase = "empty"
    transaction: int = -1
    partitions: list[TopicPartition] = field(default_factory=list)
    offsets: dict[TopicPartition, OffsetAndMetadata] = field(default_factory=dict)
    has_group: bool = False
    unmarked: int = 0
    sequences: dict[tuple[TopicPartition, int], int] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None


class Coordinator:
    """`marker_delay` gives the seconds until a marker is written; `group_away` says that the group
    coordinator, which keeps the offsets, cannot take one; `note` takes a line for the trace.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        rng: random.Random,
        logs: Mapping[TopicPartition, PartitionLog],
        *,
        transaction_s: float,
        marker_delay: tuple[float, float],
        group_away: Callable[[], bool],
        note: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._rng = rng
        self._logs = logs
        self._transaction_s = transaction_s
        self._marker_delay = marker_delay
        self._group_away = group_away
        self._note = note
        self._producers: dict[str, _Producer] = {}
        self._numbers = itertools.count(1)
        self.offsets: dict[TopicPartition, OffsetAndMetadata] = {}
        self.history: list[Committed] = []

    @property
    def open_transactions(self) -> int:
        return sum(producer.phase in ("ongoing", "ending") for producer in self._producers.values())

    def now_ms(self) -> int:
        return round(self._loop.time() * 1_000)

    def init(self, transactional_id: str) -> Identity:
        """Fences whoever had the id. What it left open is aborted first, and the caller comes again."""
        producer = self._producers.setdefault(transactional_id, _Producer(transactional_id))
        if producer.phase == "ongoing":
            producer.epoch += 1
            self._note(f"{transactional_id}: fenced with transaction {producer.transaction} open")
            self._end(producer, committed=False)
        if producer.phase == "ending":
            raise ConcurrentTransactions()
        producer.epoch += 1
        producer.sequences.clear()
        producer.phase = "empty"
        return Identity(transactional_id, producer.epoch)

    def add_partition(self, who: Identity, tp: TopicPartition) -> None:
        producer = self._begun(who)
        if tp not in producer.partitions:
            producer.partitions.append(tp)

    def produce(self, who: Identity, tp: TopicPartition, sequence: int, contents: Sequence[Content]) -> int:
        """Appends; a batch that was appended already is answered with its old offset."""
        producer = self._current(who)
        known = producer.sequences.get((tp, sequence))
        if known is not None:
            return known
        if producer.phase != "ongoing" or tp not in producer.partitions:
            raise InvalidTxnState()
        base = self._logs[tp].append(contents, self.now_ms(), producer.transaction)
        producer.sequences[tp, sequence] = base
        return base

    def add_offsets(self, who: Identity) -> None:
        self._begun(who).has_group = True

    def commit_offsets(self, who: Identity, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Pending until the transaction ends."""
        producer = self._current(who)
        if producer.phase != "ongoing" or not producer.has_group:
            raise InvalidTxnState()
        producer.offsets.update(offsets)

    def end(self, who: Identity, *, committed: bool) -> None:
        """Decides. The same decision asked for again, because the answer got lost, is confirmed."""
        producer = self._current(who)
        match producer.phase:
            case "ongoing":
                self._end(producer, committed=committed)
            case "ending":
                raise ConcurrentTransactions()
            case "committed" if committed:
                pass
            case "aborted" if not committed:
                pass
            case _:
                raise InvalidTxnState()

    def _current(self, who: Identity) -> _Producer:
        producer = self._producers[who.transactional_id]
        if who.epoch != producer.epoch:
            raise InvalidProducerEpoch()
        return producer

    def _begun(self, who: Identity) -> _Producer:
        producer = self._current(who)
        if producer.phase == "ending":
            raise ConcurrentTransactions()
        if producer.phase != "ongoing":
            producer.phase = "ongoing"
            producer.transaction = next(self._numbers)
            producer.partitions.clear()
            producer.offsets.clear()
            producer.has_group = False
            producer.timer = self._loop.after(self._transaction_s, self._expire, producer)
        return producer

    def _expire(self, producer: _Producer) -> None:
        self._note(f"{producer.transactional_id}: transaction {producer.transaction} timed out")
        producer.epoch += 1
        self._end(producer, committed=False)

    def _end(self, producer: _Producer, *, committed: bool) -> None:
        if producer.timer is not None:
            producer.timer.cancel()
        producer.phase = "ending"
        verdict = "commits" if committed else "aborts"
        self._note(f"{producer.transactional_id}: {verdict} transaction {producer.transaction}")
        producer.unmarked = len(producer.partitions) + 1
        for tp in producer.partitions:
            self._loop.after(self._delay(), self._mark, producer, tp, committed)
        self._loop.after(self._delay(), self._settle_offsets, producer, committed)

    def _delay(self) -> float:
        return self._rng.uniform(*self._marker_delay)

    def _mark(self, producer: _Producer, tp: TopicPartition, committed: bool) -> None:
        self._logs[tp].finish(producer.transaction, committed, self.now_ms())
        self._marked(producer, committed)

    def _settle_offsets(self, producer: _Producer, committed: bool) -> None:
        if producer.has_group and self._group_away():
            self._loop.after(AGAIN_S, self._settle_offsets, producer, committed)
            return
        if committed:
            now = self._loop.time()
            for tp, mark in producer.offsets.items():
                self.offsets[tp] = mark
                done = Committed(now, tp, mark, producer.transaction, producer.transactional_id)
                self.history.append(done)
        self._marked(producer, committed)

    def _marked(self, producer: _Producer, committed: bool) -> None:
        producer.unmarked -= 1
        if producer.unmarked == 0:
            producer.phase = "committed" if committed else "aborted"
