"""Formats a data folder, starts the broker in it and waits until it serves."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streams.broker.errors import BrokerError
from streams.broker.folder import DataFolder, last_words
from streams.broker.java import Java, java_command
from streams.broker.ports import LOOPBACK
from streams.broker.probe import count_brokers
from streams.broker.process import STOP_GRACE_S, BrokerProcess
from streams.broker.properties import render_properties, server_properties

READY_S = 90.0
FORMAT_S = 90.0
POLL_S = 0.02
# What does not quite fit in a start-up cache is no news: the JVM goes on without it.
QUIET_CACHE = "-Xlog:aot*=off,cds*=off"


@dataclass(frozen=True, slots=True)
class Runtime:
    """Java and the jars; `startup_cache` is None where Java cannot use one, or has none yet."""

    java: Java
    jars: tuple[Path, ...]
    startup_cache: Path | None = None

    def environ(self) -> dict[str, str]:
        return {**os.environ, "CLASSPATH": os.pathsep.join(map(str, self.jars))}

    def command(self, main: str, *arguments: str, heap_mb: int, flags: tuple[str, ...] = ()) -> list[str]:
        if self.startup_cache is not None:
            flags = (f"-XX:AOTCache={self.startup_cache}", QUIET_CACHE, *flags)
        return [*java_command(self.java, heap_mb=heap_mb, flags=flags), main, *arguments]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How one broker is to run; `ports` are the clients' and the controller's."""

    ports: tuple[int, int]
    heap_mb: int = 512
    settings: Mapping[str, str] | None = None
    flags: tuple[str, ...] = ()
    stop_grace_s: float = STOP_GRACE_S


def launch(runtime: Runtime, folder: DataFolder, options: Options, *, lock_fd: int) -> BrokerProcess:
    """A broker that answers. Raises `BrokerError` with the end of its log where it does not come up."""
    if not folder.is_formatted():
        format_storage(runtime, folder, options, lock_fd=lock_fd)
    write_properties(folder, options, logs=folder.logs)
    since = folder.rotate_log()
    process = BrokerProcess.spawn(
        runtime.command("kafka.Kafka", folder.properties.name, heap_mb=options.heap_mb, flags=options.flags),
        folder=folder.path,
        log=folder.log,
        lock_fd=lock_fd,
        environ=runtime.environ(),
        grace_s=options.stop_grace_s,
    )
    try:
        wait_until_ready(process, folder, options.ports[0], since=since)
    except BaseException:
        process.kill()
        raise
    return process


def write_properties(folder: DataFolder, options: Options, *, logs: Path) -> None:
    port, controller_port = options.ports
    properties = server_properties(
        port=port,
        controller_port=controller_port,
        # Relative to the broker's working folder: Kafka splits this setting at commas.
        logs=logs.name,
        settings=options.settings,
    )
    folder.properties.write_text(render_properties(properties), "ascii")


def format_storage(runtime: Runtime, folder: DataFolder, options: Options, *, lock_fd: int) -> None:
    """Gives the folder a cluster id. An interrupted attempt leaves nothing that looks formatted."""
    shutil.rmtree(folder.unformatted, ignore_errors=True)
    write_properties(folder, options, logs=folder.unformatted)
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    # The argument's own spelling: an id may begin with a dash.
    arguments = ("format", f"--cluster-id={cluster_id}", "-c", folder.properties.name)
    try:
        done = subprocess.run(
            runtime.command("kafka.tools.StorageTool", *arguments, heap_mb=options.heap_mb),
            cwd=folder.path,
            env=runtime.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(lock_fd,),
            text=True,
            timeout=FORMAT_S,
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        raise BrokerError(f"{folder.path} could not be formatted for Kafka: {error}") from error
    if done.returncode != 0:
        said = f"exit status {done.returncode}:\n{last_words(done.stdout)}"
        raise BrokerError(f"{folder.path} could not be formatted for Kafka, {said}")
    folder.unformatted.rename(folder.logs)


def wait_until_ready(
    process: BrokerProcess, folder: DataFolder, port: int, *, since: int, ready_s: float = READY_S
) -> None:
    """Returns once the broker answers a metadata request and counts itself as up."""
    deadline = time.monotonic() + ready_s
    while True:
        if not process.running:
            raise BrokerError(_explain(folder, since, f"left with exit status {process.wait()}"))
        try:
            if count_brokers(LOOPBACK, port) > 0:
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise BrokerError(_explain(folder, since, f"did not answer on port {port} in {ready_s:.0f} s"))
        time.sleep(POLL_S)


ADVICE = {
    "Address already in use": "another program took the port: leave the port out, or free it",
    "No space left on device": "the disk is full: free space, or choose another folder",
    "OutOfMemoryError": "give it more memory (heap_mb)",
    "Could not reserve enough space": "the machine has too little free memory for the heap: lower heap_mb",
    "Too many open files": "raise the limit of open files (ulimit -n)",
    "CorruptRecordException": "the folder's data is damaged: move it away to start empty",
}


def _explain(folder: DataFolder, since: int, what: str) -> str:
    tail = folder.log_tail(since)
    advice = next((fix for sign, fix in ADVICE.items() if sign in tail), "its log says why")
    return f"Apache Kafka in {folder.path} {what}; {advice}. End of {folder.log}:\n{tail or '(empty)'}"
