"""Fetching a picture that is drawn and paid for from where its provider keeps it for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from inference.engines.allowed import HOSTS, NotAllowed, check_address
from inference.engines.base import Broken, EngineError, Transient
from inference.engines.claims import is_picture
from inference.engines.contract import Provider
from inference.engines.redaction import Redactor
from inference.engines.transport import Answer, Transport

# A drawn picture is paid for; three tries to fetch it cost nothing but these seconds.
FETCH_WAITS_S: Final = (0.5, 2.0)
_WORTH_ANOTHER_TRY: Final = (200, 404, 408, 425, 429)

Sleep = Callable[[float], Awaitable[None]]


class Fetcher:
    """Asks for pictures behind addresses, which are followed to `provider`'s own hosts alone."""

    def __init__(
        self,
        engine: str,
        provider: Provider,
        transport: Transport,
        redact: Redactor,
        *,
        here: bool,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`here`: the provider itself was reached on this machine, so its pictures may lie here."""
        self._engine = engine
        self._provider = provider
        self._transport = transport
        self._redact = redact
        self._here = here
        self._sleep = sleep

    async def fetched(self, url: str, request_id: str, *, until: float | None = None) -> Answer:
        """The answer that holds the picture; `request_id` is what the provider calls the drawing of it, and
        `until` the deadline of all tries, on the transport's clock.

        Raises:
            Broken: the address is not one of the provider's, more lies there than is taken, or no whole
                picture came in three tries or in time. It is billed, and that is known: nobody has to look.
        """
        try:
            address = check_address(url, HOSTS[self._provider], here=self._here)
        except NotAllowed as error:
            told = self._redact(str(error))
            raise self._error(f"{self._engine}: its address is not followed: {told}", request_id) from None
        until = self._transport.deadline() if until is None else until
        return await self._tried(address, request_id, until)

    async def _tried(self, address: str, request_id: str, until: float) -> Answer:
        why = ""
        for wait_s in (*FETCH_WAITS_S, None):
            try:
                answer = await self._transport.fetch(address, until=until)
            except Transient as error:
                why = str(error)
            except EngineError as error:
                raise self._error(str(error), request_id) from None
            else:
                if answer.status == 200 and is_picture(answer.body, type_of(answer)):
                    return answer
                why = f"{self._engine}: {self._quoted(answer)}"
                if answer.status < 500 and answer.status not in _WORTH_ANOTHER_TRY:
                    break
            if wait_s is None or self._transport.left_s(until) <= wait_s:
                break
            await self._sleep(wait_s)
        raise self._error(why, request_id)

    def _error(self, why: str, request_id: str) -> Broken:
        named = f", which calls it {request_id}" if request_id else ""
        return Broken(
            f"the picture is drawn and billed by its provider{named}, and could not be fetched: {why}",
            billed="billed",
            request_id=request_id,
        )

    def _quoted(self, answer: Answer) -> str:
        said = self._redact.quoted(answer.body) or "no bytes"
        claimed = f" of {type_of(answer)[:60]!a}" if answer.status == 200 else ""
        return f"HTTP {answer.status}{claimed}: {said}"


def type_of(answer: Answer) -> str:
    """The media type that the answer claims, as it stands there; "" where it claims none."""
    return answer.headers.get("content-type", "").strip().lower()
