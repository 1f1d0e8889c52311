"""Where Kafka's requests and responses begin and end in a stream of bytes.

A request is INT32 length, INT16 api key, INT16 version, INT32 correlation id, ...; a response is INT32
length, INT32 correlation id, ... (Kafka protocol guide, "Common request and response structure").
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

PRODUCE, FETCH, OFFSET_FETCH, JOIN_GROUP, HEARTBEAT, SYNC_GROUP = 0, 1, 9, 11, 12, 14
INIT_PRODUCER_ID, ADD_PARTITIONS, ADD_OFFSETS, END_TXN, TXN_OFFSET_COMMIT = 22, 24, 25, 26, 28
NAMES = {
    PRODUCE: "Produce",
    FETCH: "Fetch",
    OFFSET_FETCH: "OffsetFetch",
    JOIN_GROUP: "JoinGroup",
    HEARTBEAT: "Heartbeat",
    SYNC_GROUP: "SyncGroup",
    INIT_PRODUCER_ID: "InitProducerId",
    ADD_PARTITIONS: "AddPartitionsToTxn",
    ADD_OFFSETS: "AddOffsetsToTxn",
    END_TXN: "EndTxn",
    TXN_OFFSET_COMMIT: "TxnOffsetCommit",
}
_REQUEST = struct.Struct(">ihhi")
_RESPONSE = struct.Struct(">ii")


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of one message: all that came of it at once. `first` carries the header's numbers:
    (api key, correlation id) of a request, (-1, correlation id) of a response.
    """

    data: bytes
    first: tuple[int, int] | None
    last: bool


class Frames:
    """Cuts one direction of a connection into messages, without waiting for a whole one."""

    def __init__(self, *, requests: bool) -> None:
        self._header = _REQUEST if requests else _RESPONSE
        self._pending = b""
        self._left = 0

    def feed(self, data: bytes) -> Iterator[Piece]:
        data = self._pending + data
        self._pending = b""
        at = 0
        while at < len(data):
            first = None
            if not self._left:
                if len(data) - at < self._header.size:
                    self._pending = data[at:]
                    return
                length, *numbers = self._header.unpack_from(data, at)
                self._left = 4 + length
                first = (numbers[0] if len(numbers) == 3 else -1, numbers[-1])
            took = min(self._left, len(data) - at)
            self._left -= took
            yield Piece(data[at : at + took], first, self._left == 0)
            at += took
