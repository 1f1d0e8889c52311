"""A broker process under its guard: start, signal, wait."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")
STOP_GRACE_S = 10.0


@dataclass(slots=True)
class BrokerProcess:
    """`pid` is the broker's own; it runs in a session of its own, so Ctrl-C reaches only its owner."""

    pid: int
    guard: subprocess.Popen[bytes]

    @classmethod
    def spawn(
        cls,
        command: Sequence[str],
        *,
        folder: Path,
        log: Path,
        lock_fd: int,
        environ: Mapping[str, str],
        grace_s: float = STOP_GRACE_S,
    ) -> BrokerProcess:
        """`lock_fd` is inherited by the broker: the folder's lock is held for as long as either lives."""
        with log.open("ab") as output:
            guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), str(grace_s), str(lock_fd), *command],
                cwd=folder,
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                pass_fds=(lock_fd,),
                start_new_session=True,
            )
        assert guard.stdout is not None
        with guard.stdout as reports:
            first_line = reports.readline()
        return cls(int(first_line or 0), guard)

    @property
    def running(self) -> bool:
        return self.guard.poll() is None

    def ask_to_stop(self) -> bool:
        """Waits for nothing; the guard kills it after its own grace. Whether it ran."""
        running = self.running
        if running:
            self.guard.terminate()
        return running

    def terminate(self, grace_s: float = STOP_GRACE_S) -> None:
        """Asks the broker to close its logs and leave; kills it after the grace."""
        if self.ask_to_stop():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.guard.wait(grace_s)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self._signal(signal.SIGKILL)
        self.wait()

    def pause(self) -> None:
        """SIGSTOP: its sockets stay open and nothing answers, as on a machine that hangs."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid or self.guard.pid, number)

    def wait(self, timeout_s: float | None = None) -> int:
        """The broker's exit status, 128 + n after signal n. Raises `subprocess.TimeoutExpired`."""
        status = self.guard.wait(timeout_s)
        if self.guard.stdin is not None:
            self.guard.stdin.close()
        return status
