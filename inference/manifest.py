"""What the store remembers of a render, found by the id of what was drawn or of what was asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Literal

import msgspec

from inference.assets import AssetStore
from schemas.events import Pictures

_log = logging.getLogger(__name__)


class Manifest(msgspec.Struct, frozen=True, kw_only=True, tag="render"):
    """A finished render. `used` is what the engine did otherwise than asked; dollars and seconds as spent."""

    render_id: str
    resolved_engine: str
    model: str
    pictures: Pictures
    usd: float
    seconds: float
    emulated: bool
    by_construction: bool
    used: dict[str, str | int | float] = {}
    version: Literal[1] = 1


class Pointer(msgspec.Struct, frozen=True, tag="pointer"):
    """Stands under the id of what was asked, where the provider filled in a seed, a revision or a size."""

    render_id: str


async def find_manifest(store: AssetStore, render_id: str) -> Manifest | None:
    """The render known by this id, if all its pictures are still in the store.

    Raises:
        StoreFailed: the store did not answer.
    """
    found = await _read(store, render_id)
    if isinstance(found, Pointer):
        found = await _read(store, found.render_id)
    if not isinstance(found, Manifest):
        return None
    pictures = found.pictures
    assets = (pictures.image, pictures.original, pictures.background, pictures.vector)
    present = await asyncio.gather(*(store.has(asset) for asset in assets if asset is not None))
    return found if all(present) else None


async def write_manifest(store: AssetStore, manifest: Manifest, answers_for: Sequence[str]) -> None:
    """Writes the manifest under its own id and lets `answers_for`, ids of what was asked, lead to it.

    Raises:
        StoreFailed: at worst there are pointers that lead nowhere yet.
    """
    for asked in answers_for:
        if asked != manifest.render_id:
            await store.put_manifest(asked, msgspec.json.encode(Pointer(manifest.render_id)))
    # Last, so that all of it holds from one moment on: a worker may be killed at any.
    await store.put_manifest(manifest.render_id, msgspec.json.encode(manifest))


async def _read(store: AssetStore, render_id: str) -> Manifest | Pointer | None:
    data = await store.get_manifest(render_id)
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=Manifest | Pointer)
    except msgspec.DecodeError as error:
        _log.warning("manifest of render %s cannot be read and will be written anew: %s", render_id, error)
        return None
