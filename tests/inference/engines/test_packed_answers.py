from __future__ import annotations

import asyncio
import gzip

import pytest

from inference.engines.base import Broken
from tests.inference.engines.playback import (
    playing,
    reply,
)
from tests.inference.engines.test_transport import MIB, failure, transport


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (gzip.compress(b"{}") + b"\0" * 4096, "goes on after its end"),
        (gzip.compress(b"{}") + gzip.compress(b"{}"), "goes on after its end"),
        (gzip.compress(b"{}" * 1000)[:-9], "ends before its end"),
        (b"", "ends before its end"),
    ],
    ids=["rubbish behind", "another behind", "cut", "nothing"],
)
async def test_a_packed_answer_has_one_end_and_reaches_it(body: bytes, says: str) -> None:
    async with playing({"/": reply(200, {"Content-Encoding": "gzip"}, body)}) as player:
        error = await failure(transport(player), player.url)
    assert isinstance(error, Broken)
    assert says in str(error)
    assert error.billed == "unknown"


async def test_what_goes_on_behind_the_end_of_a_packed_answer_is_not_read() -> None:
    sent = 0

    async def rubbish(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"
        writer.write(head + gzip.compress(b"{}"))
        while not writer.is_closing() and sent < 256 * MIB:
            writer.write(bytes(MIB))
            await writer.drain()
            sent += MIB

    async with playing({"/": rubbish}) as player:
        error = await failure(transport(player, total_s=60.0), player.url)
    assert isinstance(error, Broken)
    assert sent < 32 * MIB


async def test_packed_bytes_count_against_the_limit_as_well() -> None:
    # Stored blocks of nothing: 5 bytes each that unpack to none.
    body = gzip.compress(b"")[:10] + b"\0\0\0\xff\xff" * (2 * MIB // 5)
    async with playing({"/": reply(200, {"Content-Encoding": "gzip"}, body)}) as player:
        error = await failure(transport(player, answer_bytes=MIB), player.url)
    assert f"larger than {MIB} bytes" in str(error)
