"""A cluster of three: what it survives, what comes back, what is refused."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.broker.cluster import LocalCluster
from streams.broker.errors import BrokerError
from streams.broker.local import LocalBroker
from streams.broker.node import ClusterNode
from streams.broker.ports import free_ports
from streams.broker.probe import PartitionView, view_cluster
from streams.broker.topics import apply_topics, describe_topics

# Three JVMs at a time are enough for a small machine: one worker runs all of these.
pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("cluster")]

MOVED_S = 30.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Shared; each test leaves it whole."""
    with LocalCluster.start(tmp_path_factory.mktemp("cluster") / "a, b = ü") as started:
        yield started


@pytest.fixture
def prefix(cluster: LocalCluster, topic_prefix: str) -> Iterator[str]:
    """Topics of the test's own, with one partition each; afterwards the cluster is whole again."""
    asyncio.run(apply_topics(cluster.bootstrap, prefix=topic_prefix, partitions=1))
    # It asks any node; the tests look at each, and the slowest may not have heard yet.
    deadline = time.monotonic() + MOVED_S
    while not all(_partitions(node, topic_prefix) for node in cluster.nodes):
        assert time.monotonic() < deadline, "some node does not show the new topics"
    yield topic_prefix
    for node in cluster.nodes:
        node.resume()
        if not node.running:
            node.restart(wait=False)
    cluster.wait_in_sync()


def test_topics_are_copied_to_three_and_written_to_two_by_default(cluster: LocalCluster, prefix: str) -> None:
    states = asyncio.run(describe_topics(cluster.bootstrap, prefix=prefix))
    assert {(state.replication, state.min_insync) for state in states} == {(3, 2)}
    again = asyncio.run(apply_topics(cluster.bootstrap, prefix=prefix, partitions=1))
    assert {change.action for change in again} == {"unchanged"}


def test_a_record_survives_its_leader_and_writes_go_on_without_it(cluster: LocalCluster, prefix: str) -> None:
    asyncio.run(_write(cluster, prefix, transactional_id=prefix))
    leader = _leader(cluster, prefix)

    async def lose_the_leader() -> None:
        async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap, acks="all") as producer:
            await producer.send_and_wait(f"{prefix}prompts", b"before")
            leader.kill()
            await producer.send_and_wait(f"{prefix}prompts", b"after")

    asyncio.run(lose_the_leader())
    assert not leader.running
    asyncio.run(_write(cluster, prefix, transactional_id=prefix))
    expected = [b"in a transaction", b"before", b"after", b"in a transaction"]
    assert asyncio.run(_read(cluster, prefix, len(expected))) == expected
    with pytest.raises(BrokerError, match=rf"not in sync after 0 s: not running: node {leader.node_id}$"):
        cluster.wait_in_sync(0)

    leader.restart()
    cluster.wait_in_sync()
    (partition,) = _partitions(cluster.nodes[leader.node_id - 1], prefix)
    assert set(partition.in_sync) == {1, 2, 3}


def test_a_leader_that_hangs_loses_its_place_and_catches_up(cluster: LocalCluster, prefix: str) -> None:
    leader = _leader(cluster, prefix)
    witness, other = (node for node in cluster.nodes if node is not leader)
    leader.pause()
    assert leader.running
    deadline = time.monotonic() + MOVED_S
    while (moved := _leader(cluster, prefix, seen_by=witness)) is leader:
        assert time.monotonic() < deadline, "the node that hangs is still the leader"
    assert moved in (witness, other)
    # Not by way of the node that hangs: a client waits 40 s for its answer.
    asyncio.run(_write(f"127.0.0.1:{witness.port}", prefix))
    leader.resume()
    cluster.wait_in_sync()
    assert asyncio.run(_read(cluster, prefix, 1)) == [b"plain"]


def test_a_cluster_without_a_majority_says_so_and_comes_back_with_its_nodes(
    cluster: LocalCluster, prefix: str
) -> None:
    asyncio.run(_write(cluster, prefix))
    first, second, _ = cluster.nodes
    told: list[tuple[int, int]] = []
    first.kill()
    second.kill()
    cluster.wait(lambda node, status: told.append((node.node_id, status)))
    assert told == [(1, 137), (2, 137)]
    with pytest.raises(BrokerError, match=r"node 1 in .*node-1 does not run: call restart"):
        _ = first.pid

    first.restart(wait=False)
    second.restart(wait=False)
    cluster.wait_in_sync()
    assert asyncio.run(_read(cluster, prefix, 1)) == [b"plain"]


def test_a_folder_in_use_is_refused_with_its_holder(cluster: LocalCluster) -> None:
    folder = cluster.nodes[0].folder.path.parent
    with pytest.raises(BrokerError, match=rf"node-1 is in use by process {os.getpid()}"):
        LocalCluster.start(folder)
    with pytest.raises(BrokerError, match="holds the data of 3 nodes, not of 1 node"):
        LocalBroker.start(folder)
    with pytest.raises(BrokerError, match="holds the data of 3 nodes, not of 5 nodes"):
        LocalCluster.start(folder, nodes=5)


def test_the_folder_of_one_broker_does_not_become_a_cluster(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    with pytest.raises(BrokerError, match=re.escape("holds the data of 1 node, not of 3 nodes")):
        LocalCluster.start(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kafka"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"nodes": 2}, "nodes is 2: choose one of 1, 3, 5.*two survive no loss"),
        ({"nodes": 1}, "nodes is 1: a cluster has 3 or 5; LocalBroker is a single one"),
        ({"ports": (1, 2)}, r"ports are \[1, 2\]: give one for each of the 3 nodes"),
        ({"ports": (1, 2, 2)}, r"ports are \[1, 2, 2\]: give one for each of the 3 nodes"),
        ({"ports": (65_535, 65_536, 65_537)}, "all must lie between 1 and 65535"),
        ({"advertised": {4: 9_092}}, r"advertised names node 4 \(port 9092\): the nodes are 1 to 3"),
    ],
)
def test_an_argument_that_makes_no_cluster_is_named(
    tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(BrokerError, match=message):
        LocalCluster.start(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


async def test_clients_are_sent_through_a_proxy_and_the_broker_itself_is_not(tmp_path: Path) -> None:
    port, proxied = free_ports(2)
    went_through = 0

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal went_through
        went_through += 1
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pump(reader, back), _pump(there, writer))

    async with await asyncio.start_server(forward, "127.0.0.1", proxied) as proxy:
        broker = await asyncio.to_thread(LocalBroker.start, tmp_path, port=port, advertised_port=proxied)
        try:
            # Nothing of the broker's own start came this way.
            assert (went_through, broker.port, broker.bootstrap) == (0, port, f"127.0.0.1:{proxied}")
            await apply_topics(broker.bootstrap, partitions=1)
            await _write(broker.bootstrap, transactional_id="proxied")
            assert went_through > 0
        finally:
            await asyncio.to_thread(broker.stop)
        proxy.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def _write(where: LocalCluster | str, prefix: str = "", *, transactional_id: str | None = None) -> None:
    """One record that all replicas in sync have."""
    bootstrap = where if isinstance(where, str) else where.bootstrap
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        transactional_id=transactional_id,
    ) as producer:
        if transactional_id is None:
            await producer.send_and_wait(f"{prefix}prompts", b"plain")
            return
        async with producer.transaction():
            await producer.send_and_wait(f"{prefix}prompts", b"in a transaction")


async def _read(cluster: LocalCluster, prefix: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap, isolation_level="read_committed")
    async with consumer, asyncio.timeout(30):
        partition = TopicPartition(f"{prefix}prompts", 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        return [(await consumer.getone()).value for _ in range(count)]


def _leader(cluster: LocalCluster, prefix: str, *, seen_by: ClusterNode | None = None) -> ClusterNode:
    (partition,) = _partitions(seen_by or cluster.nodes[0], prefix)
    return cluster.nodes[partition.leader - 1]


def _partitions(node: ClusterNode, prefix: str) -> list[PartitionView]:
    view = view_cluster("127.0.0.1", node.port)
    return [partition for partition in view.partitions if partition.topic == f"{prefix}prompts"]
