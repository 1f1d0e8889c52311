"""What every counter does with a request first: how many wait, how large a body may be, our own errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from inference.engines.emulator.delivery import EMULATED

MAX_BODY = 256 * 1024
MAX_WAITING = 256


class Waiting:
    """How many requests are under way, all counters together."""

    def __init__(self) -> None:
        self.now = 0

    @property
    def full(self) -> bool:
        return self.now >= MAX_WAITING

    @contextmanager
    def one_more(self) -> Iterator[None]:
        self.now += 1
        try:
            yield
        finally:
            self.now -= 1


async def read_body(request: Request) -> bytes | None:
    """The body, or None as soon as it is too large."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
    return b"".join(parts)


def error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error in our own words, where no provider's are asked for."""
    return JSONResponse(
        {"error": {"code": code, "message": message}}, status, {**EMULATED, **(headers or {})}
    )
