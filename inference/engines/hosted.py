"""A hosted engine: a contract, a transport, the breaker, and what a picture cost, in one call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from inference.engines.allowed import is_loopback
from inference.engines.base import (
    Broken,
    Engine,
    EngineError,
    Leaving,
    Picture,
    Unsupported,
)
from inference.engines.breaker import Breaker
from inference.engines.claims import media_type_of
from inference.engines.contract import Contract, Found, Request, Told, Used
from inference.engines.entries import Entry
from inference.engines.fetching import Fetcher, Sleep, type_of
from inference.engines.outcomes import Terms, error_of
from inference.engines.prompt_length import check_tokens, tokens_in
from inference.engines.redaction import Redactor
from inference.engines.request_ids import request_id_in
from inference.engines.transport import Answer, Call, Limits, Slots, Transport
from inference.pictures import PictureError, check_media_type
from schemas.events import Spec

_LARGE: Final = 256 * 1024
_MOST_ID: Final = 512


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
        self._redact = Redactor(account.key)
        self._key_headers = contract.key_headers(_checked_key(account))
        self._transport = Transport(
            account.entry.name,
            address=account.address,
            redact=self._redact,
            limits=limits,
            naming=self._name_of,
            clock=clock,
        )
        self._fetcher = Fetcher(
            account.entry.name,
            contract.provider,
            self._transport,
            self._redact,
            here=is_loopback(account.address),
            sleep=sleep,
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

        Bytes that came whole are handed on as they are and never thrown away here, since they are paid for:
        whether they are the picture that they claim to be is for `pictures.normalise` to say.

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
        request = self._request(spec)
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
            self._note(picture)
            return picture

    async def aclose(self) -> None:
        await self._transport.aclose()

    def _request(self, spec: Spec) -> Request:
        request = self._contract.request(spec)
        cut = check_tokens(self._entry.name, spec.prompt, self._entry.reads_tokens)
        return replace(request, note="; ".join(filter(None, [request.note, cut])))

    def _note(self, picture: Picture) -> None:
        """Tells the breaker: who sends what is no picture, again and again, is not asked for more of it."""
        engine = self._entry.name
        try:
            check_media_type(picture.data, picture.media_type)
        except PictureError as error:
            self._breaker.failed(engine, Broken(f"{engine}: {self._redact(str(error))}"))
        else:
            self._breaker.succeeded(engine)

    def _name_of(self, headers: Mapping[str, str], body: bytes) -> str:
        return self._redact(request_id_in(self._contract.provider, headers, body))

    async def _draw(self, spec: Spec, request: Request, name: str) -> Picture:
        until = self._transport.deadline()
        answer = await self._transport.send(self._call(request, name), until=until)
        # Decoding tens of megabytes would hold up every other call.
        is_large = len(answer.body) > _LARGE
        found, request_id = await asyncio.to_thread(self._read, answer) if is_large else self._read(answer)
        if isinstance(found, Told):
            raise self._error(found, answer, request, request_id)
        usd = self._list_usd(request) if found.usd is None else found.usd
        found = await self._bytes_of(found, usd, request_id, until)
        return self._picture(spec, request, found, answer, usd=usd, request_id=request_id)

    def _call(self, request: Request, name: str) -> Call:
        headers = {"Content-Type": request.content_type, "Accept": "application/json", **self._key_headers}
        if name and self._contract.id_header:
            headers[self._contract.id_header] = name[:_MOST_ID]
        return Call(url=f"{self._address}{request.path}", body=request.body, headers=headers)

    def _list_usd(self, request: Request) -> float:
        return self._entry.price.list_usd(request.width, request.height)

    def _read(self, answer: Answer) -> tuple[Found | Told, str]:
        """What `answer` brings, and what the provider calls it."""
        return self._contract.read(answer), self._name_of(answer.headers, answer.body)

    def _error(self, told: Told, answer: Answer, request: Request, request_id: str) -> EngineError:
        return error_of(
            self._entry.name,
            self._contract.provider,
            told,
            body=answer.body,
            redact=self._redact,
            terms=Terms(billing=self._entry.billing, list_usd=self._list_usd(request)),
            request_id=request_id,
        )

    async def _bytes_of(self, found: Found, usd: float, request_id: str, until: float) -> Found:
        """`found` with the bytes behind its address."""
        if not found.url:
            return found
        try:
            answer = await self._fetcher.fetched(found.url, request_id, until=until)
        except EngineError as error:
            error.usd = usd
            raise
        return replace(found, data=answer.body, media_type=type_of(answer))

    def _picture(
        self, spec: Spec, request: Request, found: Found, answer: Answer, *, usd: float, request_id: str
    ) -> Picture:
        is_emulated = answer.headers.get("x-emulated", "").lower() == "true"
        return Picture(
            data=found.data,
            media_type=media_type_of(found.data, found.media_type),
            # What a stand-in drew must never answer for the model itself.
            model=f"emulator:{self._entry.name}" if is_emulated else self._entry.model,
            usd=usd,
            seconds=answer.seconds,
            emulated=is_emulated,
            used=_otherwise(spec, {"prompt_tokens": tokens_in(spec.prompt), **request.used, **found.used}),
            note="; ".join(filter(None, [request.note, found.note])),
            request_id=request_id,
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


def _otherwise(spec: Spec, told: Used) -> Used:
    """What of `told` differs from `spec`: a seed or a prompt that is the one asked for says nothing."""
    return {
        name: value
        for name, value in told.items()
        if not (name == "seed" and value == spec.seed) and not (name == "prompt" and value == spec.prompt)
    }
