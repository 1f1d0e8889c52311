"""Dead letters: the record untouched, with headers that say why it is here.

Header names are a contract (`schemas/asyncapi.yaml`); numbers are decimal text.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson

from schemas.events import Asset
from schemas.faults import BadEvent
from schemas.topics import DEAD_LETTERS
from streams.runtime.errors import Permanent
from streams.runtime.records import NO_TIMESTAMP, Outgoing, Record

MESSAGE_LIMIT = 4_000
KEY_BYTES = 4_096

# Stores bytes in the asset store and says where.
Keep = Callable[[bytes], Awaitable[Asset]]


def error_code(error: Exception) -> str:
    if isinstance(error, BadEvent | Permanent):
        return error.code
    return "failed"


def dead_letter_headers(record: Record, *, stage: str, error: Exception) -> list[tuple[str, bytes]]:
    """The record's own headers, then ours."""
    message = str(error) or type(error).__name__
    headers = [
        *record.headers,
        ("x-error-stage", stage.encode()),
        ("x-error-class", type(error).__name__.encode()),
        ("x-error-code", error_code(error).encode()),
        ("x-error-message", message[:MESSAGE_LIMIT].encode("utf-8", "replace")),
        ("x-original-topic", record.topic.encode()),
        ("x-original-partition", b"%d" % record.partition),
        ("x-original-offset", b"%d" % record.offset),
        ("x-original-timestamp", b"%d" % record.timestamp),
    ]
    if record.key is None and record.value is None:
        # aiokafka refuses a record without key and value; the dead letter then has an empty key.
        headers.append(("x-original-key", b"null"))
    return headers


def dead_letter(record: Record, *, prefix: str, stage: str, error: Exception) -> Outgoing:
    """The record untouched but for added headers, its own timestamp included.

    Letters of one source partition lie in one partition, in its order: and a transaction has one more batch
    to fill, not one for each key's partition.
    """
    key = b"" if record.key is None and record.value is None else record.key
    headers = dead_letter_headers(record, stage=stage, error=error)
    timestamp = None if record.timestamp == NO_TIMESTAMP else record.timestamp
    return Outgoing(prefix + DEAD_LETTERS.name, key, record.value, headers, timestamp, in_place=True)


def fits(letter: Outgoing) -> bool:
    """Whether its topic takes the letter as it is."""
    return letter.size <= DEAD_LETTERS.max_message_bytes


async def claim_checked(letter: Outgoing, record: Record, keep: Keep) -> Outgoing:
    """The letter as it is, or, where its topic would refuse it, one that says where the record is kept.

    A compressed record may pass its topic's limit and be far larger here. The stored JSON has key, value
    and headers, the bytes in base64.
    """
    if fits(letter):
        return letter
    stored = orjson.dumps(
        {
            "key": _base64(record.key),
            "value": _base64(record.value),
            "headers": [[name, _base64(value)] for name, value in record.headers],
        }
    )
    asset = await keep(stored)
    ours = list(letter.headers[len(record.headers) :])
    ours += [
        ("x-claim-uri", asset.uri.encode()),
        ("x-claim-sha256", asset.sha256.encode()),
        ("x-original-bytes", str(letter.size).encode()),
    ]
    key = letter.key if letter.key is not None and len(letter.key) <= KEY_BYTES else b""
    return letter._replace(key=key, value=b"", headers=ours)


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode("ascii")


@dataclass(frozen=True, slots=True)
class DeadLetterLimit:
    """Stops a stage rather than draining a topic into dead letters.

    `run` dead letters in a row, or more than `share` of the last `window` records.
    """

    run: int = 500
    share: float = 0.5
    window: int = 2_000


class DeadLetterWatch:
    def __init__(self, limit: DeadLetterLimit) -> None:
        self._limit = limit
        self._run = 0
        self._recent: deque[bool] = deque()
        self._dead = 0

    def note(self, *, dead: bool) -> str | None:
        """The reason to stop, once there is one."""
        self._run = self._run + 1 if dead else 0
        self._recent.append(dead)
        self._dead += dead
        if len(self._recent) > self._limit.window:
            self._dead -= self._recent.popleft()
        if self._run >= self._limit.run:
            return f"{self._run} records in a row became dead letters (limit {self._limit.run})"
        if (
            dead
            and len(self._recent) == self._limit.window
            and self._dead > self._limit.share * self._limit.window
        ):
            return (
                f"{self._dead} of the last {self._limit.window} records became dead letters "
                f"(limit {self._limit.share:.0%})"
            )
        return None
