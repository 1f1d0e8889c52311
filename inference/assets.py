"""The asset store: pictures by the hash of their bytes, manifests by render id, nothing else.

AssetError
├── AssetMissing    the store has no such object
├── AssetCorrupt    what the store gave back is not what was put
└── StoreFailed     the store itself did not answer; the same call may work later
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore.exceptions
from obstore.store import LocalStore, MemoryStore, from_url

from schemas.events import Asset

if TYPE_CHECKING:
    from obstore import Attributes
    from obstore.store import ObjectStore

EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/svg+xml": "svg",
    "application/json": "json",
}
CLOUDS = ("s3", "s3a", "gs", "az", "abfs", "abfss")
_SHA256 = re.compile("[0-9a-f]{64}")


class AssetError(Exception):
    """An asset that cannot be stored or fetched."""


class AssetMissing(AssetError):
    """The store has no such object."""


class AssetCorrupt(AssetError):
    """The bytes in the store are not the bytes that were put."""


class StoreFailed(AssetError):
    """The store did not answer: no network, no permission, no space."""


class AssetStore:
    """Content-addressed pictures and the manifests that name them.

    Every object is written whole or not at all, and an object of one key never changes its bytes,
    so puts may be repeated and run concurrently.
    """

    def __init__(self, objects: ObjectStore, base_uri: str, *, content_types: bool) -> None:
        self._objects = objects
        self._base_uri = base_uri.rstrip("/")
        self._content_types = content_types

    @classmethod
    def open(cls, url_or_path: str | Path) -> AssetStore:
        """Opens a folder (made if absent), `memory://`, or a bucket: `s3://`, `gs://`, `az://`.

        Credentials and endpoints come from the cloud's own environment variables.

        Raises:
            ValueError: the scheme is unknown, or the store cannot be configured.
        """
        text = str(url_or_path)
        scheme = urlsplit(text).scheme if "://" in text else ""
        if scheme == "memory":
            return cls(MemoryStore(), "memory://", content_types=True)
        if scheme in ("", "file"):
            folder = Path(unquote(urlsplit(text).path) if scheme else text).expanduser().resolve()
            return cls(_folder(folder), folder.as_uri(), content_types=False)
        if scheme not in CLOUDS:
            known = ", ".join(f"{name}://" for name in ("file", "memory", *CLOUDS))
            raise ValueError(f"asset store: unknown scheme in {text!r}; give a folder or one of {known}")
        try:
            return cls(from_url(text), text, content_types=True)
        except obstore.exceptions.BaseError as error:
            raise ValueError(f"asset store: {text!r} cannot be opened: {_first_line(error)}") from error

    async def put(self, data: bytes, media_type: str, width: int = 0, height: int = 0) -> Asset:
        """Stores `data` under its hash; a second put of the same bytes writes nothing.

        Raises:
            StoreFailed: nothing was stored.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        key = asset_key(sha256, media_type)
        try:
            await self._objects.put_async(key, data, mode="create", attributes=self._attributes(media_type))
        except obstore.exceptions.AlreadyExistsError:
            await self._mend(key, data, media_type)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise StoreFailed(f"{self._uri(key)}: cannot be written: {_first_line(error)}") from error
        return Asset(
            uri=self._uri(key),
            sha256=sha256,
            media_type=media_type,
            bytes=len(data),
            width=width,
            height=height,
        )

    async def get(self, asset: Asset) -> bytes:
        """The bytes of `asset`, from this store: `asset.uri` is never followed elsewhere.

        Raises:
            AssetMissing, AssetCorrupt, StoreFailed: each names the uri.
        """
        data = await self._read(self._key_of(asset), asset.uri)
        if data is None:
            raise AssetMissing(f"{asset.uri}: not in the asset store at {self._base_uri}")
        found = hashlib.sha256(data).hexdigest()
        if found != asset.sha256:
            raise AssetCorrupt(f"{asset.uri}: sha256 is {found}, should be {asset.sha256}; {len(data)} bytes")
        return data

    async def has(self, asset: Asset) -> bool:
        """Whether the object is there with the size it should have; its bytes are not read.

        Raises:
            StoreFailed: the store did not answer.
        """
        try:
            meta = await self._objects.head_async(self._key_of(asset))
        except FileNotFoundError:
            return False
        except (obstore.exceptions.BaseError, OSError) as error:
            raise StoreFailed(f"{asset.uri}: cannot be looked up: {_first_line(error)}") from error
        return meta["size"] == asset.bytes

    async def put_manifest(self, render_id: str, data: bytes) -> None:
        """Writes what is known of a render; the last write wins.

        Raises:
            StoreFailed: nothing was stored.
        """
        key = manifest_key(render_id)
        try:
            await self._objects.put_async(
                key, data, mode="overwrite", attributes=self._attributes("application/json")
            )
        except (obstore.exceptions.BaseError, OSError) as error:
            raise StoreFailed(f"{self._uri(key)}: cannot be written: {_first_line(error)}") from error

    async def get_manifest(self, render_id: str) -> bytes | None:
        """What `put_manifest` wrote, or None.

        Raises:
            StoreFailed: the store did not answer.
        """
        key = manifest_key(render_id)
        return await self._read(key, self._uri(key))

    async def _read(self, key: str, uri: str) -> bytes | None:
        try:
            answer = await self._objects.get_async(key)
            return bytes(await answer.bytes_async())
        except FileNotFoundError:
            return None
        except (obstore.exceptions.BaseError, OSError) as error:
            raise StoreFailed(f"{uri}: cannot be read: {_first_line(error)}") from error

    async def _mend(self, key: str, data: bytes, media_type: str) -> None:
        # A disk that filled up can leave a short object: the key promises these bytes.
        try:
            meta = await self._objects.head_async(key)
            if meta["size"] != len(data):
                await self._objects.put_async(
                    key, data, mode="overwrite", attributes=self._attributes(media_type)
                )
        except (obstore.exceptions.BaseError, OSError) as error:
            raise StoreFailed(f"{self._uri(key)}: cannot be written: {_first_line(error)}") from error

    def _attributes(self, media_type: str) -> Attributes | None:
        return {"Content-Type": media_type} if self._content_types else None

    def _uri(self, key: str) -> str:
        return f"{self._base_uri}/{key}"

    def _key_of(self, asset: Asset) -> str:
        return asset_key(asset.sha256, asset.media_type)


def asset_key(sha256: str, media_type: str) -> str:
    """`sha256/ab/cd/<hash>.<ext>`; a media type we do not know ends in `.bin`.

    Raises:
        ValueError: `sha256` is not 64 lower-case hex digits.
    """
    _check_hash("sha256", sha256)
    return f"sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}.{EXTENSIONS.get(media_type, 'bin')}"


def manifest_key(render_id: str) -> str:
    """`renders/ab/cd/<render id>.json`.

    Raises:
        ValueError: `render_id` is not 64 lower-case hex digits.
    """
    _check_hash("render_id", render_id)
    return f"renders/{render_id[:2]}/{render_id[2:4]}/{render_id}.json"


def _check_hash(name: str, value: str) -> None:
    if not _SHA256.fullmatch(value):
        raise ValueError(f"{name}: must be 64 lower-case hex digits; got {value!r:.100}")


def _folder(folder: Path) -> LocalStore:
    try:
        return LocalStore(folder, mkdir=True)
    except (obstore.exceptions.BaseError, OSError) as error:
        raise ValueError(f"asset store: folder {folder} cannot be used: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
