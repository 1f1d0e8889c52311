"""From a job to a stored picture: the same work is drawn once, paid for once, stored as what it really is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol
from weakref import WeakValueDictionary

from inference.assets import AssetCorrupt, AssetMissing, AssetStore, StoreFailed
from inference.engines.base import (
    Broken,
    Engine,
    Keyed,
    Picture,
    Refused,
    Transient,
    Uncertain,
    Unsupported,
)
from inference.engines.ledger import (
    ANSWERABLE,
    Begun,
    Busy,
    Call,
    Held,
    Known,
    LedgerUnavailable,
    OverBudget,
    Row,
    micros,
    spelled,
    told,
)
from inference.engines.prompting import prompt_for
from inference.engines.registry import EngineGone, EngineUnavailable, Resolved, UnknownEngine
from inference.keeping import Unusable, Work, keep
from inference.leaving import NotBegun, is_repeatable
from inference.manifest import Manifest, find_manifest
from inference.rendered import ended, joined, of_manifest, paid_before, signed
from inference.spending import (
    Drawn,
    NoPicture,
    Spending,
    receipt_id,
    waiting_in_words,
)
from schemas.events import Outcome, Render, RenderJob, Spec

__all__ = ["RenderService", "prompt_for"]

# Another worker has the job: it is looked for again after so long at most.
BUSY_S: Final = 10.0
# Pictures that are paid for and wait for a store that does not answer.
MOST_UNKEPT: Final = 64


class EnginePool(Protocol):
    """What the service needs of `Engines`."""

    def resolve(self, name: str) -> Resolved: ...

    def engine_for(self, resolved: Resolved) -> Engine: ...

    def most_usd(self, resolved: Resolved, spec: Spec) -> float | None: ...


class RenderService:
    """Draws jobs through engines into the store. Safe to call concurrently from one event loop."""

    def __init__(
        self,
        engines: EnginePool,
        store: AssetStore,
        clock: Callable[[], float] = time.monotonic,
        *,
        no_cache: bool = False,
        spending: Spending | None = None,
    ) -> None:
        """`clock` gives seconds; with `no_cache` every job is drawn, whatever the store holds, but none is
        paid for twice. Without `spending` no engine is asked that somebody is paid for by the picture.
        """
        self._engines = engines
        self._store = store
        self._clock = clock
        self._no_cache = no_cache
        self._spending = spending
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._unkept: dict[tuple[object, ...], Drawn] = {}

    async def render(self, job: RenderJob) -> Render:
        """The outcome of `job`: rendered (or found in the store, at no cost), refused or failed.

        Nothing is stored by halves: the manifest that makes a hit is written after all pictures.

        Raises:
            Transient: nothing was decided; the same call may work later.
        """
        try:
            work = self._work(job)
        except (UnknownEngine, EngineGone, EngineUnavailable) as error:
            return Render(job=job, outcome="failed", reason=str(error))
        lock = self._locks.setdefault(work.id, asyncio.Lock())
        try:
            async with lock:
                return await self._outcome(work)
        except StoreFailed as error:
            raise Transient(f"asset store: {error}") from error
        except LedgerUnavailable as error:
            raise Transient(str(error)) from error

    async def known(self, job: RenderJob) -> Render | None:
        """What was paid for `job` before, without drawing anything; None where nothing was, or nobody knows.

        Raises:
            Transient: the store or the ledger did not answer.
        """
        try:
            work = self._work(job)
            call = self._call(work)
            row = await self._spending.last(call) if call and self._spending else None
            if row is not None and row.state in ANSWERABLE:
                row = await self._by_receipt(row)
            if row is None or row.may_be_sent_again or row.state == "intended":
                return None
            return await self._known(work, row)
        except (UnknownEngine, EngineGone, EngineUnavailable):
            return None
        except StoreFailed as error:
            raise Transient(f"asset store: {error}") from error
        except LedgerUnavailable as error:
            raise Transient(str(error)) from error

    def _work(self, job: RenderJob) -> Work:
        return Work.of(job, self._engines.resolve(job.engine), replace(job.spec, prompt=prompt_for(job.spec)))

    async def _outcome(self, work: Work) -> Render:
        drawn = self._unkept.pop(_name(work), None)
        if drawn is not None:
            return await self._keep(work, drawn)
        found = None if self._no_cache else await find_manifest(self._store, work.id)
        return await self._hit(work, found) if found else await self._draw(work)

    async def _hit(self, work: Work, found: Manifest) -> Render:
        """Drawn before: for this job, which then says its price, or for another, at no cost for this one."""
        call = self._call(work)
        row = await self._spending.last(call) if call and self._spending else None
        if row is not None and row.state in ANSWERABLE:
            row = await self._by_receipt(row) or row
        if row is not None and row.state == "image":
            return paid_before(work, found, row)
        return of_manifest(work, found, "drawn before", cached=True)

    async def _by_receipt(self, row: Row) -> Row | None:
        """`row` settled by the picture that its worker stored before it left, if it did."""
        mine = await find_manifest(self._store, receipt_id(row))
        return await self._spending.settle_by(row, mine) if mine and self._spending else None

    async def _draw(self, work: Work) -> Render:
        started = self._clock()
        try:
            engine = self._engine_for(work)
            call = self._call(work)
            if call is None or self._spending is None:
                return await self._keep(work, Drawn(await self._unpaid(work, engine)))
            return await self._buy(work, engine, call, self._spending)
        except NoPicture as none:
            if isinstance(none.error, Transient):
                raise none.error from none
            return self._without(work, none.error, started, none.row)
        except (Refused, Unsupported, Broken, Uncertain, AssetMissing, AssetCorrupt) as error:
            return self._without(work, error, started)

    def _engine_for(self, work: Work) -> Engine:
        entry, spec = work.resolved.entry, work.spec
        objection = entry.sizes.objection(spec.width, spec.height)
        if objection:
            raise Unsupported(f"{entry.name}: {objection}")
        return self._engines.engine_for(work.resolved)

    def _call(self, work: Work) -> Call | None:
        """What is written down of the work; None where nobody is paid for it."""
        most = self._engines.most_usd(work.resolved, work.spec)
        if most is None:
            return None
        return Call.of(
            work.job,
            render_id=work.id,
            engine=work.resolved.entry.name,
            model=work.resolved.model,
            reserve=micros(most),
            emulated=work.resolved.emulated,
            asked_as=work.resolved.asked_as,
        )

    async def _unpaid(self, work: Work, engine: Engine) -> Picture:
        entry = work.resolved.entry
        is_paid = self._engines.most_usd(work.resolved, work.spec) is not None and entry.price.per == "image"
        if is_paid and not work.resolved.emulated:
            raise Unsupported(f"{entry.name}: is paid for, and no ledger is open to write that down; set one")
        # Without a cache, a server must not answer with the picture it drew for this key before.
        if isinstance(engine, Keyed) and not self._no_cache:
            engine = engine.keyed(work.id)
        return await engine.render(work.spec, background=await self._background(work))

    async def _background(self, work: Work) -> bytes | None:
        return await self._store.get(work.job.background) if work.job.background else None

    async def _buy(self, work: Work, engine: Engine, call: Call, spending: Spending) -> Render:
        background = await self._background(work)
        repeatable = is_repeatable(engine)
        begun = await spending.begin(call, repeatable=repeatable)
        if not isinstance(begun, Begun):
            return await self._not_begun(work, begun)
        leave = spending.leave(begun.row, repeatable=repeatable, within_s=work.resolved.entry.timeout_s)

        async def bought() -> Render:
            drawn = await spending.draw(engine, work.spec, leave, background=background)
            return await self._keep(work, drawn)

        try:
            return await spending.finished(bought(), lambda: leave.left)
        except NotBegun as over:
            return await self._not_begun(work, over.found)

    async def _not_begun(self, work: Work, found: Known | Busy | Held | OverBudget) -> Render:
        if isinstance(found, OverBudget):
            return ended(work, "failed", f"{work.resolved.entry.name}: {told(found)}")
        row = found.row if isinstance(found, Known) else await self._by_receipt(found.row)
        if row is not None:
            return await self._known(work, row)
        if isinstance(found, Busy):
            raise Transient(f"call {found.row.name}: {found.row.worker} has it under way", after_s=BUSY_S)
        return ended(work, "failed", waiting_in_words(found.row), found.row)

    async def _known(self, work: Work, row: Row) -> Render:
        """What the same job came to before, with what it cost."""
        if row.state == "image":
            manifest = await find_manifest(self._store, row.drawn_id)
            if manifest is not None:
                return paid_before(work, manifest, row)
            gone = (
                f"call {row.name} was drawn for {spelled(row.committed)}, and its picture {row.asset_uri} is "
                "gone from the store; it is not paid for again: send the prompt under a new id"
            )
            return ended(work, "failed", gone, row)
        outcome: Outcome = "refused" if row.state == "refused" else "failed"
        return ended(work, outcome, f"{row.reason} (asked before)", row)

    async def _keep(self, work: Work, drawn: Drawn) -> Render:
        picture, row = drawn.picture, drawn.row
        try:
            kept = await keep(self._store, work, picture, receipt=receipt_id(row) if row else None)
        except Unusable as error:
            broken = Broken(str(error), billed="billed", usd=picture.usd, request_id=picture.request_id)
            if row is not None and self._spending is not None:
                await self._spending.picture_lost(row, broken)
            return signed(ended(work, "failed", str(error)), work, picture)
        except StoreFailed:
            if row is not None:
                self._unkept[_name(work)] = drawn
                while len(self._unkept) > MOST_UNKEPT:
                    self._unkept.pop(next(iter(self._unkept)))
            raise
        if row is not None and self._spending is not None:
            await self._spending.picture_kept(row, kept.manifest, provider_id=picture.request_id)
        done = Render(
            job=work.job,
            outcome="rendered",
            render_id=kept.manifest.render_id,
            pictures=kept.manifest.pictures,
            by_construction=picture.by_construction,
            reason=joined(work.resolved.reason, picture.note, kept.note),
        )
        return signed(done, work, picture)

    def _without(self, work: Work, error: Exception, started: float, row: Row | None = None) -> Render:
        # What may have been drawn and charged is not asked for again: that would be a second charge.
        outcome: Outcome = "refused" if isinstance(error, Refused) else "failed"
        render = ended(work, outcome, str(error), row)
        return replace(render, seconds=max(0.0, self._clock() - started))


def _name(work: Work) -> tuple[object, ...]:
    return work.job.ref, work.job.ordinal, work.id
