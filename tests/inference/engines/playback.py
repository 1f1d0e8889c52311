"""A provider on this machine that plays recorded answers, and the recordings themselves."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import email.parser
import functools
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from PIL import Image

from inference.engines.adapters import HostedEngines
from inference.engines.entries import Registry, load_registry
from inference.engines.hosted import HostedEngine
from schemas.events import Spec

FIXTURES = Path(__file__).parent / "fixtures"
KEY = "test-key-0123456789-abcdefgh"
SPEC = Spec(
    prompt='A poster that says "SUMMER SALE"',
    texts=(),
    negative_prompt="",
    width=1024,
    height=1024,
    sampler="euler",
    steps=None,
    guidance=None,
    seed=7,
    locale="en",
)

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def png(width: int = 8, height: int = 8) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "navy").save(out, "PNG")
    return out.getvalue()


def reply(status: int, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status} Played", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "Connection: close", "", ""]).encode() + body


@dataclass(frozen=True, slots=True)
class Heard:
    """One request as it came; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def form(self) -> dict[str, str]:
        """The fields of a multipart body."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = email.parser.BytesParser().parsebytes(head + self.body)
        return {
            str(part.get_param("name", header="content-disposition")): str(part.get_payload())
            for part in message.get_payload()
        }


@dataclass(slots=True)
class Player:
    """Answers by the beginning of the path, the longest that fits; remembers what it heard."""

    url: str = ""
    answers: dict[str, bytes | Answer] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.partition(": ") for line in head[1:] if line)
            headers = {name.lower(): value for name, _, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            method, path, _ = head[0].split(" ")
            self.heard.append(Heard(method, path, headers, body))
            fits = [begin for begin in self.answers if path.startswith(begin)]
            answer = self.answers[max(fits, key=len)] if fits else reply(404, {}, b"nobody lives here")
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        writer.close()


@contextlib.asynccontextmanager
async def playing(answers: Mapping[str, bytes | Answer]) -> AsyncIterator[Player]:
    """A server on a free port of this machine."""
    player = Player(answers=dict(answers))
    server = await asyncio.start_server(player.converse, "127.0.0.1", 0)
    player.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield player
    finally:
        server.close()
        await server.wait_closed()


@functools.cache
def checked_in() -> Registry:
    """The registry of the repository, read once."""
    return load_registry()


async def no_wait(_seconds: float) -> None:
    """For sleeping in tests."""


def engine_at(url: str, name: str, *, key: str = KEY, **changes: Any) -> HostedEngine:
    """The registry's engine `name`, its provider at `url`, its entry with `changes`."""
    registry = checked_in()
    entry = msgspec.structs.replace(registry.get(name), url=url, **changes)
    return HostedEngines(registry, sleep=no_wait).engine(entry, key)


@dataclass(frozen=True, slots=True)
class Case:
    """One recording: what was asked, what was answered, and what that means."""

    name: str
    source: str
    engine: str
    spec: Spec
    answer: Mapping[str, Any]
    expect: Mapping[str, Any]
    request: Mapping[str, Any] | None

    def bytes_at(self, url: str) -> bytes:
        """The answer on the wire, of a server at `url`."""
        body = self.answer.get("text")
        if body is None:
            body = json.dumps(self.answer["body"])
        told = (
            body.replace("{PNG}", base64.b64encode(png()).decode())
            .replace("{HERE}", url)
            .replace("{KEY}", KEY)
        )
        headers = {"Content-Type": "application/json", **self.answer.get("headers", {})}
        return reply(self.answer["status"], headers, told.encode())


def cases() -> list[Case]:
    """All recordings, by contract and case."""
    found = []
    for path in sorted(FIXTURES.glob("*/*.json")):
        raw = json.loads(path.read_text())
        name = f"{path.parent.name}-{path.stem}"
        spec = replace(SPEC, **raw.get("spec", {}))
        found.append(
            Case(name, raw["source"], raw["engine"], spec, raw["answer"], raw["expect"], raw.get("request"))
        )
    return found


FAILURES = [case for case in cases() if "kind" in case.expect]
SUCCESSES = [case for case in cases() if "kind" not in case.expect]
