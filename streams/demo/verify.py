"""The promise, checked from outside: one final each, and every picture is what its event says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence

from inference.assets import AssetError, AssetStore
from schemas.events import LIVE_RUN, Asset, Pictures, PromptRef, Result
from schemas.topics import RESULTS
from schemas.wire import decode
from streams.scan import open_scan
from streams.settings import Settings

FETCHES_AT_ONCE = 8


async def read_finals(settings: Settings) -> list[Result]:
    """Every committed final on the topic, duplicates included."""
    async with open_scan(settings, [RESULTS.name]) as scan:
        results = [decode(Result, record.value, record.headers) async for record in scan.to_end()]
    return [result for result in results if result.final and result.ref.run == LIVE_RUN]


def count_faults(finals: Iterable[Result], expected: frozenset[PromptRef]) -> list[str]:
    """What breaks "exactly one final each", one line a prompt."""
    counts = Counter(final.ref for final in finals)
    faults = [f"{name_of(ref)}: has no final" for ref in expected - counts.keys()]
    faults += [f"{name_of(ref)}: has {count} finals" for ref, count in counts.items() if count > 1]
    faults += [f"{name_of(ref)}: has a final nobody asked for" for ref in counts.keys() - expected]
    return sorted(faults)


async def asset_faults(store: AssetStore, finals: Sequence[Result]) -> tuple[int, list[str]]:
    """How many assets were fetched and hashed, and what is wrong with which."""
    named = {
        asset.sha256 + asset.media_type: (final.ref, asset) for final in finals for asset in _assets(final)
    }
    slots = asyncio.Semaphore(FETCHES_AT_ONCE)

    async def fetch(ref: PromptRef, asset: Asset) -> str | None:
        async with slots:
            try:
                # The store hashes what it fetched and raises where that is another hash.
                data = await store.get(asset)
            except AssetError as error:
                return f"{name_of(ref)}: {error}"
        if len(data) != asset.bytes:
            return f"{name_of(ref)}: {asset.uri}: {len(data)} bytes, should be {asset.bytes}"
        return None

    found = await asyncio.gather(*(fetch(ref, asset) for ref, asset in named.values()))
    return len(named), sorted(fault for fault in found if fault is not None)


def _assets(final: Result) -> list[Asset]:
    sets: list[Pictures | None] = [final.pictures, *(attempt.pictures for attempt in final.attempts)]
    return [
        asset
        for pictures in sets
        if pictures is not None
        for asset in (pictures.image, pictures.original, pictures.background, pictures.vector)
        if asset is not None
    ]


def name_of(ref: PromptRef) -> str:
    return f"{ref.source}/{ref.id} v{ref.variant}"
