from __future__ import annotations

import asyncio
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inference.legibility.agreement import agreement
from inference.legibility.easy import SHA256, EasyReader
from inference.legibility.score import score
from inference.legibility.service import OcrService
from inference.legibility.weights import WeightsRefused, verify
from schemas.events import Text

Poster = Callable[..., bytes]


@pytest.fixture(scope="module")
def both() -> Iterator[OcrService]:
    service = OcrService(("rapidocr", "easyocr"))
    asyncio.run(service.start())
    yield service
    asyncio.run(service.aclose())


async def test_two_readers_of_two_families_agree_on_clean_type(both: OcrService, poster: Poster) -> None:
    readings = await both.read(poster("SUMMER SALE", "open till 9 pm", width=400, pixels=30))
    assert [name.split("-")[0] for name in readings] == ["rapidocr", "easyocr"]
    for lines in readings.values():
        assert [line.text for line in lines] == ["SUMMER SALE", "open till 9 pm"]
        assert all(0 < line.confidence <= 1 and len(line.box) == 4 for line in lines)
    texts = [Text("SUMMER SALE", critical=True), Text("Open till 9 pm")]
    got = score(texts, readings, both.coverage)
    assert got.score == 1.0 and got.critical_exact and len(got.readers) == 2
    assert agreement(texts, readings, both.coverage).share == 1.0


async def test_easyocr_reads_small_short_words_left_to_right(both: OcrService, poster: Poster) -> None:
    readings = await both.read(poster("NO        GO", width=300, pixels=14))
    lines = next(lines for name, lines in readings.items() if name.startswith("easyocr"))
    assert [line.text for line in lines] == ["NO", "GO"]


async def test_each_text_is_judged_by_the_readers_that_know_its_letters(
    both: OcrService, poster: Poster
) -> None:
    readings = await both.read(poster("COFFEE", "新作登場", font="cjk", width=300, pixels=32))
    got = score([Text("COFFEE"), Text("新作登場")], readings, both.coverage)
    assert [text.verdict for text in got.texts] == ["read", "read"]
    assert got.score == 1.0


class Malice:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.mkdir, (self.folder,)


def test_tampered_weights_are_refused_before_they_are_unpickled(tmp_path: Path) -> None:
    proof = tmp_path / "unpickled"
    for name in SHA256:
        (tmp_path / name).write_bytes(pickle.dumps(Malice(proof)))
    before = set(sys.modules)
    with pytest.raises(WeightsRefused, match=r"craft_mlt_25k\.pth has SHA-256 [0-9a-f]{64}, not 4a5efbfb"):
        EasyReader(threads=1, weights=tmp_path)
    assert not proof.exists()
    assert not {"torch", "easyocr"} & (set(sys.modules) - before)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsRefused, match=r"english_g2\.pth is missing"):
        verify(tmp_path, {"english_g2.pth": SHA256["english_g2.pth"]})
