"""From a job to a stored picture: the same work is drawn once, and stored as what it really is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol
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
from inference.engines.prompting import prompt_for
from inference.engines.registry import EngineGone, EngineUnavailable, Resolved, UnknownEngine
from inference.manifest import Manifest, find_manifest, write_manifest
from inference.pictures import Normalised, PictureError, normalise
from schemas.events import Asset, Pictures, Render, RenderJob, Spec
from schemas.ids import render_id

__all__ = ["RenderService", "prompt_for"]

DRAWN_BY = frozenset({"prompt", "negative_prompt", "seed", "steps", "guidance", "sampler"})
# An engine that reports one of these did less than it was asked for, for a reason of the moment:
# the same ask may do better next time, so such a picture never answers for it.
LESSENED = frozenset({"width", "height", "steps", "guidance", "sampler"})


class EnginePool(Protocol):
    """What the service needs of `Engines`."""

    def resolve(self, name: str) -> Resolved: ...

    def engine_for(self, resolved: Resolved) -> Engine: ...


@dataclass(frozen=True, slots=True)
class _Work:
    """A job with the engine that takes it, the prompt that engine is sent, and the id of what is asked."""

    job: RenderJob
    resolved: Resolved
    spec: Spec
    id: str


class RenderService:
    """Draws jobs through engines into the store. Safe to call concurrently from one event loop."""

    def __init__(
        self,
        engines: EnginePool,
        store: AssetStore,
        clock: Callable[[], float] = time.monotonic,
        *,
        no_cache: bool = False,
    ) -> None:
        """`clock` gives seconds; with `no_cache` every job is drawn, whatever the store holds."""
        self._engines = engines
        self._store = store
        self._clock = clock
        self._no_cache = no_cache
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def render(self, job: RenderJob) -> Render:
        """The outcome of `job`: rendered (or found in the store, at no cost), refused or failed.

        Nothing is stored by halves: the manifest that makes a hit is written after all pictures.

        Raises:
            Transient: nothing was decided; the same call may work later.
        """
        try:
            resolved = self._engines.resolve(job.engine)
        except (UnknownEngine, EngineGone, EngineUnavailable) as error:
            return Render(job=job, outcome="failed", reason=str(error))
        work = _work_of(job, resolved)
        lock = self._locks.setdefault(work.id, asyncio.Lock())
        try:
            async with lock:
                found = None if self._no_cache else await find_manifest(self._store, work.id)
                return _hit(work, found) if found else await self._draw(work)
        except StoreFailed as error:
            raise Transient(f"asset store: {error}") from error

    async def _draw(self, work: _Work) -> Render:
        started = self._clock()
        try:
            picture = await self._ask(work)
        except Refused as error:
            return self._without(work, "refused", error, started)
        except (Unsupported, Broken, Uncertain, AssetMissing, AssetCorrupt) as error:
            # What may have been drawn and charged is not asked for again: that would be a second charge.
            return self._without(work, "failed", error, started)
        return await self._keep(work, picture)

    async def _ask(self, work: _Work) -> Picture:
        entry, spec = work.resolved.entry, work.spec
        objection = entry.sizes.objection(spec.width, spec.height)
        if objection:
            raise Unsupported(f"{entry.name}: {objection}")
        background = await self._store.get(work.job.background) if work.job.background else None
        engine = self._engines.engine_for(work.resolved)
        # Without a cache, a server must not answer with the picture it drew for this key before.
        if isinstance(engine, Keyed) and not self._no_cache:
            engine = engine.keyed(work.id)
        return await engine.render(spec, background=background)

    async def _keep(self, work: _Work, picture: Picture) -> Render:
        original = await self._store.put(picture.data, picture.media_type)
        try:
            image = await asyncio.to_thread(normalise, picture.data, picture.media_type)
        except PictureError as error:
            failed = Render(job=work.job, outcome="failed", reason=f"{error}; kept as {original.uri}")
            return replace(_signed(failed, work, picture), render_id=work.id)
        pictures = await self._put_all(picture, image, original)
        manifest = Manifest(
            render_id=_id_of_used(work, picture, image),
            resolved_engine=work.resolved.entry.name,
            model=picture.model,
            pictures=pictures,
            usd=picture.usd,
            seconds=picture.seconds,
            emulated=picture.emulated,
            by_construction=picture.by_construction,
            used=picture.used,
        )
        answers_for = None if LESSENED & picture.used.keys() else work.id
        await write_manifest(self._store, manifest, answers_for)
        drawn = Render(
            job=work.job,
            outcome="rendered",
            render_id=manifest.render_id,
            pictures=pictures,
            by_construction=picture.by_construction,
            reason="; ".join(
                filter(None, [work.resolved.reason, picture.note, _other_size(work.spec, image)])
            ),
        )
        return _signed(drawn, work, picture)

    async def _put_all(self, picture: Picture, image: Normalised, original: Asset) -> Pictures:
        size = (image.width, image.height)
        return Pictures(
            image=await self._store.put(image.png, "image/png", *size),
            original=replace(original, width=size[0], height=size[1]),
            background=await self._put_if(picture.background, "image/png", size),
            vector=await self._put_if(picture.vector, "image/svg+xml", size),
        )

    async def _put_if(self, data: bytes | None, media_type: str, size: tuple[int, int]) -> Asset | None:
        return None if data is None else await self._store.put(data, media_type, *size)

    def _without(self, work: _Work, outcome: str, error: Exception, started: float) -> Render:
        return Render(
            job=work.job,
            outcome="refused" if outcome == "refused" else "failed",
            resolved_engine=work.resolved.entry.name,
            model=work.resolved.model,
            render_id=work.id,
            seconds=max(0.0, self._clock() - started),
            emulated=work.resolved.emulated,
            reason="; ".join(filter(None, [work.resolved.reason, str(error)])),
        )


def _work_of(job: RenderJob, resolved: Resolved) -> _Work:
    spec = replace(job.spec, prompt=prompt_for(job.spec))
    asked = _id(job, spec, resolved.entry.name, resolved.model, ())
    return _Work(job, resolved, spec, asked)


def _id(job: RenderJob, spec: Spec, engine: str, model: str, fonts: tuple[str, ...]) -> str:
    return render_id(
        engine=engine,
        model=model,
        prompt=spec.prompt,
        negative_prompt=spec.negative_prompt,
        texts=spec.texts,
        fonts=fonts,
        sampler=spec.sampler,
        seed=spec.seed,
        width=spec.width,
        height=spec.height,
        steps=spec.steps,
        guidance=spec.guidance,
        ordinal=job.ordinal,
        background_sha256=job.background.sha256 if job.background else None,
    )


def _id_of_used(work: _Work, picture: Picture, image: Normalised) -> str:
    """The id of what was drawn: the spec, with what the engine says it did otherwise, in its true size."""
    told: dict[str, Any] = {name: value for name, value in picture.used.items() if name in DRAWN_BY}
    drawn = replace(work.spec, **{**told, "width": image.width, "height": image.height})
    fonts = tuple(filter(None, str(picture.used.get("fonts", "")).split(", ")))
    return _id(work.job, drawn, work.resolved.entry.name, picture.model, fonts)


def _hit(work: _Work, manifest: Manifest) -> Render:
    return Render(
        job=work.job,
        outcome="rendered",
        resolved_engine=manifest.resolved_engine,
        model=manifest.model,
        render_id=manifest.render_id,
        pictures=manifest.pictures,
        emulated=manifest.emulated,
        cached=True,
        by_construction=manifest.by_construction,
        reason="; ".join(filter(None, [work.resolved.reason, "drawn before"])),
    )


def _signed(render: Render, work: _Work, picture: Picture) -> Render:
    """`render` with who drew, at what cost."""
    return replace(
        render,
        resolved_engine=work.resolved.entry.name,
        model=picture.model,
        usd=picture.usd,
        seconds=picture.seconds,
        emulated=picture.emulated,
    )


def _other_size(spec: Spec, image: Normalised) -> str:
    if (spec.width, spec.height) == (image.width, image.height):
        return ""
    return f"asked for {spec.width}x{spec.height}, got {image.width}x{image.height}"
