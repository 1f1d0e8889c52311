"""Jars: pinned by hash, fetched once, refused when they are not what was pinned."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from streams.broker.errors import BrokerError
from streams.broker.jars import KAFKA_VERSION, Jar, cache_folder, fetch_jars, parse_pins, pinned_jars
from streams.broker.warmup import prepare

CONTENT = b"class files"
JAR = Jar("org/example/some-thing/1.0/some-thing-1.0.jar", hashlib.sha256(CONTENT).hexdigest())


class Served:
    """A repository that has one file, whatever it is asked for."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked: list[tuple[str, str, str]] = []

    def __call__(self, jar: Jar, scratch: Path) -> Path:
        self.asked.append(jar.coordinates)
        path = scratch / jar.name
        path.write_bytes(self.content)
        return path


def unreachable(_jar: Jar, _scratch: Path) -> Path:
    raise ConnectionError("no route to host")


def test_a_missing_jar_is_fetched_by_its_coordinates(tmp_path: Path) -> None:
    served = Served(CONTENT)
    (path,) = fetch_jars(tmp_path, jars=(JAR,), download=served)
    assert served.asked == [("org.example", "some-thing", "1.0")]
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]


def test_a_second_fetch_touches_no_network(tmp_path: Path) -> None:
    (tmp_path / JAR.name).write_bytes(CONTENT)
    assert fetch_jars(tmp_path, jars=(JAR,), download=unreachable) == (tmp_path / JAR.name,)


@pytest.mark.kafka
def test_a_start_with_whole_jars_does_not_even_import_the_downloader() -> None:
    prepare()
    code = (
        "import socket, sys; socket.socket.connect = None;"
        "from streams.broker.warmup import prepare; runtime = prepare();"
        "print(len(runtime.jars), bool(runtime.startup_cache), 'jgo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(pinned_jars())), "True", "False"]


def test_a_jar_with_another_hash_is_refused_and_not_installed(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=rf"some-thing-1\.0\.jar was refused: .*pins {JAR.sha256}"):
        fetch_jars(tmp_path, jars=(JAR,), download=Served(b"something else"))
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_jar_in_the_cache_is_replaced(tmp_path: Path) -> None:
    (tmp_path / JAR.name).write_bytes(CONTENT[:4])
    (path,) = fetch_jars(tmp_path, jars=(JAR,), download=Served(CONTENT))
    assert path.read_bytes() == CONTENT


def test_without_network_the_message_says_where_jars_may_come_from(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"no route to host.*mirror.*GLYPHSTREAM_CACHE"):
        fetch_jars(tmp_path, jars=(JAR,), download=unreachable)


def test_the_pinned_list_holds_kafka_and_a_binding_that_shows_its_errors() -> None:
    names = [jar.name for jar in pinned_jars()]
    assert f"kafka_2.13-{KAFKA_VERSION}.jar" in names
    assert "slf4j-simple-1.7.36.jar" in names
    # All land in one folder.
    assert len(set(names)) == len(names)


def test_a_line_that_is_no_pin_is_named() -> None:
    with pytest.raises(BrokerError, match=r"line 2 is 'abc  x\.jar'"):
        parse_pins("# a comment\nabc  x.jar\n")


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({"GLYPHSTREAM_CACHE": "/chosen"}, "linux", Path("/chosen")),
        ({"XDG_CACHE_HOME": "/xdg"}, "linux", Path("/xdg/glyphstream")),
        ({}, "linux", Path.home() / ".cache/glyphstream"),
        ({}, "darwin", Path.home() / "Library/Caches/glyphstream"),
        ({"LOCALAPPDATA": "/local"}, "win32", Path("/local/glyphstream/Cache")),
    ],
)
def test_the_cache_is_where_the_platform_keeps_caches(
    environ: dict[str, str], platform: str, expected: Path
) -> None:
    assert cache_folder(environ, platform) == expected
