"""`glyphstream broker` as a process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from schemas.topics import PROMPTS
from streams.broker.lock import is_alive
from streams.broker.probe import count_brokers
from streams.broker.topics import apply_topics
from streams.cli import main
from tests.support.kafka import produce, read_until


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The process and what it printed when it served."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "broker", "--json", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.kafka
@pytest.mark.xdist_group("cluster")
def test_three_nodes_serve_without_one_and_go_and_come_back_with_the_command(tmp_path: Path) -> None:
    arguments = ("--nodes", "3", "--data", str(tmp_path))
    with serving(*arguments) as (killed, told):
        assert told["bootstrap"] == ",".join(f"127.0.0.1:{node['port']}" for node in told["nodes"])
        asyncio.run(apply_topics(told["bootstrap"], partitions=1))
        produce(told["bootstrap"], PROMPTS.name, [(b"key", b"kept", [])])
        lost = told["nodes"][1]
        os.kill(lost["pid"], signal.SIGKILL)
        assert killed.stderr is not None
        loss = next(line for line in killed.stderr if "ended by itself" in line)
        assert loss == f"broker: node 2 ended by itself with exit status 137; its log is {lost['log']}\n"
        produce(told["bootstrap"], PROMPTS.name, [(b"key", b"without node 2", [])])
        killed.kill()

    with serving(*arguments) as (stopped, again):
        assert not any(is_alive(node["pid"]) for node in told["nodes"])
        assert again["bootstrap"] == told["bootstrap"]
        # Until the followers have caught up, a new leader shows less than it has.
        kept = read_until(again["bootstrap"], PROMPTS.name, lambda found: len(found) >= 2)
        assert [message.value() for message in kept] == [b"kept", b"without node 2"]
        stopped.send_signal(signal.SIGTERM)
        assert stopped.wait(30) == 0
    assert not any(is_alive(node["pid"]) for node in again["nodes"])


@pytest.mark.kafka
def test_one_node_tells_its_address_and_its_process(tmp_path: Path) -> None:
    with serving("--data", str(tmp_path)) as (process, told):
        assert count_brokers(*_address(told["bootstrap"])) == 1
        os.kill(told["pid"], signal.SIGKILL)
        assert process.wait(30) == 1
        assert process.stderr is not None
        assert "the broker ended by itself with exit status 137" in process.stderr.read()


@pytest.mark.parametrize("nodes", ["0", "2", "4", "7"])
def test_a_number_of_nodes_that_makes_no_sense_is_refused_with_the_reason(
    nodes: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["broker", "--nodes", nodes, "--data", str(tmp_path / "new")])
    assert left.value.code == 2
    assert f"nodes is {nodes}: choose one of 1, 3, 5" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "new").exists()


def _address(bootstrap: str) -> tuple[str, int]:
    host, _, port = bootstrap.partition(":")
    return host, int(port)
