"""A specification to draw, and a server that answers with the bytes a test scripts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import pytest

from schemas.events import Spec, Text


class MakeSpec(Protocol):
    def __call__(self, prompt: str = ..., *texts: str, **changes: Any) -> Spec: ...


@pytest.fixture
def make_spec() -> MakeSpec:
    def make(prompt: str = 'A poster that says "SUMMER SALE"', *texts: str, **changes: Any) -> Spec:
        spec = Spec(
            prompt=prompt,
            texts=tuple(Text(text) for text in texts),
            negative_prompt="",
            width=256,
            height=192,
            sampler="euler",
            steps=None,
            guidance=None,
            seed=7,
            locale="en",
        )
        return replace(spec, **changes)

    return make


@dataclass(frozen=True, slots=True)
class Heard:
    """One request as it came over the wire; header names in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class ScriptedServer:
    """Gives every request the same answer and remembers what it heard."""

    url: str
    answer: Answer
    heard: list[Heard] = field(default_factory=list)


ServeScript = Callable[[Answer | bytes], Awaitable[ScriptedServer]]


def reply(status: int, headers: dict[str, str], body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "Connection: close", "", ""]).encode() + body


@pytest.fixture
def http_reply() -> Callable[..., bytes]:
    return reply


@pytest.fixture
async def serve_script() -> AsyncIterator[ServeScript]:
    async with contextlib.AsyncExitStack() as stack:

        async def serve(answer: Answer | bytes) -> ScriptedServer:
            say = _say(answer) if isinstance(answer, bytes) else answer
            script = ScriptedServer("", say)
            server = await asyncio.start_server(
                lambda reader, writer: _converse(script, reader, writer), "127.0.0.1", 0
            )
            stack.push_async_callback(_close, server)
            script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/draw"
            return script

        yield serve


def _say(data: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return answer


async def _close(server: asyncio.Server) -> None:
    server.close()
    await server.wait_closed()


async def _converse(
    script: ScriptedServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.partition(": ") for line in head[1:] if line)
        headers = {name.lower(): value for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        script.heard.append(Heard(head[0], headers, body))
        await script.answer(writer)
    writer.close()
