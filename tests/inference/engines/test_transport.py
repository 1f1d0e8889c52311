from __future__ import annotations

import asyncio
import gzip
import logging
import tracemalloc
from typing import Any

import pytest

from inference.engines.base import Broken, EngineError, Transient, Uncertain, Unsupported
from inference.engines.redaction import Redactor
from inference.engines.transport import Answer, Call, Limits, Slots, Transport
from tests.inference.engines.playback import (
    KEY,
    Player,
    playing,
    reply,
)

MIB = 1024 * 1024


def transport(player: Player | None = None, **limits: Any) -> Transport:
    address = player.url if player else "http://127.0.0.1:9"
    settings = {"total_s": 5.0, "connect_s": 1.0, **limits}
    return Transport("engine", address=address, redact=Redactor(KEY), limits=Limits(**settings))


async def failure(transport: Transport, url: str, *, fetching: bool = False) -> EngineError:
    call = Call(url=url, body=b"{}", headers={"Api-Key": KEY})
    with pytest.raises(EngineError) as caught:
        await (transport.fetch(url) if fetching else transport.send(call))
    await transport.aclose()
    assert KEY not in repr(caught.value) + repr(call)
    return caught.value


async def silence(_writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" " * MIB)
        await writer.drain()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def hang_up_midway(writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"data": [')
    await writer.drain()
    writer.close()


async def unused_port() -> int:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def test_nobody_at_the_address_means_that_nothing_was_sent() -> None:
    error = await failure(transport(), f"http://127.0.0.1:{await unused_port()}/generate")
    assert isinstance(error, Transient)
    assert (error.kind, error.billed) == ("transient", "never")
    assert "nothing was sent" in str(error)


@pytest.mark.parametrize(
    ("answer", "says"),
    [(silence, "no answer in 0.2 s"), (hang_up, "connection lost"), (hang_up_midway, "connection lost")],
    ids=["silence", "hung up", "hung up midway"],
)
async def test_sent_without_a_whole_answer_is_of_unknown_outcome(answer: Any, says: str) -> None:
    async with playing({"/": answer}) as player:
        error = await failure(transport(player, total_s=0.2), player.url)
        assert len(player.heard) == 1
    assert isinstance(error, Uncertain)
    assert (error.kind, error.billed) == ("unknown", "unknown")
    assert says in str(error)
    assert "may have been drawn and billed" in str(error)


async def test_an_answer_that_drips_for_ever_ends_with_the_whole_call_s_time() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with playing({"/": drip}) as player:
        error = await failure(transport(player, total_s=0.3, read_s=5.0), player.url)
    assert isinstance(error, Uncertain)


async def test_a_body_without_end_is_cut_at_the_limit_and_not_held() -> None:
    async with playing({"/": endless}) as player:
        tracemalloc.start()
        error = await failure(transport(player, answer_bytes=4 * MIB, total_s=60.0), player.url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert isinstance(error, Broken)
    assert (error.kind, error.billed) == ("unclear", "unknown")
    assert f"larger than {4 * MIB} bytes; reading stopped there" in str(error)
    assert peak < 24 * MIB


async def test_a_small_packet_that_unpacks_to_a_large_one_is_cut_too() -> None:
    packed = gzip.compress(b" " * (64 * MIB))
    async with playing({"/": reply(200, {"Content-Encoding": "gzip"}, packed)}) as player:
        tracemalloc.start()
        error = await failure(transport(player, answer_bytes=4 * MIB, total_s=60.0), player.url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert isinstance(error, Broken)
    assert peak < 24 * MIB


async def test_a_packed_answer_that_nobody_asked_for_is_read_all_the_same() -> None:
    async with playing({"/": reply(200, {"Content-Encoding": "gzip"}, gzip.compress(b"{}"))}) as player:
        sender = transport(player)
        assert (await sender.send(Call(url=player.url))).body == b"{}"
        await sender.aclose()
        assert player.heard[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("encoding", "body"), [("br", b"..."), ("gzip", b"no gzip at all")], ids=["unknown", "broken"]
)
async def test_a_packing_that_cannot_be_undone_is_named(encoding: str, body: bytes) -> None:
    async with playing({"/": reply(200, {"Content-Encoding": encoding}, body)}) as player:
        error = await failure(transport(player), player.url)
    assert isinstance(error, Broken)
    assert encoding in str(error)
    assert error.billed == "unknown"


async def test_a_cookie_is_never_kept() -> None:
    async with playing({"/": reply(200, {"Set-Cookie": "sid=42; Path=/"}, b"{}")}) as player:
        sender = transport(player)
        for _ in range(2):
            await sender.send(Call(url=player.url))
        await sender.aclose()
    assert all("cookie" not in heard.headers for heard in player.heard)


async def test_no_address_is_written_into_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with playing({"/": reply(200, {"Location": "/x?sig=topsecret"}, b"{}")}) as player:
        sender = transport(player)
        await sender.fetch(f"{player.url}/p.png?sig=topsecret")
        await sender.send(Call(url=f"{player.url}/p.png?sig=topsecret", headers={"Api-Key": KEY}))
        await sender.aclose()
    assert len(player.heard) == 2
    assert "topsecret" not in caplog.text
    assert KEY not in caplog.text


async def test_one_deadline_bounds_all_that_is_sent_under_it() -> None:
    async with playing({"/": silence}) as player:
        now = 100.0
        sender = Transport(
            "engine",
            address=player.url,
            redact=Redactor(),
            limits=Limits(total_s=30.0),
            clock=lambda: now,
        )
        until = sender.deadline()
        now += 29.9
        async with asyncio.timeout(10):
            with pytest.raises(Uncertain):
                await sender.send(Call(url=player.url), until=until)
            now += 5
            with pytest.raises(Transient):
                await sender.fetch(player.url, until=until)
        await sender.aclose()


async def test_of_an_error_s_body_the_beginning_is_enough() -> None:
    async with playing({"/": reply(500, {}, b"x" * (10 * MIB))}) as player:
        sender = transport(player)
        answer = await sender.send(Call(url=player.url))
        await sender.aclose()
    assert (answer.status, len(answer.body)) == (500, 65_536)


async def test_a_redirect_is_an_answer_and_no_other_server_hears_of_it() -> None:
    async with playing({}) as elsewhere, playing({}) as player:
        player.answers["/"] = reply(307, {"Location": elsewhere.url})
        sender = transport(player)
        answer = await sender.send(Call(url=player.url, headers={"Api-Key": KEY}))
        await sender.aclose()
        assert isinstance(answer, Answer)
        assert answer.status == 307
        assert elsewhere.heard == []


async def test_every_call_has_a_connection_of_its_own() -> None:
    connections = 0

    async def keep_alive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.read(65_536):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(keep_alive, "127.0.0.1", 0)
    sender = transport()
    for _ in range(3):
        await sender.send(Call(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", method="GET"))
    await sender.aclose()
    server.close()
    await server.wait_closed()
    assert connections == 3


async def test_what_has_been_drawn_may_be_asked_for_again() -> None:
    async with playing({"/": hang_up}) as player:
        error = await failure(transport(player), player.url, fetching=True)
    assert isinstance(error, Transient)


@pytest.mark.parametrize("url", ["ftp://x.test/a", "http://", "http://[::1", "x"])
async def test_an_address_that_is_none_is_never_sent_to(url: str) -> None:
    error = await failure(transport(), url)
    assert isinstance(error, (Unsupported, Transient))
    assert error.billed == "never"


async def test_places_are_counted_in_pictures_and_given_in_turn() -> None:
    slots = Slots(4)
    order: list[str] = []
    leave = asyncio.Event()

    async def draw(name: str, images: int) -> None:
        async with slots.taken(images):
            order.append(name)
            await leave.wait()

    tasks = [asyncio.create_task(draw(name, images)) for name, images in (("a", 3), ("b", 2), ("c", 1))]
    for _ in range(5):
        await asyncio.sleep(0)
    assert order == ["a"], "one place is free, but the next in line needs two"
    leave.set()
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c"]
    with pytest.raises(ValueError, match="at most 4 are drawn at once; got 5"):
        async with slots.taken(5):
            pass


async def test_a_waiter_that_gives_up_leaves_its_places() -> None:
    slots = Slots(2)
    async with slots.taken(1):
        waiting = asyncio.create_task(slots.taken(2).__aenter__())
        for _ in range(3):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with asyncio.timeout(1), slots.taken(2):
        pass
