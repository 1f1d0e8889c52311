"""The ledger for an event loop: each step in a thread, and a step that was cancelled is undone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from inference.engines.base import EngineError
from inference.engines.ledger.budgets import Budget
from inference.engines.ledger.calls import (
    Answer,
    Beginning,
    Begun,
    Call,
    Held,
    LedgerUnavailable,
    NotOpen,
    Row,
)
from inference.engines.ledger.reporting import waiting
from inference.engines.ledger.store import Ledger, Recovered

_log = logging.getLogger(__name__)
Result = TypeVar("Result")

# Asks a provider what became of a call, by its `provider_id` or by a key we sent; None where it cannot say.
# "Failed, unknown, never billed" lets the job be sent again: only for what cannot arrive any more.
LookUp = Callable[[Row], Awaitable[Answer | None]]

CANCELLED = "its worker was told to stop before it was sent"
# Of its own, so that pictures being decoded keep no answer from being written; writers take turns anyway.
THREADS: Final = 4


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How many calls of unknown outcome were settled, held for a person, and left for the next time; `rows`
    are those settled, as they are now.
    """

    settled: int = 0
    held: int = 0
    left: int = 0
    rows: tuple[Row, ...] = ()


class AsyncLedger:
    """`Ledger` for one event loop. What was asked of it is done, even where the caller is cancelled
    meanwhile; but a cancelled `begin` or `sent` leaves nothing intended and nothing sent.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ledger")
        self._undoing: set[asyncio.Future[Any]] = set()
        self._is_closed = False

    async def begin(
        self,
        call: Call,
        budgets: Sequence[Budget] = (),
        *,
        repeatable: bool = False,
        look_up: LookUp | None = None,
    ) -> Beginning:
        """As `Ledger.begin`; with `look_up`, what is held is asked for first and then begun again."""
        begun = await self._begin(call, budgets, repeatable)
        if not isinstance(begun, Held) or look_up is None or begun.row.held:
            return begun
        await self._reconcile_one(begun.row, look_up)
        return await self._begin(call, budgets, repeatable)

    async def last(self, call: Call) -> Row | None:
        return await self._done(lambda: self.ledger.last(call))

    async def sent(self, row: Row, within_s: float | None = None) -> Row:
        """As `Ledger.sent`. Cancelled, a row that was never sent before is released: nothing has left."""

        def undo(written: Row) -> None:
            if row.state == "intended":
                self.ledger.release(written, CANCELLED)

        return await self._done(lambda: self.ledger.sent(row, within_s), undo)

    async def accepted(self, row: Row, provider_id: str) -> Row:
        return await self._done(lambda: self.ledger.accepted(row, provider_id))

    async def settle(self, row: Row, answer: Answer) -> Row:
        return await self._done(lambda: self.ledger.settle(row, answer))

    async def release(self, row: Row, reason: str) -> Row:
        return await self._done(lambda: self.ledger.release(row, reason))

    def release_soon(self, row: Row) -> None:
        """Releases `row` in the background, for a caller who is being cancelled."""
        if not self._is_closed:  # after that, its lease gives it back
            self._working(lambda: self.ledger.release(row, CANCELLED)).add_done_callback(_told)

    async def hold(self, row: Row, reason: str) -> Row:
        return await self._done(lambda: self.ledger.hold(row, reason))

    async def recover(self) -> Recovered:
        return await self._done(self.ledger.recover)

    async def reconcile(self, look_up: LookUp, *, limit: int = 1_000) -> Reconciled:
        """Asks for calls of unknown outcome that wait for no person, `limit` at most. Can be repeated."""
        rows = await self._done(lambda: waiting(self.ledger.database, limit=limit, held=False))
        outcomes = [await self._reconcile_one(row, look_up) for row in rows]
        settled = tuple(row for row in outcomes if row is not None and row.state != "unknown")
        return Reconciled(
            settled=len(settled),
            held=sum(row is not None and row.state == "unknown" for row in outcomes),
            left=sum(row is None for row in outcomes),
            rows=settled,
        )

    async def aclose(self) -> None:
        """Waits for what is under way or was cancelled, and closes the connections. To be called once."""
        while self._undoing:
            await asyncio.wait(self._undoing)
        closing = self._working(self.ledger.close)
        self._is_closed = True
        self._threads.shutdown(wait=False)
        await asyncio.shield(closing)

    async def _begin(self, call: Call, budgets: Sequence[Budget], repeatable: bool) -> Beginning:
        def let_go(begun: Beginning) -> None:
            if isinstance(begun, Begun) and begun.row.state == "intended":
                self.ledger.release(begun.row, CANCELLED)

        return await self._done(lambda: self.ledger.begin(call, budgets, repeatable=repeatable), let_go)

    async def _done(
        self, step: Callable[[], Result], undo: Callable[[Result], object] | None = None
    ) -> Result:
        """What `step` gives. Cancelled, it is done all the same, and then undone where it can be."""
        working = self._working(step)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            if undo is None:
                working.add_done_callback(_told)
            else:
                self._kept(asyncio.ensure_future(self._undo(working, undo))).add_done_callback(_told)
            raise

    async def _undo(self, working: Awaitable[Result], undo: Callable[[Result], object]) -> None:
        """What is left after a failure here is given up when its lease runs out."""
        done = await asyncio.shield(working)
        await asyncio.shield(self._working(lambda: undo(done)))

    def _working(self, step: Callable[[], Result]) -> asyncio.Future[Result]:
        """Raises:
        LedgerUnavailable: it was closed.
        """
        if self._is_closed:
            raise LedgerUnavailable(f"ledger {self.ledger.database.name}: it was closed by this process")
        return self._kept(asyncio.get_running_loop().run_in_executor(self._threads, step))

    def _kept(self, work: asyncio.Future[Result]) -> asyncio.Future[Result]:
        """A loop holds its work by weak references only."""
        self._undoing.add(work)
        work.add_done_callback(self._undoing.discard)
        return work

    async def _reconcile_one(self, row: Row, look_up: LookUp) -> Row | None:
        """The row settled or held; None where the provider did not answer this time."""
        try:
            answer = await look_up(row)
        except EngineError as error:
            _log.warning("call %s: the provider was asked what became of it: %s", row.name, error)
            return None
        try:
            if answer is None or answer.outcome == "unknown":
                return await self.hold(row, "the provider does not say what became of it")
            return await self.settle(row, answer)
        except NotOpen:
            return None  # somebody settled it while the provider was asked


def _told(work: asyncio.Future[Any]) -> None:
    if not work.cancelled() and work.exception() is not None:
        _log.warning("a step that its caller left behind: %s", work.exception())
