"""Asks a broker for its metadata with one small request: the cheapest proof that it serves."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

METADATA_KEY, METADATA_VERSION = 3, 1
ALL_TOPICS, NO_TOPICS = -1, 0
MAX_ANSWER = 16 << 20


@dataclass(frozen=True, slots=True)
class PartitionView:
    topic: str
    number: int
    leader: int
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]

    @property
    def whole(self) -> bool:
        """It has a leader and no replica is behind."""
        return self.leader >= 0 and set(self.in_sync) == set(self.replicas)


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The cluster as one of its brokers sees it: the ids of brokers that are up, and what they hold."""

    brokers: tuple[int, ...]
    partitions: tuple[PartitionView, ...]


def count_brokers(host: str, port: int, *, timeout_s: float = 2.0) -> int:
    """How many brokers the cluster says are up; 0 while it still starts.

    Raises `OSError` when nothing that speaks Kafka answers.
    """
    return len(_view(host, port, NO_TOPICS, timeout_s).brokers)


def view_cluster(host: str, port: int, *, timeout_s: float = 2.0) -> ClusterView:
    """All topics, Kafka's own included. Raises `OSError` when nothing that speaks Kafka answers."""
    return _view(host, port, ALL_TOPICS, timeout_s)


def _view(host: str, port: int, topics: int, timeout_s: float) -> ClusterView:
    """Metadata request version 1 (https://kafka.apache.org/protocol#The_Messages_Metadata)."""
    name = b"glyphstream"
    header = struct.pack(f">hhih{len(name)}s", METADATA_KEY, METADATA_VERSION, 1, len(name), name)
    request = header + struct.pack(">i", topics)
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", _receive(connection, 4))
        if not 8 <= size <= MAX_ANSWER:
            raise OSError(f"{host}:{port} answered with {size} bytes: it does not speak Kafka")
        answer = _receive(connection, size)
    try:
        return _parse(_Reader(answer))
    except (struct.error, UnicodeDecodeError) as error:
        raise OSError(f"{host}:{port} answered what is no metadata ({error})") from error


def _parse(read: _Reader) -> ClusterView:
    read.int32()  # correlation id
    brokers = [_broker(read) for _ in range(read.int32())]
    read.int32()  # controller id
    partitions = [partition for _ in range(read.int32()) for partition in _topic(read)]
    return ClusterView(tuple(brokers), tuple(partitions))


def _broker(read: _Reader) -> int:
    node_id = read.int32()
    read.string()  # host
    read.int32()  # port
    read.string()  # rack
    return node_id


def _topic(read: _Reader) -> list[PartitionView]:
    read.int16()  # error
    name = read.string()
    read.int8()  # is it Kafka's own
    return [_partition(read, name) for _ in range(read.int32())]


def _partition(read: _Reader, topic: str) -> PartitionView:
    read.int16()  # error
    return PartitionView(topic, read.int32(), read.int32(), read.int32s(), read.int32s())


class _Reader:
    """Takes one value after the other from a message, in the protocol's primitive types."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def _take(self, layout: str) -> int:
        (value,) = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return int(value)

    def int8(self) -> int:
        return self._take(">b")

    def int16(self) -> int:
        return self._take(">h")

    def int32(self) -> int:
        return self._take(">i")

    def int32s(self) -> tuple[int, ...]:
        return tuple(self.int32() for _ in range(self.int32()))

    def string(self) -> str:
        """Empty where it is null."""
        size = max(0, self.int16())
        text = self.data[self.at : self.at + size]
        self.at += size
        return text.decode()


def _receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise ConnectionResetError("the connection was closed before the answer was complete")
        data += chunk
    return bytes(data)
