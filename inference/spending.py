"""Spending as a render does it: written down before a request leaves, and again when its outcome is known.

An engine that somebody is paid for is asked once for each job. What is known of a job is never asked again;
what nobody knows is not asked again either, unless its server draws once for requests of one name.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from inference.assets import AssetStore, StoreFailed
from inference.engines.base import Engine, EngineError, Keyed, Picture, Transient
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
    dollars,
    micros,
    spelled,
)
from inference.manifest import Manifest, find_manifest
from schemas.events import Spec
from schemas.ids import digest

TEND_S = 60.0

_log = logging.getLogger(__name__)


class Observer(Protocol):
    """Is told what became of calls, for metrics. Must not fail and not block."""

    def called(self, row: Row) -> None: ...


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture that is paid for, with its call; `row` is None where nobody is paid."""

    picture: Picture
    row: Row | None = None


class NoPicture(Exception):
    """A call ended without a picture: `error` says how, `usd` what is known to have been charged for it."""

    def __init__(self, error: EngineError, usd: float) -> None:
        super().__init__(str(error))
        self.error = error
        self.usd = usd


class Spending:
    """The ledger and the budgets of one process. Safe to use concurrently from one event loop."""

    def __init__(
        self, ledger: AsyncLedger, budgets: Sequence[Budget] = (), *, observer: Observer | None = None
    ) -> None:
        self._ledger = ledger
        self._budgets = tuple(budgets)
        self._observer = observer

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

    async def aclose(self) -> None:
        await self._ledger.aclose()

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
        self, engine: Engine, spec: Spec, row: Row, *, background: bytes | None = None, within_s: float
    ) -> Drawn:
        """Asks `engine` for `row`, which `begin` gave; it has `within_s` seconds for its answer.

        The picture's price is not settled here: first it is stored, then `picture_kept` is told.

        Raises:
            NoPicture: there is no picture; what is known is written down.
            Transient: the request may be repeated under its name: the row waits for that.
            NotOpen: it took too long to get ready, and the row was given up: begin anew.
            LedgerUnavailable: nothing was sent.
        """
        leave = _Leave(self._ledger, row, within_s)
        try:
            keyed = await _keyed(engine, row, leave)
            return Drawn(await keyed.render(spec, background=background), leave.row)
        except EngineError as error:
            if is_repeatable(engine) and isinstance(error, Transient) and error.billed == "unknown":
                raise
            raise NoPicture(error, await self._ended(leave, error)) from error
        except (asyncio.CancelledError, LedgerUnavailable):
            if not leave.left:
                self._ledger.release_soon(leave.row)
            raise

    async def picture_kept(self, row: Row, manifest: Manifest, *, provider_id: str = "") -> None:
        """The picture of `row` lies in the store under `manifest`: writes down what it cost."""
        answer = _answer_of(manifest, provider_id)
        await self._settle(row, answer)

    async def picture_lost(self, row: Row, error: EngineError) -> float:
        """What came for `row` is paid for and no picture; the dollars."""
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
            except StoreFailed as error:
                raise Transient(str(error)) from error
            return None if found is None else _answer_of(found, "")

        recovered = await self._ledger.recover()
        done = await self._ledger.reconcile(look_up)
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
            await asyncio.sleep(every_s)

    async def _ended(self, leave: _Leave, error: EngineError) -> float:
        if leave.left:
            return await self._without(leave.row, error)
        try:
            await self._ledger.release(leave.row, str(error))
        except LedgerError as fault:
            _log.warning("call %s was not sent, and is not released yet: %s", leave.row.name, fault)
        return 0.0

    async def _without(self, row: Row, error: EngineError) -> float:
        charged = row.call.reserve if error.usd is None else micros(error.usd)
        settled = await self._settle(row, Answer.of(error, charged=charged, provider_id=error.request_id))
        return dollars(settled.settled or 0)

    async def _settle(self, row: Row, answer: Answer) -> Row:
        """What is not written now is found later: by its picture, or by a person."""
        try:
            settled = await self._ledger.settle(row, answer)
        except (LedgerUnavailable, NotOpen) as error:
            _log.error("call %s ended (%s) and that is not written down: %s", row.name, answer.outcome, error)
            return row
        if self._observer is not None:
            self._observer.called(settled)
        return settled


class _Leave:
    """Writes that a request leaves, at the moment when it does."""

    def __init__(self, ledger: AsyncLedger, row: Row, within_s: float) -> None:
        self.row = row
        self.left = row.state != "intended"
        self._ledger = ledger
        self._within_s = within_s

    async def now(self) -> None:
        self.row = await self._ledger.sent(self.row, self._within_s)
        self.left = True


async def _keyed(engine: Engine, row: Row, leave: _Leave) -> Engine:
    """`engine`, which says when the request leaves; of another, that is written down beforehand."""
    if isinstance(engine, Keyed):
        return engine.keyed(digest("request", row.job, row.call.render_id), leave.now)
    await leave.now()
    return engine


def is_repeatable(engine: Engine) -> bool:
    """Whether a request whose outcome is unknown may simply be made again: its server knows it by name."""
    return isinstance(engine, Keyed) and engine.honours_key


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
