"""One way over the wire for every hosted engine: bounded in seconds and bytes, sure of what was sent."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from inference.engines.allowed import is_loopback
from inference.engines.base import Broken, EngineError, Transient, Uncertain, Unsupported
from inference.engines.clients import make_client
from inference.engines.redaction import Redactor
from inference.pictures import MAX_BYTES

# Base64 is a third longer than the picture, and some JSON stands around it.
ANSWER_BYTES: Final = MAX_BYTES * 4 // 3 + 1024 * 1024
ERROR_BYTES: Final = 65_536

# What an answer calls itself, by its headers (names in lower case) and what came of its body.
Naming = Callable[[Mapping[str, str], bytes], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds and bytes of one call. `total_s` is for all of it; a picture may take until then to come."""

    total_s: float = 60.0
    connect_s: float = 10.0
    read_s: float | None = None
    answer_bytes: int = ANSWER_BYTES
    picture_bytes: int = MAX_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `headers` may hold a key, so they are never shown."""

    url: str
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Header names are in lower case; of an error only the first 64 KiB are here."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    seconds: float = 0.0


class Slots:
    """So many images in the making at once, first come, first served. Providers count images."""

    def __init__(self, images: int) -> None:
        self.images = images
        self._free = asyncio.Semaphore(images)
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def taken(self, images: int = 1) -> AsyncIterator[None]:
        """Waits for `images` places and holds them.

        Raises:
            ValueError: more than there are.
        """
        if images > self.images:
            raise ValueError(f"images: at most {self.images} are drawn at once; got {images}")
        got = 0
        try:
            # One at a time collects its places, or two might each hold half of what both need.
            async with self._turn:
                while got < images:
                    await self._free.acquire()
                    got += 1
            yield
        finally:
            for _ in range(got):
                self._free.release()


class Transport:
    """A pool of connections to one provider. Never repeats a request and never follows a redirect."""

    def __init__(
        self,
        engine: str,
        *,
        address: str,
        redact: Redactor,
        limits: Limits,
        naming: Naming = lambda _headers, _body: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`engine` is named in errors; `address` is where the provider is, which decides about proxies.

        `naming` gives an error the provider's own name of the call, from as much as came of the answer.
        """
        self._engine = engine
        self._naming = naming
        self._redact = redact
        self._limits = limits
        self._clock = clock
        self._client = make_client(
            timeout=httpx.Timeout(limits.read_s or limits.total_s, connect=limits.connect_s, pool=None),
            # A connection that the far side closes just now would leave the outcome of a call unknown.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            # A proxy from the environment must not carry what is meant for this machine.
            trust_env=not is_loopback(address),
        )

    def deadline(self) -> float:
        """When a call that begins now must be over, on this transport's clock (seconds)."""
        return self._clock() + self._limits.total_s

    def left_s(self, until: float) -> float:
        """Seconds until that deadline; 0 where it is over."""
        return max(0.0, until - self._clock())

    async def send(self, call: Call, *, until: float | None = None) -> Answer:
        """The provider's answer, whatever its status; `until` is a `deadline`, by default a new one.

        Raises:
            Transient: it was never sent.
            Uncertain: it was sent, and no whole answer came.
            Broken: the answer is too large, or packed in a way that was not asked for.
            Unsupported: it cannot be sent at all.
        """
        return await self._exchange(call, self._limits.answer_bytes, until, lost=Uncertain)

    async def fetch(self, url: str, *, until: float | None = None) -> Answer:
        """The answer to a plain GET, without any key: what has been drawn, which may be asked for again.

        Raises:
            Transient: no whole answer came; the same call may work.
            Broken, Unsupported: as `send`.
        """
        call = Call(url=url, method="GET", headers={"Accept": "image/png, image/jpeg, image/webp"})
        return await self._exchange(call, self._limits.picture_bytes, until, lost=Transient)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _exchange(
        self, call: Call, limit: int, until: float | None, *, lost: type[EngineError]
    ) -> Answer:
        watch = _Watch()
        started = self._clock()
        try:
            async with asyncio.timeout(self.left_s(self.deadline() if until is None else until)):
                return await self._stream(call, limit, watch, started)
        except EngineError as error:
            error.request_id = self._naming(watch.headers, bytes(watch.held[:ERROR_BYTES]))
            raise
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError) as error:
            why = type(error).__name__
            raise Unsupported(
                f"{self._engine}: the request cannot be sent ({why}): {self._told(error)}"
            ) from None
        except (TimeoutError, httpx.TransportError) as error:
            # The library's error holds the request, and that the key.
            raise self._lost(error, watch, lost) from None

    def _lost(self, error: Exception, watch: _Watch, lost: type[EngineError]) -> EngineError:
        is_late = isinstance(error, (TimeoutError, httpx.TimeoutException))
        if not watch.sent:
            waited = f" in {self._limits.connect_s:g} s" if is_late else f": {self._told(error)}"
            return Transient(f"{self._engine}: no connection{waited}; nothing was sent")
        told = (
            f"no answer in {self._limits.total_s:g} s"
            if is_late
            else f"connection lost ({type(error).__name__})"
        )
        if lost is Transient:
            return Transient(f"{self._engine}: {told}")
        return Uncertain(
            f"{self._engine}: {told}; it may have been drawn and billed",
            billed="unknown",
            request_id=self._naming(watch.headers, bytes(watch.held)),
        )

    async def _stream(self, call: Call, limit: int, watch: _Watch, started: float) -> Answer:
        headers = {"Accept-Encoding": "identity", **call.headers}
        extensions = {"trace": watch}
        async with self._client.stream(
            call.method, call.url, content=call.body or None, headers=headers, extensions=extensions
        ) as response:
            watch.headers = {name.lower(): value for name, value in response.headers.items()}
            body = await self._received(response, limit, watch)
            return Answer(
                status=response.status_code,
                headers=watch.headers,
                body=body,
                seconds=self._clock() - started,
            )

    async def _received(self, response: httpx.Response, most: int, watch: _Watch) -> bytes:
        """The body unpacked, never more than `most` bytes held. An error's is cut there without a word."""
        succeeded = response.is_success
        limit = most if succeeded else ERROR_BYTES
        try:
            if succeeded and _announced(watch.headers) > limit:
                raise _TooLarge(limit)
            await self._fill(watch.held, response, limit)
        except (httpx.TransportError, _TooLarge, _Unreadable) as error:
            # The status of a refusal says all that matters.
            if succeeded and isinstance(error, httpx.TransportError):
                raise
            if succeeded:
                raise Broken(f"{self._engine}: {error}", billed="unknown") from None
        return bytes(watch.held)

    async def _fill(self, held: bytearray, response: httpx.Response, limit: int) -> None:
        """Fills `held`, up to `limit` bytes.

        Raises:
            _TooLarge, _Unreadable
        """
        packing = response.headers.get("content-encoding", "identity").strip().lower()
        if packing not in ("identity", "", "gzip", "deflate"):
            raise _Unreadable(f"content-encoding {packing!r} was not asked for")
        unpacker = zlib.decompressobj(47) if packing in ("gzip", "deflate") else None
        came = 0
        async for part in response.aiter_raw():
            came += len(part)
            room = limit + 1 - len(held)
            try:
                held += unpacker.decompress(part, room) if unpacker else part[:room]
            except zlib.error as error:
                raise _Unreadable(f"{packing} answer cannot be unpacked: {error}") from error
            if max(len(held), came) > limit:
                del held[limit:]
                raise _TooLarge(limit)
            if unpacker and unpacker.unused_data:
                raise _Unreadable(f"{packing} answer goes on after its end")
        if unpacker and not unpacker.eof:
            raise _Unreadable(f"{packing} answer ends before its end")

    def _told(self, error: Exception) -> str:
        return self._redact(str(error))[:200]


class _TooLarge(Exception):
    """More came, or is announced, than is taken."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"answer is larger than {limit} bytes; reading stopped there")


class _Unreadable(Exception):
    """The body is packed in a way that was not asked for, or wrongly."""


class _Watch:
    """Notes how far a call came: whether any byte of it has left, and what came back.

    Only a request that has left may have been carried out. httpcore calls it at each step of a connection
    (https://www.encode.io/httpcore/extensions/, "trace").
    """

    def __init__(self) -> None:
        self.sent = False
        self.headers: dict[str, str] = {}
        self.held = bytearray()

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(".send_request_headers.started"):
            # A proxy is asked for a tunnel first, and that is no request of ours.
            request = info.get("request")
            self.sent = self.sent or getattr(request, "method", b"") != b"CONNECT"


def _announced(headers: Mapping[str, str]) -> int:
    """The body's length by Content-Length; 0 where it says none."""
    length = headers.get("content-length", "").strip()
    return int(length) if re.fullmatch(r"\d{1,18}", length, re.ASCII) else 0
