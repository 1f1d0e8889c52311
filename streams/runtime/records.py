"""Records as the runtime receives and sends them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from schemas.wire import Headers, encode, headers_for, key_for
from streams.runtime.stage import Emit

FRAMING_BYTES = 128
# Kafka's own.
NO_TIMESTAMP = -1
# W3C Trace Context asks for at least 512 of tracestate.
TRACE_BYTES = 512
TRACE_HEADERS = ("traceparent", "tracestate")


class Record(Protocol):
    """The parts of aiokafka's ConsumerRecord that a stage uses; `timestamp` in milliseconds."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]: ...


class Outgoing(NamedTuple):
    """`topic` is the full name, prefix included; `timestamp_ms` None means now.

    The key chooses the partition, or, where `in_place`, the partition of the record it came from does.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp_ms: int | None = None
    in_place: bool = False

    @property
    def size(self) -> int:
        """Bytes on the wire, with room for the batch's own framing."""
        total = FRAMING_BYTES + len(self.key or b"") + len(self.value or b"")
        for name, value in self.headers:
            total += len(name) + len(value or b"") + 10
        return total


def trace_of(headers: Headers) -> list[tuple[str, bytes]]:
    """The trace context, where it is one: what a stranger put there in its stead is not passed on."""
    return [
        (name, value)
        for name, value in headers
        if name in TRACE_HEADERS and value and len(value) <= TRACE_BYTES
    ]


def outgoing(emit: Emit, *, prefix: str, stage: str, now: dt.datetime, trace: Headers) -> Outgoing:
    """An event of ours, with CloudEvents headers and the input's trace."""
    headers = [*headers_for(emit.event, producer=stage, time=now), *trace]
    return Outgoing(prefix + emit.topic.name, key_for(emit.event), encode(emit.event), headers)
