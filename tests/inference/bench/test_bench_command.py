"""The bench as a whole, with the engine that sets type and a real reader."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from inference.bench.alone import command
from inference.bench.baseline import decode, encode
from inference.bench.contestant import NotAtHand
from inference.bench.places import found_from, told_from
from inference.bench.room import known_readers

GATE = "legibility < baseline - 0.02"


def bench(out: Path, *more: str) -> Result:
    asked = (
        "--models",
        "layout",
        "--prompt",
        '"OPEN"',
        "--samples",
        "1",
        "--width",
        "256",
        "--height",
        "256",
    )
    return CliRunner().invoke(command, [*asked, "--out", str(out), *more], standalone_mode=False)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline, beside the folder that it was drawn in."""
    path = tmp_path_factory.mktemp("command") / "base.json"
    done = bench(path.parent / "out", "--json", str(path))
    assert done.return_value == 0, done
    return path


def test_a_gate_needs_pictures_of_today(base: Path) -> None:
    again = bench(base.parent / "out", "--baseline", str(base), "--fail-if", GATE)
    assert isinstance(again.exception, Exception)
    assert "--fail-if: all 1 pictures are in " in str(again.exception)
    assert "--fresh" in str(again.exception)
    fresh = bench(base.parent / "out", "--baseline", str(base), "--fail-if", GATE, "--fresh")
    assert fresh.return_value == 0, fresh


def test_a_baseline_that_the_emulator_drew_is_refused_before_a_picture_is_drawn(
    base: Path, tmp_path: Path
) -> None:
    report = decode(base.read_bytes(), "base.json")
    (engine,) = report.engines
    samples = tuple(dataclasses.replace(each, emulated=True) for each in engine.samples)
    emulated = msgspec.structs.replace(engine, samples=samples)
    (tmp_path / "b.json").write_bytes(encode(msgspec.structs.replace(report, engines=(emulated,))))
    done = bench(tmp_path / "out", "--baseline", str(tmp_path / "b.json"), "--fail-if", GATE)
    assert "'layout': the emulator drew there and it here" in str(done.exception)
    assert not (tmp_path / "out" / "journal.jsonl").exists()


def test_a_report_that_has_no_place_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = bench(tmp_path / "out", "--html", str(tmp_path / "file" / "r.html"))
    assert "--html" in str(done.exception)
    assert "name a file that can be written" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_report_and_its_pictures_can_move_together(base: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(base.parent, moved)
    told = decode((moved / "base.json").read_bytes(), "base.json")
    images = [sample.image for sample in told.engines[0].samples]
    assert all(image.startswith("out/pictures/") for image in images)
    assert all((moved / image).is_file() for image in images)
    found = found_from(moved, told)
    assert [sample.image for sample in found.engines[0].samples] == [
        (moved / image).as_uri() for image in images
    ]
    assert told_from(moved, found) == told
    assert told_from(tmp_path / "elsewhere", found) == found


def test_readers_are_named_as_people_name_them() -> None:
    assert known_readers("rapidocr,") == known_readers(" rapidocr ,rapidocr") == ("rapidocr",)
    assert known_readers("both,rapidocr") == known_readers("both") == ("rapidocr", "easyocr")
    with pytest.raises(NotAtHand, match="'abbyy' is not known"):
        known_readers("both,abbyy")
