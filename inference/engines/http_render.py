"""The plainest contract: POST a prompt and a size as JSON, get the picture's bytes back.

Headers a server may answer with: X-Seed, X-Model, X-Cost-Usd, X-Finish-Reason, X-Emulated.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import httpx
import orjson

from inference.engines.base import Broken, Engine, Leaving, Picture, Refused, Transient, Unsupported
from inference.engines.entries import Field
from inference.engines.http_errors import error_of, excerpt
from inference.pictures import MAX_BYTES, PictureError, check_media_type
from schemas.events import Spec

_log = logging.getLogger(__name__)
_UNKNOWN = "outcome unknown, it may have been billed"
_WITHHELD = frozenset({"CONTENT_FILTERED", "REFUSED", "SAFETY"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where and how to ask.

    `fields` are the optional request fields the server takes; `usd` prices a picture by its width,
    height (pixels) and seconds where the server names no price itself.
    """

    url: str
    engine: str
    model: str
    usd: Callable[[int, int, float], float]
    fields: Collection[Field] = ()
    key: str | None = None
    timeout_s: float = 60.0
    in_flight: int = 16
    max_bytes: int = MAX_BYTES
    emulated: bool = False

    def __repr__(self) -> str:
        return f"Server(engine={self.engine!r}, url={self.url!r})"


class HttpRenderEngine:
    """One pool of connections to one server; never retries by itself."""

    def __init__(self, server: Server, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._clock = clock
        self._slots = asyncio.Semaphore(server.in_flight)
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(server.timeout_s, pool=None),
            limits=httpx.Limits(max_connections=server.in_flight),
            follow_redirects=False,
            # A proxy from the environment must not carry what is meant for this machine.
            trust_env=not server.emulated,
        )

    @property
    def honours_key(self) -> bool:
        """By the contract: whoever repeats a key gets the picture that was drawn for it."""
        return True

    def keyed(self, key: str, leaving: Leaving | None = None) -> Engine:
        """This engine, sending `key` as Idempotency-Key."""
        return _WithKey(self, key, leaving)

    async def render(self, spec: Spec, *, background: bytes | None = None) -> Picture:
        """Asks the server once, within its time-out, waiting first for one of its slots.

        Raises:
            EngineError: by the table in `http_errors`; a time-out says that its outcome is unknown.
        """
        return await self.render_with_key(spec, background, "", None)

    async def render_with_key(
        self, spec: Spec, background: bytes | None, key: str, leaving: Leaving | None
    ) -> Picture:
        """`render`, with an Idempotency-Key unless `key` is empty."""
        if background is not None:
            raise Unsupported(f"{self._server.engine}: sets no type over a given background; `layout` does")
        async with self._slots:
            if leaving is not None:
                await leaving()
            started = self._clock()
            headers, data = await self._ask(body_of(spec, self._server), key)
            return self._picture(spec, headers, data, self._clock() - started)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _ask(self, body: bytes, key: str) -> tuple[httpx.Headers, bytes]:
        server = self._server
        try:
            async with (
                asyncio.timeout(server.timeout_s),
                self._client.stream("POST", server.url, content=body, headers=self._headers(key)) as response,
            ):
                return response.headers, await self._receive(response)
        except httpx.UnsupportedProtocol as error:
            raise Unsupported(f"{server.engine}: {server.url!r} is no http address") from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Transient(f"{server.engine}: no connection to {server.url}: {error}") from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise _lost(f"{server.engine}: no answer in {server.timeout_s:g} s") from error
        except httpx.TransportError as error:
            raise _lost(f"{server.engine}: connection lost ({type(error).__name__})") from error

    async def _receive(self, response: httpx.Response) -> bytes:
        """The picture's bytes, never more than the limit held in memory."""
        server = self._server
        if response.status_code != 200:
            # An error text beyond the first kilobytes tells nobody anything.
            raise error_of(
                server.engine, response.status_code, response.headers, await _head(response, 16_384)
            )
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise Broken(f"{server.engine}: content-encoding {encoding!r} was not asked for")
        data = await _head(response, server.max_bytes + 1)
        if len(data) > server.max_bytes:
            raise Broken(
                f"{server.engine}: answer is larger than {server.max_bytes} bytes; reading stopped there"
            )
        return data

    def _headers(self, key: str) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "image/png, image/jpeg, image/webp",
            "Accept-Encoding": "identity",
        }
        if key:
            headers["Idempotency-Key"] = key
        if self._server.key:
            headers["Authorization"] = f"Bearer {self._server.key}"
        return headers

    def _picture(self, spec: Spec, headers: httpx.Headers, data: bytes, seconds: float) -> Picture:
        server = self._server
        finish = headers.get("x-finish-reason", "").upper()
        if finish in _WITHHELD:
            raise Refused(f"{server.engine}: the picture was withheld ({finish})")
        claimed = headers.get("content-type", "")
        try:
            media_type = check_media_type(data, claimed)
        except PictureError as error:
            raise Broken(f"{server.engine}: {error}{_quoted(data, claimed)}") from error
        usd = _number(headers, "x-cost-usd", 1_000_000)
        return Picture(
            data=data,
            media_type=media_type,
            model=headers.get("x-model", "")[:200] or server.model,
            usd=server.usd(spec.width, spec.height, seconds) if usd is None else usd,
            seconds=seconds,
            emulated=server.emulated or headers.get("x-emulated", "").lower() == "true",
            used=_used(spec, server, headers),
        )


@dataclass(frozen=True, slots=True)
class _WithKey:
    engine: HttpRenderEngine
    key: str
    leaving: Leaving | None

    async def render(self, spec: Spec, *, background: bytes | None = None) -> Picture:
        return await self.engine.render_with_key(spec, background, self.key, self.leaving)

    async def aclose(self) -> None:
        """Nothing: the connections belong to the engine."""


def _lost(why: str) -> Transient:
    """Sent, and nobody knows the outcome; asked again by the same key, the server says."""
    return Transient(f"{why}; {_UNKNOWN}", kind="unknown", billed="unknown")


def body_of(spec: Spec, server: Server) -> bytes:
    """The request: `prompt`, `width`, `height`, and of the optional fields those the server takes."""
    body: dict[str, str | int | float] = {"prompt": spec.prompt, "width": spec.width, "height": spec.height}
    optional: dict[Field, str | int | float | None] = {
        "seed": spec.seed,
        "negative_prompt": spec.negative_prompt or None,
        "steps": spec.steps,
        "guidance": spec.guidance,
        "sampler": spec.sampler,
        "engine": server.engine,
    }
    for name, value in optional.items():
        if name in server.fields and value is not None:
            body[name] = value
    return orjson.dumps(body)


def _used(spec: Spec, server: Server, headers: httpx.Headers) -> dict[str, str | int | float]:
    used: dict[str, str | int | float] = {}
    seed = _number(headers, "x-seed", 2**32 - 1)
    if seed is not None and int(seed) != spec.seed:
        used["seed"] = int(seed)
    if spec.negative_prompt and "negative_prompt" not in server.fields:
        used["negative_prompt"] = ""
    return used


def _number(headers: httpx.Headers, name: str, largest: float) -> float | None:
    """The header's number in 0..largest; None where it is absent or is none."""
    text = headers.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= largest:
        _log.warning("header %s: must be a number in 0..%g; got %.40r; ignored", name, largest, text)
        return None
    return value


async def _head(response: httpx.Response, limit: int) -> bytes:
    """The first `limit` bytes of the body, as sent."""
    parts: list[bytes] = []
    left = limit
    async for part in response.aiter_raw():
        parts.append(part[:left])
        left -= len(parts[-1])
        if left <= 0:
            break
    return b"".join(parts)


def _quoted(data: bytes, claimed: str) -> str:
    is_text = claimed.startswith("text/") or "json" in claimed
    return f"; it says {excerpt(data)!r}" if is_text and data else ""
