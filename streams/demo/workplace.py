"""The demo's folder: what lies where, and whether a run there is to be continued or begun.

A run that was killed is continued on its own broker data; a finished one is cleared away by the next.
What is cleared is only what a demo made: a folder without our state file is never touched.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from schemas.ids import digest

Phase = Literal["clearing", "running", "finished"]


class WorkplaceError(Exception):
    """The folder cannot be used; the text says why and what to do."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder remembers. `order` is the digest of what was asked for, `token` names this run's topics
    on a broker that is not ours.
    """

    phase: Phase
    order: str
    token: str


@dataclass(frozen=True, slots=True)
class Workplace:
    """Everything of one demo is below `out`."""

    out: Path

    @property
    def kafka(self) -> Path:
        return self.out / "kafka"

    @property
    def assets(self) -> Path:
        return self.out / "assets"

    @property
    def ledger(self) -> Path:
        return self.out / "ledger.db"

    @property
    def log(self) -> Path:
        return self.out / "demo.log"

    @property
    def report(self) -> Path:
        return self.out / "report.json"

    @property
    def sheet(self) -> Path:
        return self.out / "contact-sheet.png"

    @property
    def page(self) -> Path:
        return self.out / "contact-sheet.html"

    @property
    def state_file(self) -> Path:
        return self.out / "demo.json"

    def state(self) -> State | None:
        """Raises:
        WorkplaceError: the state file is not ours.
        """
        try:
            return msgspec.json.decode(self.state_file.read_bytes(), type=State)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise WorkplaceError(
                f"{self.state_file}: is not what a demo writes ({error}); remove it or choose another --out"
            ) from error

    def remember(self, state: State) -> None:
        """Written whole or not at all, however this process ends."""
        fresh = self.state_file.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(state))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.state_file)

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """One demo at a time in a folder; the kernel lets go when the process ends.

        Raises:
            WorkplaceError: another demo works here.
        """
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            lock = (self.out / "demo.lock").open("a")
        except OSError as error:
            raise WorkplaceError(
                f"--out {self.out}: cannot be written ({error.strerror}); choose another"
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
                raise WorkplaceError(
                    f"--out {self.out}: another demo is at work there; wait for it, or choose another folder"
                ) from error
            yield


@dataclass(frozen=True, slots=True)
class Start:
    """How a run begins, in words for the screen."""

    state: State
    continued: bool
    words: str


def order_of(prompts: bytes, policy: str, bootstrap: str) -> str:
    """What makes two runs the same: a run is continued only by one that asks for the same."""
    return digest(prompts.decode("utf-8", "backslashreplace"), policy, bootstrap)[:16]


def begin(place: Workplace, order: str, *, fresh: bool) -> Start:
    """Continues the run that was cut off here, or clears the folder for a new one.

    The caller holds the claim. May be killed at any moment: a folder half cleared is cleared again.

    Raises:
        WorkplaceError: the folder holds things that no demo of ours put there.
    """
    found = place.state()
    if found is not None and found.phase == "running" and found.order == order and not fresh:
        return Start(found, True, f"continuing the run that was cut off in {place.out}")
    words = _why_fresh(place, found, order, fresh=fresh)
    state = State(phase="clearing", order=order, token=secrets.token_hex(3))
    place.remember(state)
    _clear(place)
    state = msgspec.structs.replace(state, phase="running")
    place.remember(state)
    return Start(state, False, words)


def _why_fresh(place: Workplace, found: State | None, order: str, *, fresh: bool) -> str:
    if found is None:
        strangers = [path for path in (place.kafka, place.assets) if path.exists()]
        if strangers:
            raise WorkplaceError(
                f"--out {place.out}: {strangers[0]} is there, but not from a demo; choose another folder"
            )
        return f"a new run in {place.out}"
    if fresh:
        return f"--fresh: what was in {place.out} is cleared away"
    if found.phase == "finished":
        return f"the last run in {place.out} had finished; this one starts anew"
    if found.order != order:
        return f"the run in {place.out} was cut off, but with other prompts, policy or broker: starting anew"
    return f"a new run in {place.out}"


def _clear(place: Workplace) -> None:
    if place.kafka.exists():
        _clear_broker(place.kafka)
    shutil.rmtree(place.assets, ignore_errors=True)
    ledger = (place.ledger.with_name(place.ledger.name + end) for end in ("", "-wal", "-shm"))
    for file in (place.report, place.sheet, place.page, place.log, *ledger):
        file.unlink(missing_ok=True)


def _clear_broker(folder: Path) -> None:
    from streams.broker.folder import DataFolder
    from streams.broker.lock import claim

    # The broker of a killed run may live a moment longer: nobody may write while the data goes.
    data = DataFolder(folder)
    with claim(data):
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != data.lock:
                path.unlink()
