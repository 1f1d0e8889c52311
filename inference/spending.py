"""Spending as a render does it: written down before a request leaves, and again when its outcome is known.

An engine that somebody is paid for is asked once for each job. What is known of a job is never asked again;
what nobody knows is not asked again either, unless its server draws once for requests of one name.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from inference.assets import AssetStore, StoreFailed
from inference.engines.base import Engine, EngineError, Picture, Transient
from inference.engines.ledger import (
    Answer,
    AsyncLedger,
    Beginning,
    Budget,
    Call,
    Leases,
    Ledger,
    LedgerError,
    LedgerUnavailable,
    NotOpen,
    Row,
    micros,
    spelled,
)
from inference.leaving import Leave, is_repeatable, keyed_by
from inference.manifest import Manifest, find_manifest
from schemas.events import Spec
from schemas.ids import digest

TEND_S = 60.0
# A provider answers in seconds mostly; who stops this process wants it to end.
LAST_S = 10.0

_log = logging.getLogger(__name__)
Result = TypeVar("Result")


class Late(Protocol):
    """Does what waits to be done; `last` says that there will be no other time."""

    async def __call__(self, *, last: bool) -> None: ...


class Observer(Protocol):
    """Is told what became of calls, for metrics. Must not fail and not block."""

    def called(self, row: Row) -> None: ...


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture that is paid for, with its call; `row` is None where nobody is paid."""

    picture: Picture
    row: Row | None = None


class NoPicture(Exception):
    """A call ended without a picture: `error` says how; `row` is the call, where it left."""

    def __init__(self, error: EngineError, row: Row | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.row = row


class Spending:
    """The ledger and the budgets of one process. Safe to use concurrently from one event loop."""

    def __init__(
        self, ledger: AsyncLedger, budgets: Sequence[Budget] = (), *, observer: Observer | None = None
    ) -> None:
        self._ledger = ledger
        self._budgets = tuple(budgets)
        self._observer = observer
        self._under_way: set[asyncio.Task[Any]] = set()
        self._unsettled: dict[str, tuple[Row, Answer]] = {}
        self._late: list[Late] = []

    @classmethod
    def open(
        cls,
        address: str,
        *,
        budgets: Sequence[Budget] = (),
        leases: Leases | None = None,
        observer: Observer | None = None,
    ) -> Spending:
        """Spending through the ledger at `address`, which is made where it is absent. Blocks.

        Raises:
            LedgerError: it cannot be used; the text says why.
        """
        return cls(AsyncLedger(Ledger.open(address, leases=leases)), budgets, observer=observer)

    def before_tending(self, late: Late) -> None:
        """`late` is awaited whenever the ledger is tended, and a last time before it closes."""
        self._late.append(late)

    async def aclose(self) -> None:
        """Waits a little for answers that are paid for, and closes the ledger."""
        if self._under_way:
            _log.warning("%d renders are under way: waited for at most %.0f s", len(self._under_way), LAST_S)
            await asyncio.wait(self._under_way, timeout=LAST_S)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        for late in self._late:
            await late(last=True)
        await self._settle_late()
        for row, answer in self._unsettled.values():
            _log.error("call %s ended (%s): written down nowhere else: %s", row.name, answer.outcome, answer)
        await self._ledger.aclose()

    async def finished(self, work: Coroutine[None, None, Result], must_finish: Callable[[], bool]) -> Result:
        """What `work` comes to. Cancelled, it ends only as long as it need not be finished: an answer that
        is paid for is taken in and written down all the same.
        """
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if must_finish() and not task.done():
                task.add_done_callback(_ended_late)
            else:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            raise

    async def last(self, call: Call) -> Row | None:
        """The latest call for the same job.

        Raises:
            LedgerUnavailable
        """
        return await self._ledger.last(call)

    async def begin(self, call: Call, *, repeatable: bool) -> Beginning:
        """As `Ledger.begin`, held against the budgets.

        Raises:
            LedgerUnavailable: nothing may be sent.
        """
        return await self._ledger.begin(call, self._budgets, repeatable=repeatable)

    async def draw(
        self, engine: Engine, spec: Spec, leave: Leave, *, background: bytes | None = None
    ) -> Drawn:
        """Asks `engine` for the row that `leave` was given by `begin`.

        The picture's price is not settled here: first it is stored, then `picture_kept` is told.

        Raises:
            NoPicture: what is known is written down.
            Transient: the request may be repeated under its name: the row waits for that.
            NotBegun: nothing was sent.
            LedgerUnavailable: nothing was sent.
        """
        try:
            keyed = await keyed_by(engine, leave)
            return Drawn(await keyed.render(spec, background=background), leave.row)
        except EngineError as error:
            if is_repeatable(engine) and isinstance(error, Transient) and error.billed == "unknown":
                raise
            raise NoPicture(error, await self._ended(leave, error)) from error
        except (asyncio.CancelledError, LedgerUnavailable):
            if not leave.left:
                self._ledger.release_soon(leave.row)
            raise

    def leave(self, row: Row, *, repeatable: bool, within_s: float) -> Leave:
        """What says that the request of `row` leaves; it has `within_s` seconds for its answer."""

        async def begin() -> Beginning:
            return await self.begin(row.call, repeatable=repeatable)

        return Leave(self._ledger, row, begin, within_s)

    async def picture_kept(self, row: Row, manifest: Manifest, *, provider_id: str = "") -> None:
        """The picture of `row` lies in the store under `manifest`: writes down what it cost."""
        answer = _answer_of(manifest, provider_id)
        await self._settle(row, answer)

    async def picture_lost(self, row: Row, error: EngineError) -> Row:
        """What came for `row` is paid for and no picture."""
        return await self._without(row, error)

    async def settle_by(self, row: Row, manifest: Manifest) -> Row:
        """`row` settled by what its worker left in the store; as it was, where that is too late."""
        return await self._settle(row, _answer_of(manifest, ""))

    async def tend(self, store: AssetStore) -> None:
        """Writes down what has become of calls whose workers are gone: by what they left in `store`, or as
        held for a person.

        Raises:
            LedgerUnavailable: it will be done the next time.
        """

        async def look_up(row: Row) -> Answer | None:
            try:
                found = await find_manifest(store, receipt_id(row))
                return None if found is None else _answer_of(found, "")
            except (StoreFailed, ValueError) as error:
                raise Transient(f"its picture cannot be read or has no price: {error}") from error

        for late in self._late:
            await late(last=False)
        await self._settle_late()
        recovered = await self._ledger.recover()
        done = await self._ledger.reconcile(look_up)
        if self._observer is not None:
            for row in (*recovered.unknown, *done.rows):
                self._observer.called(row)
        if recovered.released or recovered.unknown or done.settled or done.held:
            _log.warning(
                "ledger: of calls whose workers left, %d had not been sent, %d were settled by their "
                "pictures, %d wait for a person (`glyphstream spend` lists them)",
                len(recovered.released),
                done.settled,
                done.held,
            )

    async def keep_tending(self, store: AssetStore, *, every_s: float = TEND_S) -> None:
        """Tends at once and then every `every_s` seconds, until cancelled."""
        while True:
            try:
                await self.tend(store)
            except LedgerError as error:
                _log.warning("%s; tried again in %.0f s", error, every_s)
            except Exception:
                # Whatever one row holds, the others must not wait for ever.
                _log.exception("tending the ledger; tried again in %.0f s", every_s)
            await asyncio.sleep(every_s)

    async def _ended(self, leave: Leave, error: EngineError) -> Row | None:
        if leave.left:
            return await self._without(leave.row, error)
        try:
            await self._ledger.release(leave.row, str(error))
        except LedgerError as fault:
            _log.warning("call %s was not sent, and is not released yet: %s", leave.row.name, fault)
        return None

    async def _without(self, row: Row, error: EngineError) -> Row:
        charged = row.call.reserve if error.usd is None else micros(error.usd)
        return await self._settle(row, Answer.of(error, charged=charged, provider_id=error.request_id))

    async def _settle(self, row: Row, answer: Answer) -> Row:
        """What cannot be written now is written later, by this process or by whoever finds the picture."""
        try:
            settled = await self._ledger.settle(row, answer)
        except LedgerUnavailable as error:
            _log.error("call %s ended (%s), to be written down later: %s", row.name, answer.outcome, error)
            self._unsettled[row.name] = (row, answer)
            return row
        except NotOpen as error:
            _log.error("call %s ended (%s), which is not taken any more: %s", row.name, answer.outcome, error)
            return row
        if self._observer is not None:
            self._observer.called(settled)
        return settled

    async def _settle_late(self) -> None:
        for name, (row, answer) in list(self._unsettled.items()):
            del self._unsettled[name]
            await self._settle(row, answer)


def _ended_late(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.warning("a render that nobody waited for ended: %r", task.exception())


def receipt_id(row: Row) -> str:
    """Under this id the store leads to the picture that `row` paid for."""
    return digest("receipt", row.job, row.take)


def waiting_in_words(row: Row) -> str:
    """Why a call of unknown outcome keeps its job from being drawn."""
    return (
        f"call {row.name} to {row.call.engine} left, and nobody knows its outcome; it may have cost up to "
        f"{spelled(row.call.reserve)} and is not sent again: `glyphstream spend settle` ends it"
    )


def _answer_of(manifest: Manifest, provider_id: str) -> Answer:
    return Answer.image(
        manifest.pictures.image.uri,
        micros(manifest.usd),
        drawn_id=manifest.render_id,
        provider_id=provider_id,
    )
