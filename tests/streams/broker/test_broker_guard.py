"""The guard, with a cheap child in the broker's place."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.broker.process import BrokerProcess

CHILD = "import sys, time; print('up', flush=True); time.sleep(600)"
# Its fork keeps the guard's pipe open, as a multiprocessing worker would: end of file never comes.
FORKING_OWNER = """
import os, sys, time
from pathlib import Path
from streams.broker.process import BrokerProcess
folder = Path(sys.argv[1])
lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
process = BrokerProcess.spawn(
    [sys.executable, "-c", "import time; time.sleep(600)"],
    folder=folder, log=folder / "log", lock_fd=lock, environ=os.environ,
)
os.set_inheritable(process.guard.stdin.fileno(), True)
if os.fork() == 0:
    print(os.getpid(), process.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def lock_fd(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def spawn(code: str, folder: Path, lock_fd: int, *, grace_s: float = 10) -> BrokerProcess:
    return BrokerProcess.spawn(
        [sys.executable, "-c", code],
        folder=folder,
        log=folder / "log",
        lock_fd=lock_fd,
        environ=os.environ,
        grace_s=grace_s,
    )


def test_the_childs_exit_status_and_words_come_through(tmp_path: Path, lock_fd: int) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"
    assert spawn(code, tmp_path, lock_fd).wait(20) == 7
    assert sorted((tmp_path / "log").read_text().split()) == ["err", "out"]


def test_a_signalled_child_reads_as_in_a_shell(tmp_path: Path, lock_fd: int) -> None:
    process = spawn(CHILD, tmp_path, lock_fd)
    process.kill()
    assert process.wait() == 128 + signal.SIGKILL


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path, lock_fd: int) -> None:
    code = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {CHILD}"
    process = spawn(code, tmp_path, lock_fd, grace_s=0.1)
    while b"up" not in (tmp_path / "log").read_bytes():
        assert process.running
    process.terminate(grace_s=20)
    assert process.wait() == 128 + signal.SIGKILL


def test_a_program_that_is_not_there_ends_with_its_name_in_the_log(tmp_path: Path, lock_fd: int) -> None:
    process = BrokerProcess.spawn(
        ["no-such-java"], folder=tmp_path, log=tmp_path / "log", lock_fd=lock_fd, environ=os.environ
    )
    assert process.wait(20) != 0
    assert "no-such-java" in (tmp_path / "log").read_text()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="watches another's child by its pidfd (Linux)")
def test_a_killed_owners_forks_do_not_keep_the_child_alive(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", FORKING_OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    fork, child = map(int, owner.stdout.readline().split())
    child_fd = os.pidfd_open(child)
    owner.kill()
    owner.wait()
    try:
        _wait_for_exit(child_fd)
    finally:
        os.kill(fork, signal.SIGKILL)
        owner.stdout.close()


def _wait_for_exit(pidfd: int) -> None:
    """A pid's descriptor becomes readable when the process ends (pidfd_open(2))."""
    try:
        readable, _, _ = select.select([pidfd], [], [], 20)
        assert readable
    finally:
        os.close(pidfd)
