from __future__ import annotations

import asyncio
import hashlib
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from inference.assets import AssetCorrupt, AssetMissing, AssetStore, StoreFailed

DATA = b"\x89PNG these are bytes"
SHA = hashlib.sha256(DATA).hexdigest()
RENDER_ID = "ab" * 32


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> AssetStore:
    return AssetStore.open(tmp_path / "assets" if request.param == "folder" else "memory://")


def file_of(folder: Path) -> Path:
    (found,) = (path for path in folder.rglob("*") if path.is_file())
    return found


async def test_what_is_put_comes_back(store: AssetStore) -> None:
    asset = await store.put(DATA, "image/png", 640, 480)
    assert (asset.sha256, asset.bytes, asset.media_type) == (SHA, len(DATA), "image/png")
    assert (asset.width, asset.height) == (640, 480)
    assert asset.uri.endswith(f"/sha256/{SHA[:2]}/{SHA[2:4]}/{SHA}.png")
    assert await store.has(asset)
    assert await store.get(asset) == DATA


async def test_the_same_bytes_are_one_object(store: AssetStore) -> None:
    first, second = await asyncio.gather(*(store.put(DATA, "image/png") for _ in range(2)))
    assert first == second
    assert await store.put(DATA, "image/png") == first


def test_a_consumer_can_fetch_a_file_uri(tmp_path: Path) -> None:
    store = AssetStore.open(tmp_path / "with space & ümlaut")
    asset = asyncio.run(store.put(DATA, "image/png"))
    assert asset.uri.startswith("file:///")
    with urllib.request.urlopen(asset.uri) as answer:
        assert answer.read() == DATA


async def test_a_relative_folder_gives_absolute_uris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asset = await AssetStore.open("out").put(DATA, "image/png")
    assert asset.uri.startswith((tmp_path / "out").resolve().as_uri())


async def test_a_file_url_opens_the_folder_it_names(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    asset = await AssetStore.open(folder.as_uri()).put(DATA, "image/png")
    assert await AssetStore.open(folder).get(asset) == DATA


async def test_changed_bytes_are_noticed_and_the_uri_named(tmp_path: Path) -> None:
    store = AssetStore.open(tmp_path)
    asset = await store.put(DATA, "image/png")
    file_of(tmp_path).write_bytes(DATA.replace(b"bytes", b"lies!"))
    with pytest.raises(AssetCorrupt, match=asset.uri) as caught:
        await store.get(asset)
    assert SHA in str(caught.value)


async def test_a_cut_object_is_missed_and_mended_by_the_next_put(tmp_path: Path) -> None:
    store = AssetStore.open(tmp_path)
    asset = await store.put(DATA, "image/png")
    file_of(tmp_path).write_bytes(DATA[:5])
    assert not await store.has(asset)
    await store.put(DATA, "image/png")
    assert await store.get(asset) == DATA


async def test_a_missing_asset_is_named(store: AssetStore) -> None:
    asset = await store.put(DATA, "image/png")
    gone = replace(asset, sha256="0" * 64)
    assert not await store.has(gone)
    with pytest.raises(AssetMissing, match="not in the asset store"):
        await store.get(gone)


async def test_a_foreign_uri_is_never_followed(store: AssetStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    asset = replace(await store.put(DATA, "image/png"), uri=secret.as_uri())
    assert await store.get(asset) == DATA


@pytest.mark.parametrize("sha256", ["../" * 20, "AB" * 32, "", "0" * 63])
async def test_a_hash_that_is_none_reaches_no_file(store: AssetStore, sha256: str) -> None:
    asset = replace(await store.put(DATA, "image/png"), sha256=sha256)
    with pytest.raises(ValueError, match="sha256: must be 64 lower-case hex digits"):
        await store.get(asset)


async def test_a_manifest_is_found_by_its_render_and_the_last_write_wins(store: AssetStore) -> None:
    assert await store.get_manifest(RENDER_ID) is None
    await store.put_manifest(RENDER_ID, b"1")
    await store.put_manifest(RENDER_ID, b"2")
    assert await store.get_manifest(RENDER_ID) == b"2"
    with pytest.raises(ValueError, match="render_id"):
        await store.put_manifest("../../etc", b"")


@pytest.mark.parametrize(
    ("media_type", "extension"),
    [("image/jpeg", "jpg"), ("image/svg+xml", "svg"), ("application/x-odd", "bin")],
)
async def test_the_extension_follows_the_media_type(
    store: AssetStore, media_type: str, extension: str
) -> None:
    assert (await store.put(DATA, media_type)).uri.endswith(f".{extension}")


@pytest.mark.parametrize("url", ["ftp://host/x", "http://host/x", "bucket://x"])
def test_an_unknown_scheme_is_refused_with_the_known_ones(url: str) -> None:
    with pytest.raises(ValueError, match=r"unknown scheme in .*file://, memory://, s3://"):
        AssetStore.open(url)


def test_a_bucket_is_opened_by_url_without_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    AssetStore.open("s3://posters/glyphstream")


def test_a_file_in_the_folder_s_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ValueError, match="taken"):
        AssetStore.open(tmp_path / "taken")


async def test_a_store_that_fails_says_so_and_stores_nothing(tmp_path: Path) -> None:
    store = AssetStore.open(tmp_path / "assets")
    (tmp_path / "assets").rmdir()
    (tmp_path / "assets").write_text("in the way")
    with pytest.raises(StoreFailed, match="cannot be written"):
        await store.put(DATA, "image/png")
