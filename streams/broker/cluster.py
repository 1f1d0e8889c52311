"""Apache Kafka as a cluster: `with LocalCluster.start(folder) as cluster: cluster.bootstrap`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from streams.broker.errors import BrokerError
from streams.broker.fencing import Absent, fence_absent
from streams.broker.folder import ClusterFolder, make_folder
from streams.broker.jars import KAFKA_VERSION, Progress
from streams.broker.launch import (
    PORT_ATTEMPTS,
    PORT_TAKEN,
    Options,
    Runtime,
    new_cluster_id,
    wait_until_ready,
)
from streams.broker.lock import Lock, claim
from streams.broker.node import ClusterNode
from streams.broker.ports import LOOPBACK, Ports, choose_ports
from streams.broker.probe import view_cluster
from streams.broker.process import STOP_GRACE_S
from streams.broker.properties import check_nodes
from streams.broker.warmup import prepare

HEAP_MB = 256
# Of the guards, when the owner is gone. The last controllers wait that long for a majority anyway.
GUARD_GRACE_S = 5.0
# For nodes that are left without a majority as all stop.
LAST_S = 2.0
WATCH_S = 0.2
POLL_S = 0.05

Answer = TypeVar("Answer")


class LocalCluster:
    """Nodes that are each broker and controller (KRaft), on loopback, that outlive the loss of a minority.

    None lives longer than the process that started it. Each has a data folder of its own below the cluster's;
    the same folder comes back with the same data and, where they are free, the same ports.
    """

    def __init__(self, nodes: tuple[ClusterNode, ...], locks: contextlib.ExitStack) -> None:
        self._nodes = nodes
        self._locks = locks

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        nodes: int = 3,
        ports: Sequence[int] = (),
        advertised: Mapping[int, int] | None = None,
        heap_mb: int = HEAP_MB,
        settings: Mapping[str, str] | None = None,
        on_progress: Progress | None = None,
    ) -> LocalCluster:
        """Returns when every node serves and sees all others. Blocks: from asyncio, call it in a thread.

        `ports` are the clients' ports in the order of the nodes, whose ids count from 1; without them, those
        that `data_dir` had before, or any that are free. `advertised` is what clients are told instead, by
        node id: a proxy's port, which forwards to the node's. Brokers speak to each other past it.
        `settings` are Kafka's own, the same for every node.
        Raises `BrokerError` with the end of a node's log, or the pid of whoever holds `data_dir`.
        """
        check_nodes(nodes)
        if nodes == 1:
            raise BrokerError("nodes is 1: a cluster has 3 or 5; LocalBroker is a single one")
        _check_ports(nodes, ports, advertised or {})
        folder = ClusterFolder(make_folder(data_dir))
        folder.check_nodes(nodes)
        runtime = prepare(on_progress)
        with contextlib.ExitStack() as held:
            locks = [held.enter_context(_claim(folder, node_id)) for node_id in range(1, nodes + 1)]
            # Again, now that nobody else can change it.
            folder.check_nodes(nodes)
            if on_progress:
                on_progress(f"starting Apache Kafka {KAFKA_VERSION}, {nodes} nodes, in {folder.path}")
            plan = _Plan(
                folder, runtime, tuple(locks), tuple(ports), dict(advertised or {}), heap_mb, settings
            )
            return cls(_launch(plan), held.pop_all())

    @property
    def bootstrap(self) -> str:
        """All nodes, as clients take it: the advertised port where a node has one."""
        return ",".join(f"{LOOPBACK}:{node.advertised_port}" for node in self._nodes)

    @property
    def nodes(self) -> tuple[ClusterNode, ...]:
        """In the order of their ids; the same objects for as long as the cluster lives."""
        return self._nodes

    def wait_in_sync(self, timeout_s: float = 60.0) -> None:
        """Returns once every node is up, sees all others, and no replica of any partition is behind.

        Raises `BrokerError` that names what still was not.
        """
        deadline = time.monotonic() + timeout_s
        while behind := self._behind():
            if time.monotonic() > deadline:
                raise BrokerError(f"not in sync after {timeout_s:.0f} s: {behind}")
            time.sleep(POLL_S)

    def wait(self, on_exit: Callable[[ClusterNode, int], None]) -> None:
        """Blocks while a majority runs; tells each node that ended, with its exit status, once."""
        ended: set[int] = set()
        while True:
            for node in self._nodes:
                if node.running:
                    ended.discard(node.node_id)
                elif node.node_id not in ended:
                    ended.add(node.node_id)
                    on_exit(node, node.exit_status)
            if 2 * len(ended) >= len(self._nodes):
                return
            time.sleep(WATCH_S)

    def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """Lets all nodes close their logs, kills them after the grace, frees the folder. May be repeated."""
        try:
            _close_all(self._nodes, grace_s)
        finally:
            _for_all(self._nodes, ClusterNode.kill)
            self._locks.close()

    def __enter__(self) -> LocalCluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _behind(self) -> str:
        """What is not in sync, as the first node sees it that does not see all well; empty where all do."""
        if down := [node.node_id for node in self._nodes if not node.running]:
            return f"not running: node {', '.join(map(str, down))}"
        for node in self._nodes:
            try:
                view = view_cluster(LOOPBACK, node.port)
            except OSError as error:
                return f"node {node.node_id} does not answer ({error})"
            if len(view.brokers) < len(self._nodes):
                return f"node {node.node_id} sees only the nodes {sorted(view.brokers)}"
            if late := [partition for partition in view.partitions if not partition.whole]:
                one = late[0]
                return (
                    f"{len(late)} of {len(view.partitions)} partitions, such as {one.topic}-{one.number}: "
                    f"leader {one.leader}, in sync {sorted(one.in_sync)} of {sorted(one.replicas)}"
                )
        return ""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What all attempts to start the nodes have in common."""

    folder: ClusterFolder
    runtime: Runtime
    locks: tuple[Lock, ...]
    wanted: tuple[int, ...]
    advertised: Mapping[int, int]
    heap_mb: int
    settings: Mapping[str, str] | None

    def nodes(self) -> tuple[ClusterNode, ...]:
        ports = self._choose_ports()
        voters = {node_id: of.controller for node_id, of in ports.items()}
        cluster_id = self.folder.cluster_id(len(ports), new_cluster_id())
        return tuple(
            ClusterNode(
                runtime=self.runtime,
                folder=self.folder.node(node_id),
                options=Options(
                    ports=of,
                    node_id=node_id,
                    voters=voters,
                    advertised_port=self.advertised.get(node_id),
                    heap_mb=self.heap_mb,
                    settings=self.settings,
                    stop_grace_s=GUARD_GRACE_S,
                ),
                cluster_id=cluster_id,
                lock=lock,
            )
            for (node_id, of), lock in zip(ports.items(), self.locks, strict=True)
        )

    def _choose_ports(self) -> dict[int, Ports]:
        node_ids = range(1, len(self.locks) + 1)
        remembered = {node_id: self.folder.node(node_id).ports() for node_id in node_ids}
        avoid = {*self.wanted, *self.advertised.values()}
        avoid.update(*(astuple(ports) for ports in remembered.values() if ports))
        chosen = {}
        for node_id, wanted in zip(node_ids, self.wanted or (0,) * len(node_ids), strict=True):
            ports = chosen[node_id] = choose_ports(wanted, remembered[node_id], avoid=avoid)
            avoid.update(astuple(ports))
        return chosen


def _launch(plan: _Plan) -> tuple[ClusterNode, ...]:
    for attempt in range(1, PORT_ATTEMPTS + 1):
        nodes = plan.nodes()
        fence_absent(
            plan.runtime, [Absent(node.folder, node.options, node.lock.descriptor) for node in nodes]
        )
        try:
            started = _for_all(nodes, ClusterNode.spawn)
            wait_until_ready(started, brokers=len(nodes))
        except BaseException as error:
            _for_all(nodes, ClusterNode.kill)
            # Somebody else may take a free port between the choice and the start.
            if attempt == PORT_ATTEMPTS or PORT_TAKEN not in str(error):
                raise
        else:
            for node in nodes:
                node.folder.remember(node.options.ports)
            return nodes
    raise AssertionError("unreachable: the last attempt returns or raises")


def _close_all(nodes: Sequence[ClusterNode], grace_s: float) -> None:
    """Returns when no node has anything left to write, or nothing more is to be hoped for.

    Without a majority a broker is never allowed to leave, and a controller waits five seconds for one
    (KafkaRaftClient.shutdown), though all that they hold is in files by then.
    """
    deadline = time.monotonic() + grace_s
    for node in nodes:
        node.ask_to_stop()
    while busy := [node for node in nodes if node.running and not node.has_closed_logs]:
        if 2 * len(busy) < len(nodes):
            deadline = min(deadline, time.monotonic() + LAST_S)
        if time.monotonic() > deadline:
            return
        time.sleep(POLL_S)


def _for_all(nodes: Sequence[ClusterNode], act: Callable[[ClusterNode], Answer]) -> list[Answer]:
    """At once for all; the first error is raised when all are done."""
    with ThreadPoolExecutor(len(nodes)) as pool:
        return list(pool.map(act, nodes))


def _claim(folder: ClusterFolder, node_id: int) -> Lock:
    node = folder.node(node_id)
    make_folder(node.path)
    return claim(node)


def _check_ports(nodes: int, ports: Sequence[int], advertised: Mapping[int, int]) -> None:
    if ports and (len(set(ports)) != nodes or len(ports) != nodes):
        raise BrokerError(f"ports are {list(ports)}: give one for each of the {nodes} nodes, or none")
    if ports and not 0 < min(ports) <= max(ports) < 65_536:
        raise BrokerError(f"ports are {list(ports)}: all must lie between 1 and 65535")
    for node_id, port in advertised.items():
        if not 1 <= node_id <= nodes:
            raise BrokerError(f"advertised names node {node_id} (port {port}): the nodes are 1 to {nodes}")
