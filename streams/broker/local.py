"""A local Apache Kafka: `with LocalBroker.start(folder) as broker: broker.bootstrap`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from streams.broker.errors import BrokerError
from streams.broker.fencing import Absent, fence_absent
from streams.broker.folder import ClusterFolder, DataFolder, make_folder
from streams.broker.jars import KAFKA_VERSION, Progress
from streams.broker.launch import PORT_ATTEMPTS, PORT_TAKEN, Options, Runtime, launch
from streams.broker.lock import Lock, claim
from streams.broker.ports import LOOPBACK, choose_ports
from streams.broker.process import STOP_GRACE_S, BrokerProcess
from streams.broker.warmup import prepare

__all__ = ["KAFKA_VERSION", "BrokerError", "LocalBroker"]


class LocalBroker:
    """One broker that is its own controller (KRaft), on loopback, with transactions.

    It lives no longer than the process that started it, however that ends. Everything it keeps is in its
    data folder; the same folder comes back with the same data and, where they are free, the same ports.
    """

    def __init__(
        self,
        folder: DataFolder,
        runtime: Runtime,
        *,
        port: int,
        advertised_port: int | None,
        heap_mb: int,
        settings: Mapping[str, str] | None,
        on_progress: Progress | None,
    ) -> None:
        self._folder = folder
        self._runtime = runtime
        self._wanted_port = port
        self._advertised_port = advertised_port
        self._heap_mb = heap_mb
        self._settings = settings
        self._on_progress = on_progress
        self._lock: Lock | None = None
        self._process: BrokerProcess | None = None
        self._port = 0

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        port: int = 0,
        advertised_port: int | None = None,
        heap_mb: int = 512,
        settings: Mapping[str, str] | None = None,
        on_progress: Progress | None = None,
    ) -> LocalBroker:
        """Returns when the broker serves. Blocks: from asyncio, call it in a thread.

        The first start on a machine downloads the jars and prepares a start-up cache. Port 0 means the one
        that `data_dir` had before, or any that is free. Clients are told `advertised_port` where it is given:
        a proxy's, which forwards to `port`. `settings` are Kafka's own, by their names.
        Raises `BrokerError` with the end of the broker's log, or the pid of whoever holds `data_dir`.
        """
        ClusterFolder(data_dir).check_nodes(1)
        folder = DataFolder(make_folder(data_dir))
        broker = cls(
            folder,
            prepare(on_progress),
            port=port,
            advertised_port=advertised_port,
            heap_mb=heap_mb,
            settings=settings,
            on_progress=on_progress,
        )
        broker._open()
        return broker

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:port`, as clients take it: the advertised port where there is one."""
        return f"{LOOPBACK}:{self._advertised_port or self._port}"

    @property
    def port(self) -> int:
        """Where it listens for clients, whatever it advertises."""
        return self._port

    @property
    def pid(self) -> int:
        """The Java process; raises `BrokerError` when the broker is stopped."""
        if self._process is None:
            raise BrokerError(f"the broker in {self._folder.path} is stopped: call restart()")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def log_file(self) -> Path:
        return self._folder.log

    def wait(self, timeout_s: float | None = None) -> int:
        """Blocks until the broker ends by itself and returns its exit status.

        Raises `subprocess.TimeoutExpired` when it still runs.
        """
        return 0 if self._process is None else self._process.wait(timeout_s)

    def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """Lets the broker close its logs, kills it after the grace, and frees the folder. May be repeated."""
        if self._process is not None:
            self._process.terminate(grace_s)
        self._release()

    def kill(self) -> None:
        """SIGKILL: what a crash does to it. The data stays; `restart` recovers it."""
        if self._process is not None:
            self._process.kill()
        self._release()

    def restart(self) -> None:
        """Stops the broker if it runs, and starts it again on its data."""
        self.stop()
        self._open()

    def __enter__(self) -> LocalBroker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _open(self) -> None:
        self._lock = claim(self._folder)
        try:
            self._process = self._launch(self._lock)
        except BaseException:
            self._release()
            raise
        self._lock.name_holders(os.getpid(), self._process.pid)

    def _launch(self, lock: Lock) -> BrokerProcess:
        if self._on_progress:
            self._on_progress(f"starting Apache Kafka {KAFKA_VERSION} in {self._folder.path}")
        for attempt in range(1, PORT_ATTEMPTS + 1):
            ports = choose_ports(self._wanted_port, self._folder.ports())
            options = Options(
                ports=ports,
                advertised_port=self._advertised_port,
                heap_mb=self._heap_mb,
                settings=self._settings,
            )
            fence_absent(self._runtime, [Absent(self._folder, options, lock.descriptor)])
            try:
                process = launch(self._runtime, self._folder, options, lock_fd=lock.descriptor)
            except BrokerError as error:
                # Somebody else may take a free port between the choice and the start.
                if attempt == PORT_ATTEMPTS or PORT_TAKEN not in str(error):
                    raise
            else:
                self._port = ports.client
                self._folder.remember(ports)
                return process
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _release(self) -> None:
        self._process = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
