"""Formats a data folder, starts the broker in it and waits until it serves."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.broker.errors import BrokerError
from streams.broker.folder import DataFolder, last_words
from streams.broker.java import Java, java_command
from streams.broker.ports import LOOPBACK, Ports
from streams.broker.probe import count_brokers
from streams.broker.process import STOP_GRACE_S, BrokerProcess
from streams.broker.properties import NODE_ID, render_properties, server_properties

PORT_ATTEMPTS = 3
PORT_TAKEN = "Address already in use"
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
    """How one node is to run. `voters` are all controllers' ports by node id; None where it is alone.

    `advertised_port` is what clients are told instead of the port it listens on.
    """

    ports: Ports
    node_id: int = NODE_ID
    voters: Mapping[int, int] | None = None
    advertised_port: int | None = None
    heap_mb: int = 512
    settings: Mapping[str, str] | None = None
    flags: tuple[str, ...] = ()
    stop_grace_s: float = STOP_GRACE_S


@dataclass(frozen=True, slots=True)
class Started:
    """A process that may not serve yet; its lines in the log begin at byte `since`."""

    process: BrokerProcess
    folder: DataFolder
    port: int
    since: int


def launch(runtime: Runtime, folder: DataFolder, options: Options, *, lock_fd: int) -> BrokerProcess:
    """A broker that answers. Raises `BrokerError` with the end of its log where it does not come up."""
    started = spawn(runtime, folder, options, cluster_id=new_cluster_id(), lock_fd=lock_fd)
    try:
        wait_until_ready([started])
    except BaseException:
        started.process.kill()
        raise
    return started.process


def spawn(
    runtime: Runtime, folder: DataFolder, options: Options, *, cluster_id: str, lock_fd: int
) -> Started:
    """Starts a node; one without data becomes a member of the cluster `cluster_id`."""
    if not folder.is_formatted():
        format_storage(runtime, folder, options, cluster_id=cluster_id, lock_fd=lock_fd)
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
    return Started(process, folder, options.ports.client, since)


def write_properties(folder: DataFolder, options: Options, *, logs: Path) -> None:
    properties = server_properties(
        ports=options.ports,
        # Relative to the broker's working folder: Kafka splits this setting at commas.
        logs=logs.name,
        node_id=options.node_id,
        voters=options.voters,
        advertised_port=options.advertised_port,
        settings=options.settings,
    )
    folder.properties.write_text(render_properties(properties), "ascii")


def new_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


def format_storage(
    runtime: Runtime, folder: DataFolder, options: Options, *, cluster_id: str, lock_fd: int
) -> None:
    """Gives the folder its cluster id. An interrupted attempt leaves nothing that looks formatted."""
    shutil.rmtree(folder.unformatted, ignore_errors=True)
    write_properties(folder, options, logs=folder.unformatted)
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


def wait_until_ready(nodes: Sequence[Started], *, brokers: int = 1, ready_s: float = READY_S) -> None:
    """Returns once every node answers a metadata request and counts `brokers` as up."""
    deadline = time.monotonic() + ready_s
    waiting = list(nodes)
    while True:
        for node in nodes:
            if not node.process.running:
                raise BrokerError(_explain(node, f"left with exit status {node.process.wait()}"))
        waiting = [node for node in waiting if not _serves(node, brokers)]
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise BrokerError(
                _explain(waiting[0], f"did not answer on port {waiting[0].port} in {ready_s:.0f} s")
            )
        time.sleep(POLL_S)


def _serves(node: Started, brokers: int) -> bool:
    try:
        return count_brokers(LOOPBACK, node.port) >= brokers
    except OSError:
        return False


ADVICE = {
    PORT_TAKEN: "another program took the port: leave the port out, or free it",
    "No space left on device": "the disk is full: free space, or choose another folder",
    "OutOfMemoryError": "give it more memory (heap_mb)",
    "Could not reserve enough space": "the machine has too little free memory for the heap: lower heap_mb",
    "Too many open files": "raise the limit of open files (ulimit -n)",
    "CorruptRecordException": "the folder's data is damaged: move it away to start empty",
}


def _explain(node: Started, what: str) -> str:
    folder, tail = node.folder, node.folder.log_tail(node.since)
    advice = next((fix for sign, fix in ADVICE.items() if sign in tail), "its log says why")
    return f"Apache Kafka in {folder.path} {what}; {advice}. End of {folder.log}:\n{tail or '(empty)'}"
