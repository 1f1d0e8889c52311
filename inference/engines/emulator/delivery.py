"""How an answer leaves: whole, slowly, in part, without end, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from inference.engines.emulator.contracts.base import Answer
from inference.engines.emulator.scripts import Script

SLOW_PARTS = 8
CHUNK = 64 * 1024
HTML = b"<!DOCTYPE html><html><head><title>Service</title></head><body><h1>Please wait</h1></body></html>"
BAD_GATEWAY = b"<html><head><title>Bad Gateway</title></head><body>upstream ended early</body></html>"
EMULATED = {"X-Emulated": "true"}

Sleep = Callable[[float], Awaitable[None]]


def with_transport(app: ASGIApp) -> ASGIApp:
    """Lets an answer hang up: ASGI has no word for it, so the server's transport is noted in the scope."""

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        scope["emulator.transport"] = getattr(getattr(send, "__self__", None), "transport", None)
        await app(scope, receive, send)

    return outer


class HangUp(Response):
    """The connection ends, after `first` bytes of an answer of `status` where there are any."""

    def __init__(self, answer: Answer | None = None, sent: int = 0) -> None:
        super().__init__()
        self._answer = answer
        self._sent = sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._answer is not None:
            headers = _headers(self._answer) | {"Content-Length": str(len(self._answer.body))}
            raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": self._answer.status, "headers": raw})
            body = self._answer.body[: self._sent]
            await send({"type": "http.response.body", "body": body, "more_body": True})
        transport = scope.get("emulator.transport")
        if transport is None:
            raise RuntimeError("this server has no transport to hang up; serve with uvicorn")
        transport.close()
        await _until_closed(receive)


async def _until_closed(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def delivered(answer: Answer, script: Script, sleep: Sleep) -> Response:
    """The answer as `script` has it go."""
    match script.fault:
        case "lost" | "hang_up":
            return HangUp()
        case "cut":
            return HangUp(answer, max(1, len(answer.body) // 2))
        case "slow":
            return _streamed(answer, _slowly(answer.body, script.delay_s / SLOW_PARTS, sleep))
        case "endless":
            return _streamed(answer, _endlessly(answer.body, script.bytes))
        case "html":
            return Response(HTML, 200, media_type="text/html", headers=EMULATED)
        case "bad_gateway":
            return Response(BAD_GATEWAY, script.status or 502, media_type="text/html", headers=EMULATED)
        case _:
            return Response(answer.body, answer.status, headers=_headers(answer))


def _headers(answer: Answer) -> dict[str, str]:
    return {**answer.headers, **EMULATED, "Content-Type": answer.media_type}


def _streamed(answer: Answer, chunks: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(chunks, answer.status, headers=_headers(answer))


async def _slowly(body: bytes, pause: float, sleep: Sleep) -> AsyncIterator[bytes]:
    step = max(1, -(-len(body) // SLOW_PARTS))
    for at in range(0, len(body), step):
        await sleep(pause)
        yield body[at : at + step]


async def _endlessly(body: bytes, size: int) -> AsyncIterator[bytes]:
    """The body, and then blanks: JSON that goes on, or a picture with rubbish behind it."""
    yield body
    filler: Any = b" " * CHUNK
    for _ in range(max(0, size - len(body)) // CHUNK):
        yield filler
