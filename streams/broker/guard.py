"""Runs one child and never lets it outlive the process that started the guard.

Run by path as its own small process (`python -I -S guard.py GRACE_SECONDS LOCK_FD COMMAND...`), so it imports
nothing of ours. Stdin is a pipe whose other end only the parent holds: end of file means the parent is gone,
however it died. A parent that forked holds that end open in its children, so the parent's id is watched too.
Should the guard itself be killed, Linux kills the child (PR_SET_PDEATHSIG): safe here because the guard has a
single thread, while in the parent that signal would fire when the *thread* that started the broker ends.
Elsewhere only the guard stands between a killed parent and an orphan.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from types import FrameType

PR_SET_PDEATHSIG = 1
PARENT_CHECK_S = 1.0


def die_with_guard() -> None:
    """Runs in the child between fork and exec."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Guard:
    def __init__(self, grace_s: float) -> None:
        self.grace_s = grace_s
        self.parent = os.getppid()
        self.asked_to_stop = False
        self.waker, written_by_signals = os.pipe()
        os.set_blocking(self.waker, False)
        os.set_blocking(written_by_signals, False)
        signal.set_wakeup_fd(written_by_signals, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def _on_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        self.asked_to_stop = True

    def watch(self, child: subprocess.Popen[bytes]) -> int:
        """Returns the child's exit status, having stopped it where that was called for."""
        kill_at = None
        while (status := child.poll()) is None:
            if kill_at is None and (self.asked_to_stop or self._parent_is_gone()):
                child.terminate()
                # A child that was stopped (SIGSTOP) hears nothing until it goes on.
                child.send_signal(signal.SIGCONT)
                kill_at = time.monotonic() + self.grace_s
            elif kill_at is not None and time.monotonic() >= kill_at:
                child.kill()
            watched = [self.waker] if kill_at is not None else [self.waker, sys.stdin.fileno()]
            patience = PARENT_CHECK_S if kill_at is None else max(0.0, kill_at - time.monotonic())
            readable, _, _ = select.select(watched, [], [], min(patience, PARENT_CHECK_S))
            if self.waker in readable:
                with contextlib.suppress(BlockingIOError):
                    os.read(self.waker, 512)
        return status

    def _parent_is_gone(self) -> bool:
        if os.getppid() != self.parent:
            return True
        readable, _, _ = select.select([sys.stdin.fileno()], [], [], 0)
        return bool(readable) and os.read(sys.stdin.fileno(), 1) == b""


def main(arguments: list[str]) -> int:
    grace_s, lock_fd, *command = arguments
    guard = Guard(float(grace_s))
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        pass_fds=(int(lock_fd),),
        preexec_fn=die_with_guard,
    )
    os.write(sys.stdout.fileno(), b"%d\n" % child.pid)
    os.close(sys.stdout.fileno())
    status = guard.watch(child)
    # As a shell reports a signal, because the guard itself exits normally.
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
