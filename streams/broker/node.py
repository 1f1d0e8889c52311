"""One node of a local cluster: a broker and controller in one process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from streams.broker.errors import BrokerError
from streams.broker.folder import DataFolder
from streams.broker.launch import Options, Runtime, Started, spawn, wait_until_ready
from streams.broker.lock import Lock
from streams.broker.process import STOP_GRACE_S


@dataclass(slots=True, eq=False)
class ClusterNode:
    """May be killed, paused and started again while the cluster lives; its ports stay."""

    runtime: Runtime
    folder: DataFolder
    options: Options
    cluster_id: str
    lock: Lock
    _started: Started | None = None

    @property
    def node_id(self) -> int:
        return self.options.node_id

    @property
    def port(self) -> int:
        """Where it listens for clients, whatever it advertises."""
        return self.options.ports.client

    @property
    def advertised_port(self) -> int:
        """What clients are told."""
        return self.options.advertised_port or self.port

    @property
    def running(self) -> bool:
        """Also true for a paused one."""
        return self._started is not None and self._started.process.running

    @property
    def pid(self) -> int:
        """The Java process; raises `BrokerError` when it does not run."""
        if self._started is None or not self.running:
            raise BrokerError(f"node {self.node_id} in {self.folder.path} does not run: call restart()")
        return self._started.process.pid

    @property
    def exit_status(self) -> int:
        """Of a process that ended, 128 + n after signal n; 0 where none was started or one still runs."""
        return 0 if self._started is None or self.running else self._started.process.wait()

    @property
    def log_file(self) -> Path:
        return self.folder.log

    def kill(self) -> None:
        """SIGKILL: what a crash does to it. The data stays; `restart` recovers it."""
        if self._started is not None:
            self._started.process.kill()

    def pause(self) -> None:
        """SIGSTOP: its sockets stay open and nothing answers, as on a machine that hangs."""
        if self._started is not None:
            self._started.process.pause()

    def resume(self) -> None:
        """SIGCONT."""
        if self._started is not None:
            self._started.process.resume()

    @property
    def has_closed_logs(self) -> bool:
        """Kafka leaves this file when all its logs are closed, and removes it as it opens them."""
        return (self.folder.logs / ".kafka_cleanshutdown").exists()

    def ask_to_stop(self) -> None:
        """SIGTERM; waits for nothing."""
        if self._started is not None:
            self._started.process.ask_to_stop()

    def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """Lets it hand over and close its logs; kills it after the grace. May be repeated."""
        if self._started is not None:
            self._started.process.terminate(grace_s)

    def restart(self, *, wait: bool = True) -> None:
        """Stops it if it runs, starts it on its data, and returns when it serves as a member again.

        It cannot serve before a majority of the nodes is up: with `wait` false it returns at once, so that
        several can be started. Whether it has caught up, `LocalCluster.wait_in_sync` tells.
        Raises `BrokerError` with the end of its log.
        """
        self.stop()
        started = self.spawn()
        if wait:
            try:
                wait_until_ready([started])
            except BaseException:
                self.kill()
                raise

    def spawn(self) -> Started:
        """Starts the process and waits for nothing."""
        self._started = spawn(
            self.runtime,
            self.folder,
            self.options,
            cluster_id=self.cluster_id,
            lock_fd=self.lock.descriptor,
        )
        self.lock.name_holders(os.getpid(), self._started.process.pid)
        return self._started
