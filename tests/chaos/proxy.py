"""A TCP proxy before each broker that does what networks do: late, silent, cut, and cut after the fact.

It knows just enough of Kafka to lose the answer to a request that the broker has applied.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.chaos.frames import NAMES, Frames, Piece

LOOPBACK = "127.0.0.1"
CHUNK = 65_536
# swallow: the whole response is lost; torn: half of it arrives. Then the connection is reset, or goes silent.
Loss = Literal["swallow", "torn", "silence"]


@dataclass(frozen=True, slots=True)
class Weather:
    """Seconds of delay a chunk (up to `jitter_s` more), bytes a second (0: no limit)."""

    latency_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float = 0.0


CALM = Weather()


@dataclass(slots=True, eq=False)
class Connection:
    """One client's connection to one broker. `doomed` are correlation ids whose response gets lost."""

    node: int
    client: asyncio.StreamWriter
    broker: asyncio.StreamWriter
    open: asyncio.Event
    doomed: dict[int, tuple[Loss, int]] = field(default_factory=dict)

    def reset(self) -> None:
        """Cuts both sides with RST instead of a goodbye."""
        for writer in (self.client, self.broker):
            raw = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class _Cut(Exception):
    """The connection ends here, by our hand."""


class Proxy:
    """`ports[i]` stands before broker i; `on_fault` is told of every fault that really took place.

    All faults are chosen by `rng`; everything runs in one event loop.
    """

    def __init__(self, nodes: int, rng: random.Random, on_fault: Callable[[str], None]) -> None:
        self._rng = rng
        self._servers: list[asyncio.Server] = []
        self._upstreams: list[int] = []
        self._nodes = nodes
        self._weather = [CALM] * nodes
        self._open = [asyncio.Event() for _ in range(nodes)]
        self._armed: list[tuple[int, Loss]] = []
        self._pumps: set[asyncio.Task[None]] = set()
        self.connections: set[Connection] = set()
        self._on_fault = on_fault

    async def start(self) -> None:
        for node in range(self._nodes):
            self._open[node].set()

            async def accept(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, node: int = node
            ) -> None:
                await self._accept(node, reader, writer)

            self._servers.append(await asyncio.start_server(accept, LOOPBACK, 0, limit=CHUNK))

    @property
    def ports(self) -> Sequence[int]:
        return [server.sockets[0].getsockname()[1] for server in self._servers]

    def forward_to(self, ports: Sequence[int]) -> None:
        self._upstreams = list(ports)

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for connection in list(self.connections):
            connection.reset()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    # What may be done to the network.

    async def delay(self, node: int, seconds: float, weather: Weather) -> None:
        """Slows all that passes `node` for a while."""
        self._on_fault("delay")
        self._weather[node] = weather
        await asyncio.sleep(seconds)
        self._weather[node] = CALM

    async def partition(self, node: int, seconds: float) -> None:
        """Nothing passes `node`, in no direction, no new connection either; then all of it arrives late."""
        self._on_fault("partition")
        self._open[node].clear()
        await asyncio.sleep(seconds)
        self._open[node].set()

    def half_open(self) -> None:
        """One connection goes silent for good; both sides believe that it stands."""
        if connection := self._any():
            self._on_fault("half-open")
            connection.open = asyncio.Event()

    def reset(self) -> None:
        if connection := self._any():
            self._on_fault("reset")
            connection.reset()

    def arm(self, api_key: int, loss: Loss) -> None:
        """The next request of the kind, on any connection, loses its response."""
        self._armed.append((api_key, loss))

    def _any(self) -> Connection | None:
        return self._rng.choice(sorted(self.connections, key=id)) if self.connections else None

    def heal(self) -> None:
        """No new faults from here on; connections that went silent are cut."""
        self._armed.clear()
        self._weather = [CALM] * self._nodes
        for gate in self._open:
            gate.set()
        for connection in list(self.connections):
            if not connection.open.is_set():
                connection.reset()
                connection.open.set()

    # How bytes pass.

    async def _accept(self, node: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open[node].wait()
        try:
            broker_reader, broker = await asyncio.open_connection(
                LOOPBACK, self._upstreams[node], limit=CHUNK
            )
        except OSError:
            # Down: the client sees what it would see without us.
            writer.transport.abort()
            return
        connection = Connection(node, writer, broker, self._open[node])
        self.connections.add(connection)
        requests = asyncio.create_task(self._requests(connection, reader))
        responses = asyncio.create_task(self._responses(connection, broker_reader))
        self._pumps |= {requests, responses}
        try:
            await asyncio.wait({requests, responses}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.connections.discard(connection)
            for pump in (requests, responses):
                pump.cancel()
            await asyncio.gather(requests, responses, return_exceptions=True)
            self._pumps -= {requests, responses}
            for end in (writer, broker):
                end.close()

    async def _requests(self, connection: Connection, reader: asyncio.StreamReader) -> None:
        frames = Frames(requests=True)
        while data := await reader.read(CHUNK):
            for piece in frames.feed(data):
                if piece.first is not None and self._armed:
                    self._doom(connection, *piece.first)
                await self._pass(connection, connection.broker, piece.data)

    def _doom(self, connection: Connection, api_key: int, correlation: int) -> None:
        for armed in self._armed:
            if armed[0] == api_key:
                self._armed.remove(armed)
                connection.doomed[correlation] = (armed[1], api_key)
                return

    async def _responses(self, connection: Connection, reader: asyncio.StreamReader) -> None:
        frames = Frames(requests=False)
        while data := await reader.read(CHUNK):
            for piece in frames.feed(data):
                doom = connection.doomed.pop(piece.first[1], None) if piece.first is not None else None
                if doom is not None:
                    await self._lose(connection, piece, *doom)
                await self._pass(connection, connection.client, piece.data)

    async def _lose(self, connection: Connection, piece: Piece, loss: Loss, api_key: int) -> None:
        """The broker has answered, so it has applied the request; the client will not learn of it."""
        self._on_fault(f"{loss} {NAMES.get(api_key, api_key)}")
        if loss == "silence":
            connection.open = asyncio.Event()
            await connection.open.wait()
        if loss == "torn":
            await self._pass(connection, connection.client, piece.data[: max(1, len(piece.data) // 2)])
            # Let the half leave before the reset throws away what is still buffered.
            await asyncio.sleep(0.005)
        connection.reset()
        raise _Cut

    async def _pass(self, connection: Connection, to: asyncio.StreamWriter, data: bytes) -> None:
        weather = self._weather[connection.node]
        if weather is not CALM:
            wait = weather.latency_s + self._rng.uniform(0, weather.jitter_s)
            await asyncio.sleep(wait + (len(data) / weather.bytes_per_s if weather.bytes_per_s else 0))
        await connection.open.wait()
        to.write(data)
        await to.drain()
