"""A worker's counters, in a file mapped into memory: what was counted survives SIGKILL."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

_FORMAT = struct.Struct("<q")


class Tally:
    """How many events this process worked at, whether or not their results were ever committed."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(_FORMAT.size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _FORMAT.size)
        self._worked = 0

    def add(self) -> None:
        self._worked += 1
        _FORMAT.pack_into(self._memory, 0, self._worked)


def worked(path: Path) -> int:
    """What the worker counted so far; 0 where it has not begun."""
    data = path.read_bytes() if path.exists() else b""
    return int(_FORMAT.unpack(data)[0]) if len(data) == _FORMAT.size else 0


def worked_in(folder: Path) -> int:
    """The sum over all workers there ever were."""
    return sum(map(worked, folder.glob("*.tally")))
