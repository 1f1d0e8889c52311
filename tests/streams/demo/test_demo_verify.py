from __future__ import annotations

import dataclasses
from pathlib import Path

from inference.assets import AssetStore
from schemas.events import Pictures, PromptRef
from streams.demo.verify import asset_faults, count_faults
from tests.streams.demo.finals_made import attempt, final

ONE, TWO = PromptRef("s", "1"), PromptRef("s", "2")


def test_one_final_each_has_no_fault() -> None:
    finals = [final("1", [attempt(0)]), final("2", [attempt(0)])]
    assert count_faults(finals, frozenset({ONE, TWO})) == []


def test_a_missing_a_double_and_a_stray_final_are_each_named() -> None:
    finals = [final("1", [attempt(0)]), final("1", [attempt(0)]), final("9", [attempt(0)])]
    assert count_faults(finals, frozenset({ONE, TWO})) == [
        "s/1 v0: has 2 finals",
        "s/2 v0: has no final",
        "s/9 v0: has a final nobody asked for",
    ]


async def test_every_asset_of_every_attempt_is_fetched_and_hashed(tmp_path: Path) -> None:
    store = AssetStore.open(tmp_path)
    first, last = await store.put(b"one", "image/png"), await store.put(b"two", "image/png")
    lost = dataclasses.replace(last, sha256="f" * 64, uri="file:///gone.png")
    finals = [
        final(
            "1",
            [
                attempt(0, pictures=Pictures(image=first, original=first)),
                attempt(1, pictures=Pictures(image=last, original=lost)),
            ],
        )
    ]
    count, faults = await asset_faults(store, finals)
    assert count == 3
    assert len(faults) == 1
    assert faults[0].startswith("s/1 v0: file:///gone.png: not in the asset store")


async def test_an_asset_with_other_bytes_is_named_with_both_hashes(tmp_path: Path) -> None:
    store = AssetStore.open(tmp_path)
    asset = await store.put(b"one", "image/png")
    next((tmp_path / "sha256").rglob("*.png")).write_bytes(b"two")
    _, faults = await asset_faults(
        store, [final("1", [attempt(0, pictures=Pictures(image=asset, original=asset))])]
    )
    assert len(faults) == 1
    assert f"should be {asset.sha256}" in faults[0]
