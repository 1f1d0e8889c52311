"""One owner for a data folder, by a lock that the kernel releases with its holders."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from streams.broker.errors import BrokerError
from streams.broker.folder import DataFolder

# A broker whose owner was killed needs a moment to follow it.
TAKEOVER_S = 15.0
BUSY_S = 1.0
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Lock:
    """Held for as long as any process has `descriptor`: this one, the guard, or the broker they started."""

    descriptor: int

    def name_holders(self, owner: int, broker: int) -> None:
        """Writes down who holds it, for the message to whoever comes second."""
        os.pwrite(self.descriptor, f"{owner:>10} {broker:>10}\n".encode(), 0)

    def holders(self) -> tuple[int, int]:
        text = os.pread(self.descriptor, 64, 0).split()
        return (int(text[0]), int(text[1])) if len(text) == 2 else (0, 0)

    def try_take(self) -> bool:
        import fcntl

        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        return True

    def release(self) -> None:
        os.close(self.descriptor)

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def claim(folder: DataFolder) -> Lock:
    """Takes the folder for this process and the broker it starts; waits for one whose owner is dead.

    Raises `BrokerError` with the pid of an owner that lives.
    """
    lock = Lock(os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644))
    started = time.monotonic()
    try:
        while not lock.try_take():
            owner, broker = lock.holders()
            if time.monotonic() - started > (BUSY_S if is_alive(owner) else TAKEOVER_S):
                raise BrokerError(_busy(folder, owner, broker))
            time.sleep(POLL_S)
    except BaseException:
        lock.release()
        raise
    lock.name_holders(os.getpid(), 0)
    return lock


@contextlib.contextmanager
def take_turns(folder: Path) -> Iterator[None]:
    """Waits until no other process prepares `folder`. A folder that cannot be written needs no turns."""
    import fcntl

    with contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = held.enter_context((folder / "prepare.lock").open("a"))
        except OSError:
            pass
        else:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _busy(folder: DataFolder, owner: int, broker: int) -> str:
    if not is_alive(owner):
        return f"{folder.path} is in use by broker {broker}, left behind by process {owner}: `kill {broker}`"
    who = f"process {owner}" + (f" (its broker is process {broker})" if broker else "")
    return f"{folder.path} is in use by {who}: stop that first, or choose another folder"


def is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
