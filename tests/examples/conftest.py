"""Runs the examples as their pages say, from a folder that looks like the repository's root."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from streams.broker.jars import fetch_jars, kafka_folder
from streams.broker.java import find_java
from tests.conftest import TestTopics
from tests.examples.fenced import EXAMPLES, scripts
from tests.examples.java_tools import install

TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs a page's script against the test's own topics."""

    folder: Path
    env: dict[str, str] = field(repr=False)

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", script, "bash", *arguments],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=TIMEOUT_S,
            check=False,
        )


@dataclass(frozen=True, slots=True)
class Client:
    """The producer and the consumer of one language. `shown` are the scripts of its page."""

    shell: Shell
    shown: dict[str, str]
    produce_command: str
    consume_command: str

    def follow_page(self, heading: str) -> str:
        """What the page's own lines print."""
        return _output(self.shell.run(self.shown[heading]))

    def produce(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.shell.run(f'{self.produce_command} "$@"', *arguments)

    def consume(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.shell.run(f'{self.consume_command} "$@"', *arguments)


def _output(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(*commands: Path, **more: str) -> dict[str, str]:
    """The surroundings with `python` being ours, and the commands of these folders first."""
    folders = [*map(str, commands), str(Path(sys.executable).parent), os.environ["PATH"]]
    return {**os.environ, "LC_ALL": "C.UTF-8", **more, "PATH": os.pathsep.join(folders)}


@pytest.fixture
def shell(topics: TestTopics, tmp_path: Path) -> Shell:
    root = tmp_path / "repository"
    root.mkdir()
    (root / "examples").symlink_to(EXAMPLES)
    env = environment(
        KAFKA_BOOTSTRAP_SERVERS=topics.bootstrap,
        GLYPHSTREAM_TOPIC_PREFIX=topics.prefix,
        KAFKA_GROUP_ID=f"{topics.prefix}archive",
    )
    return Shell(root, env)


@pytest.fixture(scope="session")
def java_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `bin/` (java, javac) and `build/`, compiled by the page's own line."""
    root = tmp_path_factory.mktemp("java")
    (root / "examples").symlink_to(EXAMPLES)
    (root / "bin").mkdir()
    fetch_jars()
    install(find_java(), root / "bin")
    shell = Shell(root, environment(root / "bin", KAFKA_JARS=str(kafka_folder())))
    _output(shell.run(scripts(EXAMPLES / "java" / "README.md")["Compile"]))
    return root


@pytest.fixture
def python_client(shell: Shell) -> Client:
    return Client(
        shell,
        scripts(EXAMPLES / "README.md"),
        produce_command="python examples/python/produce.py",
        consume_command="python examples/python/consume.py",
    )


@pytest.fixture
def java_client(shell: Shell, java_classes: Path) -> Client:
    shell.env["PATH"] = f"{java_classes / 'bin'}{os.pathsep}{shell.env['PATH']}"
    shell.env["KAFKA_JARS"] = str(kafka_folder())
    shell.env["CLASSPATH"] = f"build:{kafka_folder()}/*"
    (shell.folder / "build").symlink_to(java_classes / "build")
    return Client(
        shell,
        scripts(EXAMPLES / "java" / "README.md"),
        produce_command="java Produce",
        consume_command="java Consume",
    )


@pytest.fixture(
    params=[
        "python",
        # One worker compiles, once.
        pytest.param("java", marks=pytest.mark.xdist_group("java-examples")),
    ]
)
def client(request: pytest.FixtureRequest) -> Client:
    found: Client = request.getfixturevalue(f"{request.param}_client")
    return found
