"""Where reports go: found out before anything is drawn, whole or not there, never over a baseline."""

from __future__ import annotations

import contextlib
import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from inference.bench.files import NotWritable, probe, write
from inference.bench.options import STANDARD_OUTPUT, options_of

GIVEN: dict[str, Any] = {"models": "layout", "prompt": "a", "fail_if": ("accepted < 1",)}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"json": "b.json", "baseline": "b.json"}, "--json: b.json is --baseline too"),
        ({"json": "x/../b.json", "baseline": "b.json"}, "--json: x/../b.json is --baseline too"),
        ({"html": "b.json", "baseline": "link.json"}, "--html: b.json is --baseline too"),
        ({"json": "r", "html": "r"}, "--html: r is --json too"),
        ({"json": "p", "prompts": "p", "prompt": None}, "--json: p is --prompts too"),
    ],
)
def test_a_report_does_not_take_the_place_of_what_was_given(
    files: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("link.json").symlink_to("b.json")
    paths = {name: path and Path(path) for name, path in files.items()}
    with pytest.raises(click.UsageError, match=told):
        options_of({**GIVEN, **paths}, "")


def test_files_of_their_own_are_fine() -> None:
    given = {"json": Path("a.json"), "html": Path("a.html"), "baseline": Path("b.json")}
    assert options_of({**GIVEN, **given}, "").json == Path("a.json")


def test_a_place_that_cannot_be_written_is_found_before(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file" / "r.json", tmp_path, Path("/proc/r.json")):
        with pytest.raises(NotWritable, match=r"^--json .*: .*; name a file that can be written"):
            probe("--json", path)


def test_probing_makes_the_folder_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("kept")
    for path in (tmp_path / "deep" / "r", tmp_path / "old", STANDARD_OUTPUT, None):
        probe("--json", path)
    assert (tmp_path / "old").read_text() == "kept"
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["deep", "old"]


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_report_that_does_not_fit_leaves_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write(path, b"old")
    with full_disk(), pytest.raises(OSError, match="too large"):
        write(path, b"x" * 100)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    write(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_link_stays_a_link_and_a_pipe_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    pipe, read = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reading = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reading.start()
    write(pipe, b"new")
    reading.join(10)
    assert read == [b"new"]
    assert pipe.is_fifo()
