"""From bytes as they came to a stored picture and its manifest, named by what was really drawn."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from inference.assets import AssetStore
from inference.engines.base import Picture
from inference.engines.registry import Resolved
from inference.manifest import Manifest, write_manifest
from inference.pictures import Normalised, PictureError, normalise
from schemas.events import Asset, Pictures, RenderJob, Spec
from schemas.ids import render_id

DRAWN_BY = frozenset({"prompt", "negative_prompt", "seed", "steps", "guidance", "sampler"})
# An engine that reports one of these did less than it was asked for, for a reason of the moment:
# the same ask may do better next time, so such a picture never answers for it.
LESSENED = frozenset({"width", "height", "steps", "guidance", "sampler"})


@dataclass(frozen=True, slots=True)
class Work:
    """A job with the engine that takes it, the prompt that engine is sent, and the id of what is asked."""

    job: RenderJob
    resolved: Resolved
    spec: Spec
    id: str

    @classmethod
    def of(cls, job: RenderJob, resolved: Resolved, spec: Spec) -> Work:
        return cls(job, resolved, spec, _id(job, spec, resolved.entry.name, resolved.model, ()))


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture in the store; `note` says what differs from what was asked."""

    manifest: Manifest
    note: str


class Unusable(Exception):
    """The bytes are kept as they came, and are no picture that can be read; the text says where they are."""


async def keep(store: AssetStore, work: Work, picture: Picture, *, receipt: str | None = None) -> Kept:
    """Stores `picture`, and last of all the manifest that makes a hit of it. `receipt` is one more id that
    leads to it.

    Raises:
        Unusable
        StoreFailed: nothing answers for the work yet; the same call may be made again.
    """
    original = await store.put(picture.data, picture.media_type)
    try:
        image = await asyncio.to_thread(normalise, picture.data, picture.media_type)
    except PictureError as error:
        raise Unusable(f"{error}; kept as {original.uri}") from error
    manifest = Manifest(
        render_id=_id_of_used(work, picture, image),
        resolved_engine=work.resolved.entry.name,
        model=picture.model,
        pictures=await _put_all(store, picture, image, original),
        usd=picture.usd,
        seconds=picture.seconds,
        emulated=picture.emulated,
        by_construction=picture.by_construction,
        used=picture.used,
    )
    asked = () if LESSENED & picture.used.keys() else (work.id,)
    await write_manifest(store, manifest, answers_for=(*filter(None, [receipt]), *asked))
    return Kept(manifest, _other_size(work.spec, image))


async def _put_all(store: AssetStore, picture: Picture, image: Normalised, original: Asset) -> Pictures:
    size = (image.width, image.height)

    async def put_if(data: bytes | None, media_type: str) -> Asset | None:
        return None if data is None else await store.put(data, media_type, *size)

    return Pictures(
        image=await store.put(image.png, "image/png", *size),
        original=replace(original, width=size[0], height=size[1]),
        background=await put_if(picture.background, "image/png"),
        vector=await put_if(picture.vector, "image/svg+xml"),
    )


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


def _id_of_used(work: Work, picture: Picture, image: Normalised) -> str:
    """The id of what was drawn: the spec, with what the engine says it did otherwise, in its true size."""
    told: dict[str, Any] = {name: value for name, value in picture.used.items() if name in DRAWN_BY}
    drawn = replace(work.spec, **{**told, "width": image.width, "height": image.height})
    fonts = tuple(filter(None, str(picture.used.get("fonts", "")).split(", ")))
    return _id(work.job, drawn, work.resolved.entry.name, picture.model, fonts)


def _other_size(spec: Spec, image: Normalised) -> str:
    if (spec.width, spec.height) == (image.width, image.height):
        return ""
    return f"asked for {spec.width}x{spec.height}, got {image.width}x{image.height}"
