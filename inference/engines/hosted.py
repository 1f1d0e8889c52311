"""A hosted engine: a contract, a transport, the breaker, and what a picture cost, in one call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final

from inference.engines.allowed import HOSTS, NotAllowed, check_address, is_loopback
from inference.engines.base import (
    Broken,
    Engine,
    EngineError,
    Leaving,
    Picture,
    Transient,
    Uncertain,
    Unsupported,
)
from inference.engines.breaker import Breaker
from inference.engines.contract import Contract, Found, Request, Told, Used
from inference.engines.entries import Entry
from inference.engines.outcomes import error_of
from inference.engines.redaction import Redactor
from inference.engines.transport import Answer, Call, Limits, Slots, Transport
from inference.pictures import PictureError, check_media_type, sniff
from schemas.events import Spec

# A drawn picture is paid for; three tries to fetch it cost nothing but these seconds.
FETCH_WAITS_S: Final = (0.5, 2.0)
_LARGE: Final = 256 * 1024
_MOST_ID: Final = 512
# What file stores say of bytes that nobody described to them.
_NO_CLAIM: Final = ("application/octet-stream", "binary/octet-stream")

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An entry as it is called here: where, with which key. The key is never shown."""

    entry: Entry
    address: str
    key: str = field(repr=False)


class HostedEngine:
    """One entry of one provider. Never repeats a request; only a picture's address is asked for again."""

    def __init__(
        self,
        account: Account,
        contract: Contract,
        *,
        breaker: Breaker,
        slots: Slots,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Raises:
        Unsupported: the key has characters that no header may hold.
        """
        self._entry = account.entry
        self._address = account.address.rstrip("/")
        self._contract = contract
        self._breaker = breaker
        self._slots = slots
        self._sleep = sleep
        self._redact = Redactor(account.key)
        self._key_headers = contract.key_headers(_checked_key(account))
        self._transport = Transport(
            account.entry.name, address=account.address, redact=self._redact, limits=limits, clock=clock
        )

    @property
    def honours_key(self) -> bool:
        """No provider says that it draws once for requests of one name; Ideogram says that it does not."""
        return False

    def keyed(self, key: str, leaving: Leaving | None = None) -> Engine:
        """This engine, naming its requests by `key` where the provider takes a name for them."""
        return _Named(self, key, leaving)

    async def render(self, spec: Spec, *, background: bytes | None = None) -> Picture:
        """Asks the provider once, waiting first for one of its places.

        Raises:
            EngineError: by the table in `outcomes`; Transient where nothing was sent, Uncertain where it was
                and no whole answer came.
        """
        return await self.render_named(spec, background, "", None)

    async def render_named(
        self, spec: Spec, background: bytes | None, name: str, leaving: Leaving | None
    ) -> Picture:
        """`render`, with the request named `name` unless that is empty."""
        engine = self._entry.name
        if background is not None:
            raise Unsupported(f"{engine}: sets no type over a given background; `layout` does")
        if objection := self._entry.sizes.objection(spec.width, spec.height):
            raise Unsupported(f"{engine}: {objection}")
        request = self._contract.request(spec)
        async with self._slots.taken():
            if shut := self._breaker.ask(engine):
                raise shut.error(engine)
            try:
                if leaving is not None:
                    await leaving()
                picture = await self._draw(spec, request, name)
            except EngineError as error:
                self._breaker.failed(engine, error)
                raise
            except BaseException:
                self._breaker.dropped(engine)
                raise
            self._breaker.succeeded(engine)
            return picture

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _draw(self, spec: Spec, request: Request, name: str) -> Picture:
        answer = await self._transport.send(self._call(request, name))
        # Decoding tens of megabytes would hold up every other call.
        is_large = len(answer.body) > _LARGE
        found = (
            await asyncio.to_thread(self._contract.read, answer) if is_large else self._contract.read(answer)
        )
        if isinstance(found, Told):
            raise self._error(found, answer)
        if found.url:
            found = await self._fetched(found)
        return self._picture(spec, request, found, answer)

    def _call(self, request: Request, name: str) -> Call:
        headers = {"Content-Type": request.content_type, "Accept": "application/json", **self._key_headers}
        if name and self._contract.id_header:
            headers[self._contract.id_header] = name[:_MOST_ID]
        return Call(url=f"{self._address}{request.path}", body=request.body, headers=headers)

    def _error(self, told: Told, answer: Answer) -> EngineError:
        return error_of(
            self._entry.name,
            self._contract.provider,
            told,
            body=answer.body,
            redact=self._redact,
            billing=self._entry.billing,
        )

    async def _fetched(self, found: Found) -> Found:
        """`found` with the bytes behind its address, which is one of the provider's own."""
        engine = self._entry.name
        try:
            url = check_address(found.url, HOSTS[self._contract.provider], here=is_loopback(self._address))
        except NotAllowed as error:
            raise Broken(
                f"{engine}: the picture's address is not followed: {self._redact(str(error))}",
                billed="billed",
            ) from None
        fetched = await self._tried(url, found)
        claimed = fetched.headers.get("content-type", "")
        return replace(found, data=fetched.body, media_type="" if claimed in _NO_CLAIM else claimed)

    async def _tried(self, url: str, found: Found) -> Answer:
        why = ""
        for wait_s in (*FETCH_WAITS_S, None):
            try:
                fetched = await self._transport.fetch(url)
            except Transient as error:
                why = str(error)
            except EngineError as error:
                raise Broken(f"{error}{_named(found)}", kind=error.kind, billed="billed") from None
            else:
                if fetched.status == 200:
                    return fetched
                why = f"{self._entry.name}: HTTP {fetched.status}: {self._redact.quoted(fetched.body)}"
                if fetched.status < 500 and fetched.status not in (404, 408, 425, 429):
                    break
            if wait_s is not None:
                await self._sleep(wait_s)
        raise Uncertain(
            f"{why}; it is drawn and billed, and could not be fetched{_named(found)}", billed="billed"
        )

    def _picture(self, spec: Spec, request: Request, found: Found, answer: Answer) -> Picture:
        claimed = found.media_type or sniff(found.data) or ""
        try:
            media_type = check_media_type(found.data, claimed)
        except PictureError as error:
            raise Broken(f"{self._entry.name}: {self._redact(str(error))}", billed="billed") from error
        price = self._entry.price.list_usd(request.width, request.height)
        return Picture(
            data=found.data,
            media_type=media_type,
            model=self._entry.model,
            usd=price if found.usd is None else found.usd,
            seconds=answer.seconds,
            emulated=answer.headers.get("x-emulated", "").lower() == "true",
            used=_otherwise(spec, {**request.used, **found.used}),
            note="; ".join(filter(None, [request.note, found.note])),
        )


@dataclass(frozen=True, slots=True)
class _Named:
    engine: HostedEngine
    name: str
    leaving: Leaving | None

    async def render(self, spec: Spec, *, background: bytes | None = None) -> Picture:
        return await self.engine.render_named(spec, background, self.name, self.leaving)

    async def aclose(self) -> None:
        """Nothing: the connections belong to the engine."""


def _checked_key(account: Account) -> str:
    key, entry = account.key, account.entry
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise Unsupported(
            f"{entry.name}: {entry.key_env or 'its key'}: must be printable ASCII without spaces; "
            "what is set is not; set it anew",
            kind="auth",
        )
    return key


def _named(found: Found) -> str:
    name = found.used.get("request_id")
    return f" (generation {name})" if name else ""


def _otherwise(spec: Spec, told: Used) -> Used:
    """What of `told` differs from `spec`: a seed or a prompt that is the one asked for says nothing."""
    return {
        name: value
        for name, value in told.items()
        if not (name == "seed" and value == spec.seed) and not (name == "prompt" and value == spec.prompt)
    }
