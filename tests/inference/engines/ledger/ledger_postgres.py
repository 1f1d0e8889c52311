"""A PostgreSQL server of the tests' own, from whatever binaries this machine has."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

START_S = 60.0
OWNER = "glyphstream"


class NoPostgres(Exception):
    """Why no server can be started here."""


def binaries() -> Path:
    """The folder of `initdb` and `postgres`: Debian's package, what is on the path, or a wheel's.

    Raises:
        NoPostgres: there are none.
    """
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: each.parent.name)
    found = shutil.which("initdb")
    folders += [Path(found).resolve().parent] if found else []
    for folder in reversed(folders):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoPostgres("no PostgreSQL server here: apt-get install postgresql")


@dataclass
class LocalPostgres:
    """One server on a free loopback port, its data in a temporary folder; as another user where we are root,
    because the server refuses to run as root.
    """

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    made: int = field(default=0)

    @classmethod
    def start(cls) -> LocalPostgres:
        """Raises:
        NoPostgres: no binaries, or they do not start.
        """
        tools, user = binaries(), _user()
        folder = Path(tempfile.mkdtemp(prefix="glyphstream-postgres-"))
        if user:
            shutil.chown(folder, user)
        data, log = folder / "data", folder / "log"
        initdb = [
            str(tools / "initdb"),
            "-D",
            str(data),
            "-U",
            OWNER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        made = subprocess.run(initdb, cwd=folder, user=user, capture_output=True, check=False)
        if made.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise NoPostgres(f"initdb: {made.stderr.decode()[-500:]}")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        settings = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
        command = [
            str(tools / "postgres"),
            "-D",
            str(data),
            *(part for each in settings for part in ("-c", each)),
        ]
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=folder, user=user, stdout=output, stderr=output)
        server = cls(folder, port, process)
        server._await_ready(log)
        return server

    def url(self, database: str) -> str:
        return f"postgresql://{OWNER}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        self.made += 1
        name = f"ledger_{self.made}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type, unused-ignore] # no literal
        return self.url(name)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _await_ready(self, log: Path) -> None:
        until = time.monotonic() + START_S
        while time.monotonic() < until and self.process.poll() is None:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        told = log.read_text("utf-8", "replace")[-500:]
        self.stop()
        raise NoPostgres(f"the server does not start: {told}")


def _user() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"
