"""One partition for one assignment epoch: fence, resume, work, commit, let go.

aiokafka speaks no KIP-447: the broker cannot tell a zombie by its group generation. So each input
partition has a transactional id of its own, and a new owner (1) initialises it first, which aborts what
the old owner left open and fences it, (2) only then reads the committed offset, (3) seeks there, and
(4) drops whatever is delivered below its position. Everything about the partition lives in this object
and dies with it: after any error whose outcome is unknown the epoch ends and the next one starts over.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Protocol

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from streams.runtime.bounded import cancelled_from_within
from streams.runtime.group_offsets import Ending
from streams.runtime.keyed import KeyedQueues
from streams.runtime.offsets import OffsetTracker, decode_finished
from streams.runtime.records import Record
from streams.runtime.resends import HORIZON, Resends
from streams.runtime.transactions import Transactions
from streams.runtime.work import Done, Opened, Worker

logger = logging.getLogger(__name__)
# Bounds one transaction: under load batches grow up to here.
TRANSACTION_OUTPUTS = 2_000
# Outputs of one partition in memory, beyond which no record is begun in place.
OUTPUT_BYTES = 16 << 20
RELEASE_S = 5.0


class Positioned(Protocol):
    """The one thing an epoch asks of the consumer."""

    def seek(self, partition: TopicPartition, offset: int) -> None: ...


class PartitionEpoch:
    """Owns `tp` until `release`; `failed` is set when the epoch must be replaced by a new one.

    It begins to read below the committed offset, as far back as a resend is looked for: what lies there
    is finished and only noted.
    """

    def __init__(
        self,
        tp: TopicPartition,
        *,
        transactions: Transactions,
        worker: Worker[Any],
        on_committed: Callable[[list[Done]], None],
        resend_horizon: int = HORIZON,
    ) -> None:
        self.tp = tp
        self.ready = False
        self.failed: BaseException | None = None
        self.held_bytes = 0
        self._transactions = transactions
        self._worker = worker
        self._on_committed = on_committed
        self._owned = True
        self._lock = asyncio.Lock()
        self._tracker = OffsetTracker(0)
        self._marked = 0
        # Where to read on: below the tracker's position while what was finished is only noted.
        self.read_on = 0
        self._resends = Resends(resend_horizon)
        self._queues: KeyedQueues[Opened[Any]] = KeyedQueues()
        self._tasks: set[asyncio.Task[None]] = set()
        # Fed and not begun; with the client's error where it is a record that could not be parsed.
        self._waiting: deque[tuple[Record, Exception | None]] = deque()
        self._finished: deque[Done] = deque()
        self._output_bytes = 0
        self._beyond: list[Done] = []
        self._something_finished = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._committer: asyncio.Task[None] | None = None

    @property
    def tracker(self) -> OffsetTracker:
        return self._tracker

    async def start(
        self,
        consumer: Positioned,
        committed: Callable[[TopicPartition], Awaitable[OffsetAndMetadata | None]],
        bounds: Callable[[TopicPartition], Awaitable[tuple[int, int]]],
        *,
        settle: Ending | None = None,
    ) -> None:
        """Fences the previous owner, reads where it stopped, and moves the consumer there.

        `bounds` gives the log's first offset and the one after its last. `settle` says how to end the last
        transaction where an earlier attempt found the offset unstable: see `Transactions.settle`.
        """
        await self._transactions.start()
        if settle is not None:
            await self._transactions.settle(self._worker.topics, settle)
        last = await committed(self.tp)
        first, end = await bounds(self.tp)
        if last is not None and last.offset > end:
            # Behind an offset the log no longer has, new records would pass for old ones.
            logger.error("%s: %d is committed but the log ends at %d: starting from its beginning",
                         self.tp, last.offset, end)  # fmt: skip
            last = None
        offset = first if last is None else last.offset
        finished = decode_finished(offset, last.metadata) if last is not None else frozenset()
        if not self._owned:
            return
        self._tracker = OffsetTracker(offset, finished)
        self._marked = offset
        remembers = self._worker.stage.identity is not None
        self.read_on = max(first, self._resends.reread_from(offset)) if remembers else offset
        consumer.seek(self.tp, self.read_on)
        self._committer = asyncio.create_task(self._commit_loop(), name=f"commit {self.tp}")
        self.ready = True
        logger.info("%s: owned from %d, %d finished above", self.tp, offset, len(finished))

    def feed(self, records: Iterable[Record]) -> None:
        """Starts what may start; order within a key is kept, a record seen before is dropped."""
        for record in records:
            self.read_on = record.offset + 1
            self.held_bytes += len(record.value or b"")
            self._waiting.append((record, None))
        self.work_on()

    def skip(self, record: Record, error: Exception) -> None:
        """Passes over a record that the client cannot parse: a dead letter says where it lies."""
        self.read_on = record.offset + 1
        self._waiting.append((record, error))
        self.work_on()

    def work_on(self) -> bool:
        """Starts what was fed, within what one transaction takes; True where some of it still waits."""
        made, now = 0, self._worker.now()
        unread: list[Opened[Any]] = []
        while (
            self._waiting and made + len(unread) < TRANSACTION_OUTPUTS and self._output_bytes < OUTPUT_BYTES
        ):
            made += self._start_record(*self._waiting.popleft(), now, unread)
        # Together: code that runs for one record in a hundred has left the processor's caches each time.
        for opened in unread:
            self._begin(opened, now)
        return bool(self._waiting)

    @property
    def received(self) -> int:
        """Records fed and not in a transaction yet."""
        return self._tracker.unfinished + len(self._waiting)

    @property
    def full(self) -> bool:
        return self._tracker.full or bool(self._waiting)

    def _start_record(
        self, record: Record, unparsable: Exception | None, now: dt.datetime, unread: list[Opened[Any]]
    ) -> int:
        """How many outputs it made at once; what holds no event is put to `unread`, and begun later."""
        if unparsable is not None:
            if self._tracker.receive(record.offset):
                self._idle.clear()
                self._spawn(self._run_unparsable(record, unparsable))
            else:
                self._something_finished.set()
            return 0
        opened = self._worker.open(record)
        resent = opened.identity is not None and self._resends.is_resend(opened.identity, record.offset)
        if not self._tracker.receive(record.offset):
            self.held_bytes -= len(record.value or b"")
            self._something_finished.set()
            return 0
        self._idle.clear()
        if resent:
            self._finish(self._worker.dropped(opened))
            return 0
        if opened.error is not None:
            unread.append(opened)
            return 0
        return self._begin(opened, now)

    def _begin(self, opened: Opened[Any], now: dt.datetime) -> int:
        """Finishes the record at once where that takes no waiting, or puts it in line; its outputs."""
        done = None if self._queues.busy(opened.order) else self._worker.at_once(opened, now)
        if done is not None:
            self._finish(done)
            return len(done.outputs)
        if self._queues.add(opened.order, opened):
            self._spawn(self._run_line(opened))
        return 0

    @property
    def running(self) -> int:
        """Records being worked on or waiting to be tried again; those in line behind them do not count."""
        return len(self._tasks)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_line(self, opened: Opened[Any] | None) -> None:
        try:
            while opened is not None:
                self._finish(await self._worker.work(opened))
                opened = self._queues.done(opened.order)
        except asyncio.CancelledError as error:
            if not cancelled_from_within():
                raise
            self._fail(error)
        except Exception as error:
            # Not even a dead letter could be made: without a record's outcome nothing may be committed.
            self._fail(error)

    async def _run_unparsable(self, record: Record, error: Exception) -> None:
        try:
            self._finish(await self._worker.unparsable(record, error))
        except Exception as fault:
            self._fail(fault)

    def _finish(self, done: Done) -> None:
        self._finished.append(done)
        self._output_bytes += done.output_bytes
        self.held_bytes += done.output_bytes
        self._something_finished.set()

    async def _commit_loop(self) -> None:
        """Commits at once what is finished; what finishes meanwhile is the next transaction."""
        try:
            while True:
                await self._something_finished.wait()
                self._something_finished.clear()
                while await self._commit_once():
                    pass
                if self._tracker.unfinished == 0:
                    self._idle.set()
        except asyncio.CancelledError as error:
            if not cancelled_from_within():
                raise
            self._fail(error)
        except Exception as error:
            # Fenced, timed out or refused: whether the transaction stands is for the next epoch to read.
            self._fail(error)

    async def _commit_once(self) -> bool:
        """One transaction with what is finished by now; False where there is nothing to commit."""
        async with self._lock:
            batch = self._take_batch() if self._owned else []
            # Without a batch too: what an earlier owner had finished moves the mark once it is read past.
            if not self._owned or not (batch or self._tracker.low_water > self._marked):
                return False
            mark = OffsetAndMetadata(self._tracker.low_water, self._tracker.metadata())
            await self._transactions.commit((output for done in batch for output in done.outputs), mark)
            self._marked = mark.offset
            self._take_back()
        output_bytes = sum(done.output_bytes for done in batch)
        self._output_bytes -= output_bytes
        self.held_bytes -= output_bytes + sum(done.record_bytes for done in batch)
        self._on_committed(batch)
        return True

    def _fail(self, error: BaseException) -> None:
        reason = error.__cause__ or error
        logger.warning("%s: epoch ends: %s: %s", self.tp, type(reason).__name__, reason)
        self.failed = error
        self._owned = False
        self._idle.set()

    def _take_batch(self) -> list[Done]:
        batch: list[Done] = []
        outputs = 0
        # One limit for the whole batch: a later record of a key must not pass an earlier one that waits.
        reach = self._tracker.reach
        while self._finished and (
            not batch or outputs + len(self._finished[0].outputs) <= TRANSACTION_OUTPUTS
        ):
            done = self._finished.popleft()
            if done.offset >= reach:
                self._beyond.append(done)
                continue
            outputs += len(done.outputs)
            self._tracker.finish(done.offset)
            batch.append(done)
        return batch

    def _take_back(self) -> None:
        """Puts what had finished beyond the reach of a commit, and no longer is, in front."""
        reach = self._tracker.reach
        within = [done for done in self._beyond if done.offset < reach]
        self._beyond = [done for done in self._beyond if done.offset >= reach]
        self._finished.extendleft(reversed(within))

    async def drain(self, grace_s: float) -> bool:
        """Waits until all that was begun is committed; False when `grace_s` was not enough."""
        try:
            await asyncio.wait_for(self._idle.wait(), grace_s)
        except TimeoutError:
            return False
        return self.failed is None

    async def release(self) -> None:
        """Ends the epoch: unfinished work is handed back, an open transaction ends first where it can.

        Returns within a few seconds also when no broker answers: what was left open then, the next
        owner's first call decides.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RELEASE_S), self._lock:
                self._owned = False
        self._owned = False
        self.ready = False
        tasks = [task for task in (*self._tasks, self._committer) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            _, stubborn = await asyncio.wait(tasks, timeout=RELEASE_S)
            if stubborn:
                logger.warning("%s: %d records are still being worked on, in vain", self.tp, len(stubborn))
        await self._transactions.close()
