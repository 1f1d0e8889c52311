"""The order in which records of several partitions were written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, TypeVar

from streams.runtime.records import Record

# Compares as the records were written: a time in milliseconds, the partition, the offset.
Place: TypeAlias = tuple[int, int, int]
_Written = TypeVar("_Written")


class LogOrder:
    """Where each record stands among those of all partitions of its topic.

    One render may lie under two prompts, and so in two partitions: then the records' times decide. Within a
    partition the log does, whatever the times say: a clock may have been set back between two records.
    """

    def __init__(self) -> None:
        self._latest: dict[tuple[str, int], int] = {}

    def place(self, record: Record) -> Place:
        """Is given all records of a partition in their order."""
        partition = (record.topic, record.partition)
        time = max(record.timestamp, self._latest.get(partition, record.timestamp))
        self._latest[partition] = time
        return time, record.partition, record.offset


def in_order(placed: Iterable[tuple[Place, _Written]]) -> list[_Written]:
    """What was written, the earliest first."""
    return [written for _, written in sorted(placed, key=lambda each: each[0])]
