"""Readings kept in a file: each picture is looked at once, whatever happens in between."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from inference.legibility.base import Line, Seen
from inference.legibility.calibration.readings import Remembered

BOX = ((1.0, 2.0), (30.5, 2.0), (30.5, 9.0), (1.0, 9.0))


class Counting:
    """A reader that reads the colour of the first pixel."""

    def __init__(self, name: str = "counting-1") -> None:
        self.name = name
        self.looks = 0

    def characters(self) -> frozenset[str]:
        return frozenset("0123456789")

    def look(self, picture: Image.Image, *, zoom: float = 1.0) -> Seen:
        self.looks += 1
        said = f"{picture.getpixel((0, 0))} at {zoom:g}"
        weighed = ((0, "O", 0.25), (3, "ι", 0.0041))
        line = Line(said, 0.75, BOX, self.name, alternatives=weighed)
        return Seen((line,), (Line("?", 0.1, BOX, self.name),))


def sheet(level: int) -> Image.Image:
    return Image.new("RGB", (4, 3), (level, level, level))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "readings.jsonl"


def test_a_picture_is_looked_at_once_across_processes(path: Path) -> None:
    first = Counting()
    seen = Remembered(first, path).look(sheet(5))
    second = Counting()
    kept = Remembered(second, path)
    assert kept.look(sheet(5)) == seen == first.look(sheet(5))
    assert (second.looks, kept.misses) == (0, 0)
    assert kept.characters() == second.characters()


def test_what_was_kept_before_readers_told_alternatives_is_read_without(path: Path) -> None:
    reader = Counting()
    Remembered(reader, path).look(sheet(5))
    data = path.read_text("utf-8")
    path.write_text(data.replace(',[[0,"O",0.25],[3,"ι",0.0041]]', ""), "utf-8")
    (line,) = Remembered(reader, path).look(sheet(5)).lines
    assert (reader.looks, line.text, line.alternatives) == (1, "(5, 5, 5) at 1", ())


def test_another_picture_zoom_or_size_is_another_look(path: Path) -> None:
    reader = Counting()
    kept = Remembered(reader, path)
    kept.look(sheet(5))
    kept.look(sheet(6))
    kept.look(sheet(5), zoom=2.0)
    kept.look(sheet(5).resize((3, 4)))
    kept.look(sheet(5), zoom=2.0)
    assert reader.looks == kept.misses == 4


def test_another_readers_readings_are_not_taken(path: Path) -> None:
    Remembered(Counting("one"), path).look(sheet(5))
    other = Counting("two")
    assert Remembered(other, path).look(sheet(5)).lines[0].reader == "two"
    assert other.looks == 1


def test_a_row_that_a_killed_process_left_half_is_read_again(path: Path) -> None:
    kept = Remembered(Counting(), path)
    kept.look(sheet(5))
    kept.look(sheet(6))
    path.write_bytes(path.read_bytes()[:-20])
    reader = Counting()
    again = Remembered(reader, path)
    again.look(sheet(5))
    again.look(sheet(6))
    assert reader.looks == 1
    assert len(path.read_bytes().splitlines()) == 2
    fresh = Counting()
    Remembered(fresh, path).look(sheet(6))
    assert fresh.looks == 0
