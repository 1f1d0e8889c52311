"""The log of one partition: records, the markers that end transactions, and what a reader may see.

A marker takes an offset, as in Kafka. A record of a transaction is seen when the commit marker lies in the
same partition; nothing at or above the first record of an open transaction is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Content:
    """What a producer sends."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp: int | None = None
    # The reader's client raises instead of giving it out: a compression it does not know, say.
    unparsable: bool = False


@dataclass(slots=True)
class Mark:
    """The fate of one transaction in one partition; None while it is open."""

    committed: bool | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One offset. `mark` is None for a record outside of transactions, `content` for a marker."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    unparsable: bool
    control: bool
    mark: Mark | None
    # The transaction's number in this run, for the checker: all it wrote has the same.
    transaction: int | None

    @property
    def visible(self) -> bool:
        return not self.control and (self.mark is None or self.mark.committed is True)


@dataclass(slots=True)
class PartitionLog:
    topic: str
    partition: int
    start: int = 0
    entries: list[Entry] = field(default_factory=list)
    _open: dict[int, tuple[Mark, int]] = field(default_factory=dict)

    @property
    def end(self) -> int:
        return len(self.entries)

    @property
    def stable(self) -> int:
        """The last stable offset: where a reader of committed records stops."""
        return min((first for _, first in self._open.values()), default=self.end)

    def append(self, contents: Iterable[Content], now_ms: int, transaction: int | None = None) -> int:
        """The offset of the first."""
        base = self.end
        mark = None
        if transaction is not None:
            mark = self._open.setdefault(transaction, (Mark(), base))[0]
        for content in contents:
            self._add(content, now_ms, mark, transaction, control=False)
        return base

    def finish(self, transaction: int, committed: bool, now_ms: int) -> None:
        """Writes the marker, also where the transaction wrote nothing."""
        mark, _ = self._open.pop(transaction, (Mark(), 0))
        mark.committed = committed
        self._add(Content(None, None), now_ms, mark, transaction, control=True)

    def _add(
        self, content: Content, now_ms: int, mark: Mark | None, transaction: int | None, *, control: bool
    ) -> None:
        timestamp = now_ms if content.timestamp is None else content.timestamp
        entry = Entry(
            self.topic,
            self.partition,
            self.end,
            timestamp,
            content.key,
            content.value,
            content.headers,
            content.unparsable,
            control,
            mark,
            transaction,
        )
        self.entries.append(entry)

    def read(self, offset: int, most: int) -> tuple[Sequence[Entry], int]:
        """Committed records from `offset` on, and the offset to go on from."""
        found: list[Entry] = []
        stable = self.stable
        while offset < stable and len(found) < most:
            entry = self.entries[offset]
            offset += 1
            if entry.visible:
                found.append(entry)
        return found, offset

    def visible(self) -> list[Entry]:
        """Every committed record, those that retention took included."""
        return [entry for entry in self.entries if entry.visible]
