"""What a bench has drawn so far, kept so that an interrupted one draws only what is left."""

from __future__ import annotations

import fcntl
import io
import itertools
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


class _Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A picture and what was paid for it; without `detail` one asked for, and the most it may cost."""

    key: Key
    paid: float
    detail: Detail | None = None


_ENTRIES: Final = msgspec.json.Decoder(_Entry)
# What the head begins with, by which a torn one is told from somebody else's file.
_HEAD: Final = b'{"score_version":'


class Journal:
    """One JSON line for each picture, appended as it comes. One process at a time may hold it.

    A line is synced to the disk before the next picture is asked for: a picture takes seconds and may cost
    money, a sync takes milliseconds. So at most the pictures under way are lost, whatever ends the process or
    the machine, and what they may have cost is not: a line with the price is there before a paid one is asked
    for. What a kill left of a last line is cut off.
    """

    def __init__(self, path: Path, stamp: Stamp, *, fresh: bool = False) -> None:
        """Opens or begins the journal.

        With `fresh` an old one is kept as `NAME.old` (`NAME.old2` where that is taken) and a new one begun.

        Raises:
            JournalError: it was written under another stamp, a whole line is spoilt, it is no journal, or
                another process holds it.
            OSError: the folder cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._details: dict[Key, Detail] = {}
        self._paid = 0.0
        self._open: dict[Key, list[float]] = {}
        self._file = _locked(path)
        try:
            if fresh and os.fstat(self._file.fileno()).st_size:
                # Renamed under the lock, and before the new file takes its name.
                path.replace(_unused(path))
                self._file.close()
                self._file = _locked(path)
            self._read(stamp)
        except BaseException:
            self._file.close()
            raise

    @property
    def details(self) -> Mapping[Key, Detail]:
        """What is kept; of two under one key (a warm-up of a resumed run) the later."""
        return self._details

    @property
    def paid(self) -> float:
        """Dollars paid to providers for all that was ever drawn.

        What was asked for and never came counts with its price, since the provider may bill it.
        """
        return self._paid + sum(map(sum, self._open.values()))

    def intend(self, key: Key, price: float) -> None:
        """Notes that a picture is about to be asked for which may cost `price` dollars.

        Raises:
            OSError: the disk does not take it.
        """
        self._keep(_Entry(key, price))

    def add(self, key: Key, detail: Detail, paid: float) -> None:
        """Keeps `detail` beyond a power cut. `paid` are the dollars that really went to a provider.

        Raises:
            OSError: the disk does not take it.
        """
        self._keep(_Entry(key, paid, detail))

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
        torn = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        if not lines and not _torn_head(torn):
            raise JournalError(f"{self.path}: is no journal but {torn[:40]!r}; give another --out")
        for number, line in enumerate(lines, 1):
            try:
                if number == 1:
                    _check(self.path, line, stamp)
                else:
                    self._take(_ENTRIES.decode(line))
            except msgspec.DecodeError as error:
                fix = "delete the line" if number > 1 else "give another --out"
                raise JournalError(
                    f"{self.path}, line {number}: {error}; {fix}, or give --fresh to begin anew"
                ) from error
        self._file.truncate(sum(map(len, lines)))
        if not lines:
            self._write(stamp)

    def _keep(self, entry: _Entry) -> None:
        self._write(entry)
        self._take(entry)

    def _take(self, entry: _Entry) -> None:
        if entry.detail is None:
            self._open.setdefault(entry.key, []).append(entry.paid)
            return
        if under_way := self._open.get(entry.key):
            under_way.pop()
        self._paid += entry.paid
        self._details[entry.key] = entry.detail

    def _write(self, value: object) -> None:
        """All of a line or nothing: a full disk takes part of it and says so at the next call only."""
        line = memoryview(msgspec.json.encode(value) + b"\n")
        before = os.fstat(self._file.fileno()).st_size
        try:
            while line:
                line = line[self._file.write(line) or 0 :]
            os.fsync(self._file.fileno())
        except OSError:
            with suppress(OSError):
                self._file.truncate(before)
            raise


def _torn_head(line: bytes) -> bool:
    """Whether a kill, or a power cut that left zeros, may have made this of a head; so of an empty file."""
    return line.startswith(_HEAD) or _HEAD.startswith(line) or not line.strip(b"\0")


def _unused(path: Path) -> Path:
    names = (f"{path.name}.old{'' if turn == 1 else turn}" for turn in itertools.count(1))
    return next(free for name in names if not (free := path.with_name(name)).exists())


def _locked(path: Path) -> io.FileIO:
    # Unbuffered, and in append mode: nothing is overwritten, wherever reading stopped.
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
