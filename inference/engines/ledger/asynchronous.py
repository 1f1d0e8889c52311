"""The ledger for an event loop: each step in a thread, and a step that was cancelled is undone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TypeVar

from inference.engines.base import EngineError
from inference.engines.ledger.budgets import Budget
from inference.engines.ledger.calls import Answer, Beginning, Begun, Call, Held, LedgerError, NotOpen, Row
from inference.engines.ledger.reporting import waiting
from inference.engines.ledger.store import Ledger, Recovered

_log = logging.getLogger(__name__)
Result = TypeVar("Result")

# Asks a provider what became of a call, by its `provider_id` or by a key we sent; None where it cannot say.
# "Failed, unknown, never billed" lets the job be sent again: only for what cannot arrive any more.
LookUp = Callable[[Row], Awaitable[Answer | None]]

CANCELLED = "its worker was told to stop before it was sent"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How many calls of unknown outcome were settled, held for a person, and left for the next time."""

    settled: int = 0
    held: int = 0
    left: int = 0


class AsyncLedger:
    """`Ledger` for one event loop. A cancelled `begin` or `sent` leaves nothing intended and nothing sent."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._undoing: set[asyncio.Task[None]] = set()

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
        return await asyncio.to_thread(self.ledger.last, call)

    async def sent(self, row: Row, within_s: float | None = None) -> Row:
        """As `Ledger.sent`. Cancelled, a row that was never sent before is released: nothing has left."""

        def undo(written: Row) -> None:
            if row.state == "intended":
                self.ledger.release(written, CANCELLED)

        return await self._undone_if_cancelled(lambda: self.ledger.sent(row, within_s), undo)

    async def accepted(self, row: Row, provider_id: str) -> Row:
        return await asyncio.to_thread(self.ledger.accepted, row, provider_id)

    async def settle(self, row: Row, answer: Answer) -> Row:
        """As `Ledger.settle`; it is written even where the caller is cancelled meanwhile."""
        return await asyncio.to_thread(self.ledger.settle, row, answer)

    async def release(self, row: Row, reason: str) -> Row:
        return await asyncio.to_thread(self.ledger.release, row, reason)

    def release_soon(self, row: Row) -> None:
        """Releases `row` in the background, for a caller who is being cancelled."""
        self._later(_undo(_is(row), lambda known: self.ledger.release(known, CANCELLED)))

    async def hold(self, row: Row, reason: str) -> Row:
        return await asyncio.to_thread(self.ledger.hold, row, reason)

    async def recover(self) -> Recovered:
        return await asyncio.to_thread(self.ledger.recover)

    async def reconcile(self, look_up: LookUp, *, limit: int = 1_000) -> Reconciled:
        """Asks for every call of unknown outcome that no person is waited for. Can be repeated."""
        rows = await asyncio.to_thread(waiting, self.ledger.database, limit=limit)
        outcomes = [await self._reconcile_one(row, look_up) for row in rows if not row.held]
        return Reconciled(
            settled=sum(row is not None and row.state != "unknown" for row in outcomes),
            held=sum(row is not None and row.state == "unknown" for row in outcomes),
            left=sum(row is None for row in outcomes),
        )

    async def aclose(self) -> None:
        """Waits for what was cancelled to be undone, and closes the connections."""
        await asyncio.gather(*self._undoing, return_exceptions=True)
        await asyncio.to_thread(self.ledger.close)

    async def _begin(self, call: Call, budgets: Sequence[Budget], repeatable: bool) -> Beginning:
        def let_go(begun: Beginning) -> None:
            if isinstance(begun, Begun) and begun.row.state == "intended":
                self.ledger.release(begun.row, CANCELLED)

        return await self._undone_if_cancelled(
            lambda: self.ledger.begin(call, budgets, repeatable=repeatable), let_go
        )

    async def _undone_if_cancelled(
        self, step: Callable[[], Result], undo: Callable[[Result], object]
    ) -> Result:
        working = asyncio.ensure_future(asyncio.to_thread(step))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            self._later(_undo(working, undo))
            raise

    def _later(self, undo: Coroutine[None, None, None]) -> None:
        undoing = asyncio.ensure_future(undo)
        self._undoing.add(undoing)
        undoing.add_done_callback(self._undoing.discard)

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


async def _is(row: Row) -> Row:
    return row


async def _undo(working: Awaitable[Result], undo: Callable[[Result], object]) -> None:
    """What is left after a failure here is given up when its lease runs out."""
    try:
        await asyncio.to_thread(undo, await working)
    except LedgerError as error:
        _log.warning("a cancelled call was not undone: %s", error)
