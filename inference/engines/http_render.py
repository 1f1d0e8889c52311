"""The plainest contract: POST a prompt and a size as JSON, get the picture's bytes back.

Headers a server may answer with: X-Seed, X-Model, X-Cost-Usd, X-Finish-Reason, X-Emulated.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import httpx
import orjson

from inference.engines.allowed import shown
from inference.engines.base import (
    Billed,
    Broken,
    Engine,
    EngineError,
    Leaving,
    Picture,
    Refused,
    Transient,
    Unsupported,
)
from inference.engines.claims import is_picture, media_type_of
from inference.engines.clients import make_client
from inference.engines.entries import Field
from inference.engines.http_errors import error_of, excerpt, lost
from inference.pictures import MAX_BYTES
from schemas.events import Spec

_log = logging.getLogger(__name__)
_MOST_USD = 1_000_000
_WITHHELD = frozenset({"CONTENT_FILTERED", "REFUSED", "SAFETY"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where and how to ask.

    `fields` are the optional request fields the server takes; `usd` prices a picture by its width,
    height (pixels) and seconds where the server names no price itself. `honours_key`: it draws and charges
    once for one Idempotency-Key, however often it is asked.
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
    honours_key: bool = False

    def __repr__(self) -> str:
        return f"Server(engine={self.engine!r}, url={shown(self.url)!r})"


class HttpRenderEngine:
    """One pool of connections to one server; never retries by itself."""

    def __init__(self, server: Server, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._clock = clock
        self._slots = asyncio.Semaphore(server.in_flight)
        self._client = make_client(
            timeout=httpx.Timeout(server.timeout_s, pool=None),
            limits=httpx.Limits(max_connections=server.in_flight),
            # A proxy from the environment must not carry what is meant for this machine.
            trust_env=not server.emulated,
        )

    @property
    def honours_key(self) -> bool:
        """Whether a repeated key gets the picture that was drawn for it, by whoever runs the server."""
        return self._server.honours_key

    def keyed(self, key: str, leaving: Leaving | None = None) -> Engine:
        """This engine, sending `key` as Idempotency-Key."""
        return _WithKey(self, key, leaving)

    async def render(self, spec: Spec, *, background: bytes | None = None) -> Picture:
        """Asks the server once, within its time-out, waiting first for one of its slots.

        Raises:
            EngineError: by the table in `http_errors`. Sent without a whole answer: Uncertain, or Transient
                where the server honours keys.
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
        server, where = self._server, shown(self._server.url)
        try:
            async with (
                asyncio.timeout(server.timeout_s),
                self._client.stream("POST", server.url, content=body, headers=self._headers(key)) as response,
            ):
                return response.headers, await self._receive(response)
        # The library's errors hold the request, and that the key: none of them is chained.
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise Unsupported(f"{server.engine}: {where!r} is no http address") from None
        except (httpx.LocalProtocolError, UnicodeError) as error:
            why = type(error).__name__
            raise Unsupported(f"{server.engine}: the request cannot be sent ({why})") from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Transient(f"{server.engine}: no connection to {where}: {error}") from None
        except (TimeoutError, httpx.TimeoutException):
            raise self._lost(f"no answer in {server.timeout_s:g} s") from None
        except httpx.TransportError as error:
            raise self._lost(f"connection lost ({type(error).__name__})") from None

    def _lost(self, why: str) -> EngineError:
        return lost(f"{self._server.engine}: {why}", honours_key=self._server.honours_key)

    async def _receive(self, response: httpx.Response) -> bytes:
        """The picture's bytes, never more than the limit held in memory."""
        server = self._server
        if response.status_code != 200:
            # An error text beyond the first kilobytes tells nobody anything, and the status tells enough.
            said = bytearray()
            with contextlib.suppress(httpx.TransportError):
                await _fill(said, response, 16_384)
            raise error_of(
                server.engine,
                response.status_code,
                response.headers,
                bytes(said),
                honours_key=server.honours_key,
            )
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise self._broken(response.headers, f"content-encoding {encoding!r} was not asked for")
        data = bytearray()
        await _fill(data, response, server.max_bytes + 1)
        if len(data) > server.max_bytes:
            raise self._broken(
                response.headers, f"answer is larger than {server.max_bytes} bytes; reading stopped there"
            )
        return bytes(data)

    def _broken(self, headers: httpx.Headers, why: str) -> Broken:
        usd = _price(headers)
        return Broken(f"{self._server.engine}: {why}", billed=_billed(usd), usd=usd)

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
        """Bytes that came whole are handed on as they are: they may be paid for, so they are kept."""
        server, usd = self._server, _price(headers)
        finish = headers.get("x-finish-reason", "").upper()
        if finish in _WITHHELD:
            raise Refused(
                f"{server.engine}: the picture was withheld ({finish})",
                kind="refused_output",
                billed=_billed(usd),
                usd=usd,
            )
        claimed = headers.get("content-type", "")
        if not is_picture(data, claimed):
            raise self._broken(headers, f"no picture came{_quoted(data, claimed)}")
        most = server.usd(spec.width, spec.height, server.timeout_s)
        return Picture(
            data=data,
            media_type=media_type_of(data, claimed),
            model=headers.get("x-model", "")[:200] or server.model,
            usd=server.usd(spec.width, spec.height, seconds) if usd is None else usd,
            note=_too_dear(usd, most) if usd is not None else "",
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


def _price(headers: httpx.Headers) -> float | None:
    """What the server says that the call cost, with a picture or without, in US dollars."""
    return _number(headers, "x-cost-usd", _MOST_USD)


def _billed(usd: float | None) -> Billed:
    if usd is None:
        return "unknown"
    return "billed" if usd else "never"


def _too_dear(usd: float, most: float) -> str:
    if usd <= most:
        return ""
    return f"the server says it cost ${usd:g}; by the registry ${most:g} is the most that it may"


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


async def _fill(held: bytearray, response: httpx.Response, limit: int) -> None:
    """Fills `held` with the first `limit` bytes of the body, as sent."""
    async for part in response.aiter_raw():
        held += part[: limit - len(held)]
        if len(held) >= limit:
            break


def _quoted(data: bytes, claimed: str) -> str:
    if not data:
        return ": no bytes at all"
    is_text = claimed.startswith("text/") or "json" in claimed
    return f": it says {excerpt(data)!r}" if is_text else f": {len(data)} bytes of {claimed[:60]!r}"
