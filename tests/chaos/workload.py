"""What goes in and what is owed for it: pure functions of an event's number and the run's size.

An event is a prompt whose `prompt` is its number and whose `id` is its key. Of a hundred events about one
ends in a dead letter, three are produced twice and one is slow; which ones, the number alone decides.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import orjson

SOURCE = "chaos"
# Further apart than this, over all partitions, no event is produced again: within the runtime's horizon.
RESEND_WITHIN = 6_000
_MIX = 0x9E3779B97F4A7C15

Kind = Literal["good", "refused", "unreadable"]


@dataclass(frozen=True, slots=True)
class Workload:
    """`events` numbers from 0 on, over `keys` keys and `partitions` partitions."""

    events: int
    keys: int = 1_000
    partitions: int = 8
    resends: bool = True

    def stream(self) -> Iterator[tuple[int, bool]]:
        """(number, whether it was produced before) in the order of production; the same every time."""
        due: list[tuple[int, int]] = []
        for number in range(self.events):
            while due and due[0][0] <= number:
                yield heapq.heappop(due)[1], True
            yield number, False
            if self.resends and (distance := resend_distance(number)):
                heapq.heappush(due, (number + distance, number))
        for _, number in sorted(due):
            yield number, True

    def key(self, number: int) -> int:
        """Neighbours have different keys, and each key comes again after irregular gaps."""
        return _mixed(number, 1) % self.keys

    def partition(self, number: int) -> int:
        return self.key(number) % self.partitions


def _mixed(number: int, salt: int) -> int:
    """A well-spread 32-bit value (Fibonacci hashing with a fold), the same in every process."""
    value = ((number * 2 + 1) * _MIX + salt * 0xD1B54A32D192ED03) & 0xFFFFFFFFFFFFFFFF
    value ^= value >> 29
    return ((value * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF) >> 32


def kind(number: int) -> Kind:
    """`refused` fails for good in the stage, `unreadable` is no event at all."""
    match _mixed(number, 2) % 200:
        case 0:
            return "refused"
        case 1:
            return "unreadable"
    return "good"


def resend_distance(number: int) -> int:
    """After how many further events it is produced again; 0: never."""
    if kind(number) == "unreadable":
        # What names no work of its own cannot be known for a resend.
        return 0
    chosen = _mixed(number, 3)
    if chosen % 100 >= 3:
        return 0
    return 1 + chosen // 100 % (20 if chosen & 1 << 31 else RESEND_WITHIN)


def work_s(number: int) -> float:
    """How long the stage works at it: up to 5 ms, one in a hundred up to 100 ms."""
    chosen = _mixed(number, 4)
    return chosen % 1_000 / (10_000 if chosen // 1_000 % 100 == 0 else 200_000)


def stumbles(number: int) -> bool:
    """Whether it fails once, for a passing reason, whenever it is tried for the first time."""
    return _mixed(number, 5) % 300 == 0


def value(key: int, number: int) -> bytes:
    if kind(number) == "unreadable":
        return b"unreadable %d" % number
    return orjson.dumps({"id": f"k{key}", "source": SOURCE, "prompt": str(number)})


def number_of_letter(value: bytes) -> int:
    """The number of the event that a dead letter keeps."""
    if value.startswith(b"unreadable "):
        return int(value.removeprefix(b"unreadable "))
    return int(orjson.loads(value)["prompt"])


def number_of_result(value: bytes) -> int:
    return int(orjson.loads(value)["id"])


@dataclass(frozen=True, slots=True)
class Owed:
    """How many results and dead letters `events` numbers must leave behind."""

    results: int
    letters: int


def owed(events: int) -> Owed:
    kinds = [kind(number) for number in range(events)]
    unreadable = kinds.count("unreadable")
    return Owed(events - unreadable, unreadable + kinds.count("refused"))
