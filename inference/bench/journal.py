"""What a bench has drawn so far, kept so that an interrupted one draws only what is left."""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from inference.bench.details import Detail
from inference.bench.plan import Key

FORMAT: Final = "glyphstream.bench-journal.v1"
FILE_NAME: Final = "journal.jsonl"


class JournalError(ValueError):
    """The journal cannot be gone on with; the text says why and what to do."""


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """What all samples of one report must share beside the prompts; the journal's first line.

    `accept` are the limits of what counts as accepted, `usd_per_hour` the prices of our own machines.
    """

    score_version: str
    readers: tuple[str, ...]
    machine: str
    accept: dict[str, float]
    usd_per_hour: dict[str, float]
    format: str = FORMAT


class _Entry(msgspec.Struct, frozen=True):
    key: Key
    paid: float
    detail: Detail


_ENTRIES: Final = msgspec.json.Decoder(_Entry)


class Journal:
    """One JSON line for each picture, appended as it comes. One process at a time may hold it.

    A line is one write and is synced to the disk before the next picture is asked for: a picture takes
    seconds and may cost money, a sync takes milliseconds. So at most the picture under way is lost, whatever
    ends the process or the machine; what a kill left of a last line is cut off.
    """

    def __init__(self, path: Path, stamp: Stamp, *, fresh: bool = False) -> None:
        """Opens or begins the journal. With `fresh` an old one is kept as `NAME.old` and a new one begun.

        Raises:
            JournalError: it was written under another stamp, a line in its middle is spoilt, or another
                process holds it.
            OSError: the folder cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._entries: dict[Key, _Entry] = {}
        self._file = _locked(path)
        try:
            if fresh and os.fstat(self._file.fileno()).st_size:
                # Renamed under the lock, and before the new file takes its name.
                path.replace(path.with_name(f"{path.name}.old"))
                self._file.close()
                self._file = _locked(path)
            self._read(stamp)
        except BaseException:
            self._file.close()
            raise

    @property
    def details(self) -> Mapping[Key, Detail]:
        """What is kept; of two under one key (a warm-up of a resumed run) the later."""
        return {key: entry.detail for key, entry in self._entries.items()}

    @property
    def paid(self) -> float:
        """Dollars really paid to providers for all that is kept."""
        return sum(entry.paid for entry in self._entries.values())

    def add(self, key: Key, detail: Detail, paid: float) -> None:
        """Keeps `detail` beyond a power cut. `paid` are the dollars that really went to a provider.

        Raises:
            OSError: the disk does not take it.
        """
        entry = _Entry(key, paid, detail)
        self._write(entry)
        self._entries[key] = entry

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, stamp: Stamp) -> None:
        lines = self._file.readlines()
        good = 0
        for number, line in enumerate(lines, 1):
            try:
                self._take(number, line, stamp)
            except msgspec.DecodeError as error:
                if number < len(lines):
                    raise JournalError(
                        f"{self.path}, line {number}: {error}; delete the line, or give --fresh to begin anew"
                    ) from error
                break
            good += len(line)
        self._file.truncate(good)
        if not good:
            self._write(stamp)

    def _take(self, number: int, line: bytes, stamp: Stamp) -> None:
        if not line.endswith(b"\n"):
            raise msgspec.DecodeError("the line is cut off")
        if number == 1:
            _check(self.path, line, stamp)
            return
        entry = _ENTRIES.decode(line)
        self._entries[entry.key] = entry

    def _write(self, value: object) -> None:
        self._file.write(msgspec.json.encode(value) + b"\n")
        os.fsync(self._file.fileno())


def _locked(path: Path) -> io.FileIO:
    # Unbuffered: one write call a line. In append mode nothing is overwritten, wherever reading stopped.
    file = io.FileIO(path, "a+")
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise JournalError(f"{path}: another bench writes it; wait for it, or give another --out") from error
    file.seek(0)
    return file


def _check(path: Path, line: bytes, stamp: Stamp) -> None:
    """Raises JournalError where the first line is that of another stamp, DecodeError where it is none."""
    anew = "give --fresh to draw all anew, or another --out"
    head = msgspec.json.decode(line, type=dict[str, object])
    if head.get("format") != FORMAT:
        raise JournalError(f"{path}: format: must be {FORMAT!r}; got {head.get('format')!r:.80}; {anew}")
    told: Stamp | None = None
    with suppress(msgspec.ValidationError):
        told = msgspec.convert(head, Stamp)
    if told is None:
        raise JournalError(f"{path}: its first line lacks what this version keeps; {anew}")
    for name in Stamp.__struct_fields__:
        then, now = getattr(told, name), getattr(stamp, name)
        if then != now:
            raise JournalError(f"{path}: {name}: was {then!r}, is {now!r} now; {anew}")
