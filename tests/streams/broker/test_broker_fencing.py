"""A broker that is to start on old data is declared gone first."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from streams.broker.cluster import LocalCluster
from streams.broker.fencing import Absent, fence_absent, fenced_by, fences_in
from streams.broker.folder import DataFolder
from streams.broker.launch import Options, Runtime
from streams.broker.local import LocalBroker
from streams.broker.lock import claim
from streams.broker.ports import choose_ports
from streams.broker.properties import controller_properties, server_properties
from streams.broker.warmup import prepare

IN_CHARGE = "WARN QuorumController - [QuorumController id=1] Performing controller activation.\n"


def registered(broker: int, *, fenced: str = "true") -> str:
    return (
        "INFO ClusterControlManager - Replayed RegisterBrokerRecord establishing a new incarnation of broker "
        f"{broker}: RegisterBrokerRecord(brokerId={broker}, isMigratingZkBroker=false, endPoints="
        f"[BrokerEndpoint(name='INTERNAL', port=1)], fenced={fenced}, inControlledShutdown=false)\n"
    )


def changed(broker: int, *, fenced: int) -> str:
    return (
        "INFO ClusterControlManager - Replayed BrokerRegistrationChangeRecord modifying the registration "
        f"for broker {broker}: BrokerRegistrationChangeRecord(brokerId={broker}, brokerEpoch=7, "
        f"fenced={fenced}, inControlledShutdown=0, logDirs=[], cordonedLogDirs=null)\n"
    )


def test_the_last_word_about_a_broker_counts_and_no_change_is_no_word() -> None:
    log = registered(1) + changed(1, fenced=-1) + changed(1, fenced=1) + changed(1, fenced=0) + IN_CHARGE
    assert fenced_by(log) == {1}
    assert fenced_by(log + changed(1, fenced=-1)) == set()
    assert fenced_by(log + registered(2) + registered(3, fenced="false")) == {1, 2}


def test_what_a_controller_reads_of_the_past_is_no_decision() -> None:
    assert fenced_by(registered(1)) == set()


def test_a_fence_is_told_from_its_opposite_and_from_other_changes_in_the_metadata_log() -> None:
    """Records as Kafka 4.4 wrote them: frame 1, type 17, version, broker, its epoch, one field."""

    def change(version: int, broker: int, field: bytes) -> bytes:
        return bytes([1, 17, version]) + broker.to_bytes(4, "big") + (763).to_bytes(8, "big") + field

    fence, unfence, log_folders = b"\x01\x00\x01\x01", b"\x01\x00\x01\xff", b"\x01\x03\x01\x01"
    others = change(0, 2, unfence) + change(3, 3, log_folders)
    assert not fences_in(b"\x00\x2a" + others + b"rest")
    fences = change(0, 1, fence) + b"\n" + change(3, 770, fence) + change(1, 1, fence)
    assert fences_in(others + fences + others) == {1: 2, 770: 1}


def test_a_lone_broker_does_not_leave_in_steps_and_several_hand_their_partitions_over() -> None:
    ports = choose_ports(0)
    alone = server_properties(ports=ports, logs="kafka")
    several = server_properties(ports=ports, logs="kafka", voters={1: 11, 2: 12, 3: 13})
    assert alone["controlled.shutdown.enable"] == "false"
    assert int(alone["broker.session.timeout.ms"]) >= 30_000
    assert "controlled.shutdown.enable" not in several
    assert int(several["broker.session.timeout.ms"]) <= 3_000


def test_the_controller_is_the_same_node_in_the_same_quorum_and_no_broker() -> None:
    ports = choose_ports(0)
    broker, controller = (
        make(ports=ports, logs="kafka", node_id=2, voters={1: 11, 2: ports.controller, 3: 13})
        for make in (server_properties, controller_properties)
    )
    assert controller["process.roles"] == "controller"
    for name in ("node.id", "controller.quorum.voters", "log.dirs", "controller.listener.names"):
        assert controller[name] == broker[name]
    assert controller["listeners"] in broker["listeners"]


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataFolder]:
    path = tmp_path_factory.mktemp("crashed")
    with LocalBroker.start(path) as broker:
        broker.kill()
    yield DataFolder(path)


@pytest.mark.kafka
def test_a_broker_that_crashed_is_gone_for_the_controller_and_stays_so(crashed: DataFolder) -> None:
    runtime, ports = prepare(), crashed.ports()
    assert ports is not None
    with claim(crashed) as lock:
        node = Absent(crashed, Options(ports=ports), lock.descriptor)
        assert fence_absent(runtime, [node])
        assert fence_absent(runtime, [node])


@pytest.mark.kafka
def test_a_torn_end_of_the_metadata_log_does_not_hide_the_decision(
    crashed: DataFolder, tmp_path: Path
) -> None:
    folder, ports = DataFolder(tmp_path / "torn"), crashed.ports()
    assert ports is not None
    shutil.copytree(crashed.path, folder.path)
    log = sorted((folder.logs / "__cluster_metadata-0").glob("*.log"))[-1]
    log.write_bytes(log.read_bytes() + b"\x7f" * 3_000)
    with claim(folder) as lock:
        assert fence_absent(prepare(), [Absent(folder, Options(ports=ports), lock.descriptor)])


@pytest.mark.kafka
def test_a_crashed_broker_is_declared_gone_as_it_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = watched(monkeypatch, "streams.broker.local.fence_absent")
    with LocalBroker.start(tmp_path) as broker:
        broker.kill()
        broker.restart()
        broker.restart()
    assert found == [False, True, True]


@pytest.mark.kafka
@pytest.mark.slow
def test_a_cluster_that_lost_its_power_is_declared_gone_as_it_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = watched(monkeypatch, "streams.broker.cluster.fence_absent")
    with LocalCluster.start(tmp_path) as cluster:
        for node in cluster.nodes:
            node.kill()
    with LocalCluster.start(tmp_path):
        assert found == [False, True]


def watched(monkeypatch: pytest.MonkeyPatch, place: str) -> list[bool]:
    """What `fence_absent` answers from now on where it is called at `place`."""
    found: list[bool] = []

    def watch(runtime: Runtime, nodes: Sequence[Absent]) -> bool:
        found.append(fence_absent(runtime, nodes))
        return found[-1]

    monkeypatch.setattr(place, watch)
    return found


@pytest.mark.kafka
def test_where_no_controller_can_run_it_is_left_to_the_start_to_say_why(
    crashed: DataFolder, tmp_path: Path
) -> None:
    folder = DataFolder(tmp_path / "damaged")
    shutil.copytree(crashed.path, folder.path)
    (folder.logs / "meta.properties").write_text("version=1\nnode.id=77\n")
    with claim(folder) as lock:
        assert not fence_absent(prepare(), [Absent(folder, Options(ports=choose_ports(0)), lock.descriptor)])
    assert "meta.properties" in folder.controller_log.read_text()


def test_a_node_without_data_is_known_to_nobody(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert not fence_absent(prepare(), [Absent(folder, Options(ports=choose_ports(0)), -1)])
    assert list(tmp_path.iterdir()) == []
