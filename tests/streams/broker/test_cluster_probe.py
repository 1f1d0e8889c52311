"""What a cluster says of itself, read from bytes that the protocol's own client library wrote."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiokafka.protocol.metadata import MetadataResponse_v1

from streams.broker.probe import ClusterView, PartitionView, count_brokers, view_cluster

PARTITIONS = [(0, 0, 1, [1, 2, 3], [3, 1, 2]), (5, 1, -1, [2], []), (9, 2, 3, [1, 3], [3])]
ANSWER: bytes = MetadataResponse_v1(
    [(1, "127.0.0.1", 9092, None), (3, "127.0.0.1", 9094, "a")], 3, [(0, "prompts", False, PARTITIONS)]
).encode()


@contextmanager
def served(answer: bytes) -> Iterator[int]:
    """Answers one request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer, args=(listener, answer))
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join()


def _answer(listener: socket.socket, answer: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(4_096)
        connection.sendall(len(answer).to_bytes(4, "big") + answer)


def test_brokers_and_partitions_are_read() -> None:
    with served(b"\0\0\0\1" + ANSWER) as port:
        view = view_cluster("127.0.0.1", port)
    assert view == ClusterView(
        brokers=(1, 3),
        partitions=(
            PartitionView("prompts", 0, 1, (1, 2, 3), (3, 1, 2)),
            PartitionView("prompts", 1, -1, (2,), ()),
            PartitionView("prompts", 2, 3, (1, 3), (3,)),
        ),
    )
    assert [partition.whole for partition in view.partitions] == [True, False, False]


@pytest.mark.parametrize("answer", [b"\0\0\0\1" + ANSWER[:20], b"\0\0\0\1\0\0\0\1\0\0\0\1\0\3\xff\xff\xff"])
def test_what_is_no_metadata_counts_as_no_answer(answer: bytes) -> None:
    with served(answer) as port, pytest.raises(OSError, match="answered what is no metadata"):
        count_brokers("127.0.0.1", port)
