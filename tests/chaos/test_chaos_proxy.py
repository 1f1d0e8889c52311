"""The chaos's proxy: what it does to a connection, seen from both ends, with a broker that is not Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from collections.abc import AsyncIterator

import pytest

from tests.chaos.frames import END_TXN, FETCH, Frames
from tests.chaos.proxy import LOOPBACK, Loss, Proxy, Weather


def request(api_key: int, correlation: int, body: bytes = b"body") -> bytes:
    return struct.pack(">ihhi", 8 + len(body), api_key, 0, correlation) + body


def response(correlation: int, body: bytes) -> bytes:
    return struct.pack(">ii", 4 + len(body), correlation) + body


@pytest.mark.parametrize("step", [1, 2, 5, 13, 1_000])
def test_frames_find_every_message_however_the_bytes_arrive(step: int) -> None:
    sent = request(FETCH, 1) + request(END_TXN, 2, b"") + request(FETCH, 3, bytes(40))
    frames = Frames(requests=True)
    pieces = [piece for at in range(0, len(sent), step) for piece in frames.feed(sent[at : at + step])]
    assert b"".join(piece.data for piece in pieces) == sent
    assert [piece.first for piece in pieces if piece.first is not None] == [
        (FETCH, 1),
        (END_TXN, 2),
        (FETCH, 3),
    ]


class Broker:
    """Answers each request with its body and remembers what it was asked."""

    def __init__(self) -> None:
        self.applied: list[int] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length, _, _, correlation = struct.unpack(">ihhi", await reader.readexactly(12))
                body = await reader.readexactly(length - 8)
                self.applied.append(correlation)
                writer.write(response(correlation, body))
                await writer.drain()
        writer.close()


class Bench:
    """A client, the proxy and a broker that is not Kafka."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.broker = Broker()
        self.proxy = Proxy(1, random.Random(1), self.faults.append)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(LOOPBACK, self.proxy.ports[0])

    async def ask(
        self,
        ends: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        correlation: int,
        api_key: int = FETCH,
        body: bytes = b"body",
    ) -> bytes:
        reader, writer = ends
        writer.write(request(api_key, correlation, body))
        length, _ = struct.unpack(">ii", await reader.readexactly(8))
        return await reader.readexactly(length - 4)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    server = await asyncio.start_server(bench.broker.serve, LOOPBACK, 0)
    await bench.proxy.start()
    bench.proxy.forward_to([server.sockets[0].getsockname()[1]])
    yield bench
    await bench.proxy.close()
    server.close()
    await server.wait_closed()


async def test_the_proxy_passes_everything_on_when_nothing_is_wrong(bench: Bench) -> None:
    ends = await bench.connect()
    big = random.Random(2).randbytes(300_000)
    assert [await bench.ask(ends, 1), await bench.ask(ends, 2, body=big)] == [b"body", big]
    assert bench.faults == []
    ends[1].close()


@pytest.mark.parametrize("loss", ["swallow", "torn"])
async def test_the_broker_applied_what_the_client_never_learns_of(bench: Bench, loss: Loss) -> None:
    ends = await bench.connect()
    bench.proxy.arm(END_TXN, loss)
    assert await bench.ask(ends, 1) == b"body"
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await bench.ask(ends, 2, END_TXN, bytes(100))
    assert bench.broker.applied == [1, 2]
    assert bench.faults == [f"{loss} EndTxn"]
    assert await bench.ask(await bench.connect(), 3, END_TXN) == b"body"


async def test_a_silenced_connection_stands_until_the_network_heals(bench: Bench) -> None:
    ends = await bench.connect()
    bench.proxy.arm(END_TXN, "silence")
    asking = asyncio.create_task(bench.ask(ends, 1, END_TXN))
    assert await bench.ask(await bench.connect(), 2) == b"body"
    assert not asking.done()
    bench.proxy.heal()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asking
    assert bench.broker.applied == [1, 2]


async def test_nothing_passes_a_partition_and_all_of_it_arrives_after(bench: Bench) -> None:
    ends = await bench.connect()
    assert await bench.ask(ends, 1) == b"body"
    parted = asyncio.create_task(bench.proxy.partition(0, 3_600))
    await asyncio.sleep(0)
    asking = [asyncio.create_task(bench.ask(ends, 2)), asyncio.create_task(_ask_anew(bench, 3))]
    done, _ = await asyncio.wait(asking, timeout=0.1)
    assert (done, bench.broker.applied) == (set(), [1])
    bench.proxy.heal()
    assert await asyncio.gather(*asking) == [b"body", b"body"]
    parted.cancel()


async def _ask_anew(bench: Bench, correlation: int) -> bytes:
    return await bench.ask(await bench.connect(), correlation)


async def test_a_reset_reaches_the_client_as_one(bench: Bench) -> None:
    ends = await bench.connect()
    assert await bench.ask(ends, 1) == b"body"
    bench.proxy.reset()
    with pytest.raises(ConnectionResetError):
        await ends[0].read(1)
    assert bench.faults == ["reset"]


async def test_bad_weather_delays_and_keeps_the_order(bench: Bench) -> None:
    ends = await bench.connect()
    slowed = asyncio.create_task(bench.proxy.delay(0, 3_600, Weather(0.005, 0.01, 1_000_000)))
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert [await bench.ask(ends, number, body=b"%d" % number) for number in range(3)] == [b"0", b"1", b"2"]
    assert loop.time() - began > 3 * 2 * 0.005
    slowed.cancel()
