"""The workers: real processes that are started, killed, stopped and asked to leave."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.tally import worked

# More than the runtime's own bounds for draining and closing add up to.
GRACE_S = 60.0


@dataclass(slots=True, eq=False)
class Member:
    name: str
    process: subprocess.Popen[bytes]
    tally: Path
    paused: bool = False
    leaving: bool = False

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def has_worked(self) -> bool:
        """Whether it finished at least one event."""
        return worked(self.tally) > 0

    def signal(self, number: signal.Signals) -> None:
        """Nothing where the process has ended: `poll` has reaped it, so the pid may be another's."""
        if self.alive:
            os.kill(self.process.pid, number)


class Crew:
    """All workers of a run; each has a log and a counter of its own in `folder`."""

    def __init__(self, folder: Path, arguments: Sequence[str]) -> None:
        self._folder = folder
        self._arguments = arguments
        self._numbers = itertools.count(len(list(folder.glob("*.log"))) + 1)
        self._members: list[Member] = []

    def start(self) -> Member:
        name = f"w{next(self._numbers):04d}"
        tally = self._folder / f"{name}.tally"
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.chaos.worker",
                    "--tally",
                    str(tally),
                    *self._arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        member = Member(name, process, tally)
        self._members.append(member)
        return member

    def kill(self, member: Member) -> None:
        """SIGKILL, also to one that is paused or leaving."""
        member.signal(signal.SIGKILL)
        member.process.wait()
        self._members.remove(member)

    def pause(self, member: Member) -> None:
        member.signal(signal.SIGSTOP)
        member.paused = True

    def resume(self, member: Member) -> None:
        member.signal(signal.SIGCONT)
        member.paused = False

    def leave(self, member: Member) -> None:
        """SIGTERM: it drains, commits and says goodbye."""
        member.leaving = True
        member.signal(signal.SIGTERM)

    def staying(self) -> list[Member]:
        """Those that are to go on working, paused ones too."""
        return [member for member in self._members if not member.leaving and member.alive]

    def ended(self) -> list[Member]:
        """Those that ended since the last call."""
        gone = [member for member in self._members if not member.alive]
        self._members = [member for member in self._members if member.alive]
        return gone

    def stop(self, grace_s: float = GRACE_S) -> list[Member]:
        """Asks all to leave, kills who does not in time; those that had to be killed."""
        for member in self._members:
            self.resume(member)
            self.leave(member)
        stuck = []
        for member in self._members:
            try:
                member.process.wait(grace_s)
            except subprocess.TimeoutExpired:
                member.signal(signal.SIGKILL)
                member.process.wait()
                stuck.append(member)
        return stuck

    def kill_all(self) -> None:
        for member in list(self._members):
            self.kill(member)


def log_counts(folder: Path, phrases: Sequence[str]) -> dict[str, int]:
    """How many lines of all workers' logs contain each phrase."""
    counts = dict.fromkeys(phrases, 0)
    for path in folder.glob("*.log"):
        for line in path.read_text("utf-8", "replace").splitlines():
            for phrase in phrases:
                counts[phrase] += phrase in line
    return counts
