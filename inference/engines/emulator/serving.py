"""Running the emulator: in a thread of this process, or as a child that dies with its parent."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvicorn

from inference.engines.emulator.app import Emulator, make_app

HOST = "127.0.0.1"
START_S = 60.0
STOP_S = 10.0


class EmulatorFailed(RuntimeError):
    """The emulator did not start; the text holds what it said."""


class _Server(uvicorn.Server):
    """Leaves the process's signal handlers alone: whoever embeds it decides about those."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def bind(port: int = 0) -> socket.socket:
    """A listening socket on the loopback address: connections queue before the server runs."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        raise EmulatorFailed(f"emulator: port {port} cannot be bound on {HOST}: {error}") from error
    bound.listen(512)
    return bound


def server_of(emulator: Emulator) -> uvicorn.Server:
    config = uvicorn.Config(
        make_app(emulator), log_level="warning", access_log=False, timeout_graceful_shutdown=5, lifespan="off"
    )
    return _Server(config)


@contextlib.contextmanager
def emulator_thread(emulator: Emulator) -> Iterator[str]:
    """Serves from a thread with its own event loop; yields the base address."""
    bound = bind()
    server = server_of(emulator)
    thread = threading.Thread(target=server.run, args=([bound],), name="emulator", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(STOP_S)
        bound.close()


@contextlib.contextmanager
def emulator_process(
    *,
    pace: float = 1.0,
    profiles: Path | None = None,
    workers: int | None = None,
    plain: bool = False,
    ledger: Path | None = None,
    plan: Path | None = None,
) -> Iterator[str]:
    """Serves from a child process, which ends when this one does, however that ends; yields the base address.

    `plain` draws no words; `ledger` is appended to; `plan` is a file of what goes wrong.

    Raises:
        EmulatorFailed: it did not answer within a minute.
    """
    command = [sys.executable, "-m", "inference.engines.emulator", "--port", "0", "--print-port"]
    command += ["--until-stdin-closes", "--pace", str(pace)]
    command += ["--profiles", str(profiles)] if profiles else []
    command += ["--workers", str(workers)] if workers else []
    command += ["--plain"] if plain else []
    command += ["--ledger", str(ledger)] if ledger else []
    command += ["--plan", str(plan)] if plan else []
    # A terminal's Ctrl-C goes to the whole group: the parent still needs it while it drains.
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        yield f"http://{HOST}:{_port(child)}"
    finally:
        _stop(child)


def exit_when_stdin_closes(server: uvicorn.Server) -> None:
    """Watches from a thread: the end of standard input means that the parent is gone, SIGKILL included."""
    parent = os.getppid()

    def watch() -> None:
        # A process forked by the parent may hold the pipe open beyond its end; the parent's id tells too.
        while os.getppid() == parent:
            readable, _, _ = select.select([0], [], [], 1.0)
            if readable and not os.read(0, 4096):
                break
        server.should_exit = True
        time.sleep(STOP_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def thread_pool(workers: int | None) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers or min(2, os.cpu_count() or 1), thread_name_prefix="drawing")


def _port(child: subprocess.Popen[bytes]) -> int:
    assert child.stdout is not None
    ready, _, _ = select.select([child.stdout], [], [], START_S)
    line = child.stdout.readline() if ready else b""
    if not line.strip().isdigit():
        raise EmulatorFailed(
            f"emulator: no port within {START_S:g} s (exit status {child.poll()}, said {line!r}); "
            "its log is on standard error"
        )
    return int(line)


def _stop(child: subprocess.Popen[bytes]) -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
