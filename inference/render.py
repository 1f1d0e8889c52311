"""From a job to a stored picture: the same work is drawn once, paid for once, stored as what it really is."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol
from weakref import WeakValueDictionary

from inference.asked import AskedBefore, answering
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
    Begun,
    Busy,
    Call,
    Held,
    Known,
    OverBudget,
    Row,
    dollars,
    micros,
    told,
)
from inference.engines.prompting import prompt_for
from inference.engines.registry import EngineGone, EngineUnavailable, Resolved, UnknownEngine
from inference.keeping import Unusable, Work, keep
from inference.leaving import NotBegun, Progress, is_repeatable
from inference.manifest import find_manifest
from inference.rendered import ended, ended_before, joined, of_manifest, priced, signed
from inference.spending import (
    Drawn,
    NoPicture,
    Spending,
    receipt_id,
    waiting_in_words,
)
from inference.unkept import UnkeptPictures
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
        self._before = None if spending is None else AskedBefore(spending, store)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._unkept = UnkeptPictures()
        if spending is not None:
            spending.before_tending(self._keep_late)

    async def render(self, job: RenderJob) -> Render:
        """The outcome of `job`: rendered (or found in the store, at no cost), refused or failed.

        Nothing is stored by halves: the manifest that makes a hit is written after all pictures.

        Raises:
            Transient: nothing was decided; the same call may work later.
        """
        with answering():
            try:
                work = self._work(job)
            except (UnknownEngine, EngineGone, EngineUnavailable) as error:
                # It may have drawn when it could still be called.
                known = await self._before.ended(job, emulated=None) if self._before else None
                return known or Render(job=job, outcome="failed", reason=str(error))
            progress = Progress()
            if self._spending is None:
                return await self._locked(work, progress)
            return await self._spending.finished(self._locked(work, progress), progress.must_finish)

    async def known(self, job: RenderJob) -> Render | None:
        """What was paid for `job` before, or may have been, without asking anybody; None where nothing was.

        Raises:
            Transient: the store or the ledger did not answer.
        """
        with answering():
            unkept = self._unkept.of(job)
            if unkept is not None:
                return await self._keep(unkept.work, unkept.drawn)
            return await self._before.ended(job, emulated=None) if self._before else None

    def _work(self, job: RenderJob) -> Work:
        return Work.of(job, self._engines.resolve(job.engine), replace(job.spec, prompt=prompt_for(job.spec)))

    async def _locked(self, work: Work, progress: Progress) -> Render:
        # Held until the end of what outlives its caller: another job of the same work waits for the picture.
        async with self._locks.setdefault(work.id, asyncio.Lock()):
            return await self._outcome(work, progress)

    async def _outcome(self, work: Work, progress: Progress) -> Render:
        unkept = self._unkept.of(work.job)
        if unkept is not None:
            progress.paid = True
            return await self._keep(unkept.work, unkept.drawn)
        row, known = await self._asked_before(work)
        if known is not None:
            return known
        found = None if self._no_cache else await find_manifest(self._store, work.id)
        if found is None:
            return await self._draw(work, progress, row)
        # Another worker may have drawn it for this very job since the ledger was asked.
        row, known = await self._asked_before(work)
        if known is not None:
            return known
        hit = of_manifest(work.job, found, joined(work.resolved.reason, "drawn before"), cached=True)
        return hit if row is None or row.state == "image" else priced(hit, row)

    async def _asked_before(self, work: Work) -> tuple[Row | None, Render | None]:
        """The call that binds the job, if there is one, and what it came to, if that is known."""
        if self._before is None or self._engines.most_usd(work.resolved, work.spec) is None:
            return None, None
        row = await self._before.find(work.job, emulated=work.resolved.emulated)
        if row is None:
            return None, None
        known = await self._before.told(work.job, row)
        if known is None and row.call.emulated != work.resolved.emulated:
            # The provider was asked, and only a stand-in could be now.
            known = ended_before(work.job, row, "failed", waiting_in_words(row))
        return row, known

    async def _draw(self, work: Work, progress: Progress, row: Row | None) -> Render:
        started = self._clock()
        try:
            engine = self._engine_for(work)
            call = self._call(work)
            # A stand-in's picture that is gone from the store is drawn again: nobody is paid for it.
            if call is None or self._spending is None or (row is not None and row.state == "image"):
                return await self._keep(work, Drawn(await self._unpaid(work, engine)))
            return await self._buy(work, engine, call, self._spending, progress)
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

    async def _buy(
        self, work: Work, engine: Engine, call: Call, spending: Spending, progress: Progress
    ) -> Render:
        background = await self._background(work)
        repeatable = is_repeatable(engine)
        begun = await spending.begin(call, repeatable=repeatable)
        if not isinstance(begun, Begun):
            return await self._not_begun(work, begun)
        within_s = work.resolved.entry.timeout_s
        progress.leave = spending.leave(begun.row, repeatable=repeatable, within_s=within_s)
        try:
            drawn = await spending.draw(engine, work.spec, progress.leave, background=background)
        except NotBegun as over:
            return await self._not_begun(work, over.found)
        except Transient as error:
            # The same request waits to be made again under its name.
            error.usd_unknown = dollars(call.reserve)
            raise
        return await self._keep(work, drawn)

    async def _not_begun(self, work: Work, found: Known | Busy | Held | OverBudget) -> Render:
        if isinstance(found, OverBudget):
            return ended(work, "failed", f"{work.resolved.entry.name}: {told(found)}")
        row = found.row
        if self._before is not None:
            known = await self._before.told(work.job, row)
            if known is not None:
                return known
        if isinstance(found, Busy):
            raise Transient(
                f"call {row.name}: {row.worker} has it under way",
                after_s=BUSY_S,
                usd_unknown=0.0 if row.state == "intended" else dollars(row.call.reserve),
            )
        return ended_before(work.job, row, "failed", waiting_in_words(row))

    async def _keep(self, work: Work, drawn: Drawn) -> Render:
        picture, row = drawn.picture, drawn.row
        try:
            kept = await keep(self._store, work, picture, receipt=receipt_id(row) if row else None)
        except Unusable as error:
            broken = Broken(str(error), billed="billed", usd=picture.usd, request_id=picture.request_id)
            if row is not None and self._spending is not None:
                await self._spending.picture_lost(row, broken)
            self._unkept.kept(work.job)
            return signed(ended(work, "failed", str(error)), work, picture)
        except asyncio.CancelledError:
            self._unkept.add(work, drawn)
            raise
        except StoreFailed as error:
            self._unkept.add(work, drawn)
            cost = 0.0 if row is None else picture.usd
            raise Transient(f"asset store: {error}", usd_unknown=cost) from error
        if row is not None and self._spending is not None:
            await self._spending.picture_kept(row, kept.manifest, provider_id=picture.request_id)
        self._unkept.kept(work.job)
        done = Render(
            job=work.job,
            outcome="rendered",
            render_id=kept.manifest.render_id,
            pictures=kept.manifest.pictures,
            by_construction=picture.by_construction,
            reason=joined(work.resolved.reason, picture.note, kept.note),
        )
        return signed(done, work, picture)

    async def _keep_late(self, *, last: bool) -> None:
        """Stores what waits for the store, whether or not its job comes again."""
        for unkept in self._unkept:
            async with self._locks.setdefault(unkept.work.id, asyncio.Lock()):
                if self._unkept.of(unkept.work.job) is None:
                    continue
                with contextlib.suppress(Transient):
                    await self._keep(unkept.work, unkept.drawn)
            if last and self._unkept.of(unkept.work.job) is not None:
                self._unkept.lose(unkept)

    def _without(self, work: Work, error: Exception, started: float, row: Row | None = None) -> Render:
        # What may have been drawn and charged is not asked for again: that would be a second charge.
        outcome: Outcome = "refused" if isinstance(error, Refused) else "failed"
        render = ended(work, outcome, str(error), row)
        return replace(render, seconds=max(0.0, self._clock() - started))
