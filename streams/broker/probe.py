"""Asks a broker for its metadata with one small request: the cheapest proof that it serves."""

from __future__ import annotations

import socket
import struct

METADATA_KEY, METADATA_VERSION = 3, 1
MAX_ANSWER = 1 << 20


def count_brokers(host: str, port: int, *, timeout_s: float = 2.0) -> int:
    """How many brokers the cluster says are up; 0 while it still starts.

    Metadata request version 1 with no topic (https://kafka.apache.org/protocol#The_Messages_Metadata).
    Raises `OSError` when nothing that speaks Kafka answers.
    """
    name = b"glyphstream"
    header = struct.pack(f">hhih{len(name)}s", METADATA_KEY, METADATA_VERSION, 1, len(name), name)
    request = header + struct.pack(">i", 0)
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", _receive(connection, 4))
        if not 8 <= size <= MAX_ANSWER:
            raise OSError(f"{host}:{port} answered with {size} bytes: it does not speak Kafka")
        _correlation, brokers = struct.unpack(">ii", _receive(connection, size)[:8])
    return int(brokers)


def _receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise ConnectionResetError("the connection was closed before the answer was complete")
        data += chunk
    return data
