"""The processes of a run: three workers that are killed, paused and asked to leave, and the emulator."""

from __future__ import annotations

import contextlib
import itertools
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

WORKERS = 3
# More than the runtime's own bounds for draining and closing add up to.
GRACE_S = 60.0

Kind = Literal["kill", "pause", "leave"]


@dataclass(frozen=True, slots=True)
class Action:
    """Due when `share` of the jobs are through; a pause lasts `seconds`, `pick` from 0 to 1 chooses whom."""

    kind: Kind
    share: float
    seconds: float
    pick: float


def storm(seed: int, kills: int, pauses: int, leaves: int, *, pause_s: tuple[float, float]) -> list[Action]:
    """All of them in random order, spread over the first nine tenths of the jobs."""
    rng = random.Random(seed)
    counts: Mapping[Kind, int] = {"kill": kills, "pause": pauses, "leave": leaves}
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    rng.shuffle(kinds)
    shares = sorted(rng.uniform(0.05, 0.9) for _ in kinds)
    return [
        Action(kind, share, rng.uniform(*pause_s), rng.random())
        for kind, share in zip(kinds, shares, strict=True)
    ]


LAST_WORDS: Final = 4_000


class Crew:
    """Always as many workers as there are to be; each has a log of its own in `folder`."""

    def __init__(self, folder: Path, arguments: Sequence[str]) -> None:
        self._folder = folder
        self._arguments = arguments
        self._numbers = itertools.count(1)
        self.workers: list[subprocess.Popen[bytes]] = []
        self._logs: dict[int, Path] = {}
        self.ended = 0

    def start(self) -> None:
        path = self._folder / f"w{next(self._numbers):03d}.log"
        with path.open("wb") as log:
            command = [sys.executable, "-m", "tests.chaos.engines.worker", *self._arguments]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.workers.append(process)
        self._logs[process.pid] = path

    def chosen(self, pick: float) -> subprocess.Popen[bytes]:
        return self.workers[int(pick * len(self.workers))]

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """SIGKILL, and another takes its place."""
        worker.kill()
        worker.wait()
        self.workers.remove(worker)
        self.start()

    def leave(self, worker: subprocess.Popen[bytes]) -> None:
        """SIGTERM: it drains, commits and says goodbye; then another takes its place."""
        _end(worker)
        self.workers.remove(worker)
        self.start()

    def replace_ended(self) -> None:
        """Workers that ended by themselves are counted and replaced."""
        for worker in [each for each in self.workers if each.poll() is not None]:
            self.workers.remove(worker)
            self.ended += 1
            said = self._logs[worker.pid].read_text("utf-8", "replace")[-LAST_WORDS:]
            sys.stderr.write(f"a worker ended by itself with {worker.returncode}:\n{said}\n")
            self.start()

    def stop(self) -> int:
        """Asks all to leave, kills who does not in time; how many had to be killed."""
        for worker in self.workers:
            worker.send_signal(signal.SIGCONT)
            worker.terminate()
        stuck = sum(_end(worker) for worker in self.workers)
        self.workers.clear()
        return stuck

    def kill_all(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.workers.clear()


def _end(worker: subprocess.Popen[bytes]) -> bool:
    """Whether SIGTERM did not end it in time."""
    worker.terminate()
    try:
        worker.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
        return True
    return False


@contextlib.contextmanager
def emulator(folder: Path, *, plan: Path, books: Path, pace: float) -> Iterator[str]:
    """The address of an emulator of all contracts; when this ends, its books are whole."""
    command = [sys.executable, "-m", "inference.engines.emulator", "--print-port", "--until-stdin-closes"]
    command += ["--plain", "--pace", f"{pace:g}", "--plan", str(plan), "--ledger", str(books)]
    with (folder / "emulator.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip().decode()
        if not port:
            raise RuntimeError(f"the emulator does not start; see {folder / 'emulator.log'}")
        yield f"http://127.0.0.1:{port}"
    finally:
        _end(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
