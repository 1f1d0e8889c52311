"""With several readers a bench says how often they agree, and shows what they read differently."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from inference.bench import tables
from inference.bench.agreeing import with_agreement
from inference.bench.alone import command
from inference.bench.baseline import Report, decode, encode
from inference.bench.details import Detail
from inference.bench.engine import EngineContestant
from inference.bench.figures import Estimate
from inference.bench.html.disagreements import PICTURES
from inference.bench.html.page import page
from inference.bench.journal import Journal
from inference.bench.plan import plan
from inference.bench.running import Setup, run
from inference.bench.samples import Subject
from inference.bench.statistics import share
from inference.legibility.base import Line
from inference.legibility.score import score
from inference.legibility.service import ReaderFailed
from schemas.events import Legibility, Text
from tests.inference.bench.benches import sample
from tests.inference.bench.pages import parsed, poster
from tests.inference.bench.scripted import (
    LETTERS,
    READER,
    STAMP,
    PixelReader,
    Pool,
    ScriptedEngine,
    as_asked,
    posters,
    setup_of,
    studio_of,
)

SECOND = "squinting 2"
BOTH = {READER: LETTERS, SECOND: LETTERS}


class TwoReaders(PixelReader):
    """The second takes every A for an R."""

    coverage: Mapping[str, frozenset[str]] = BOTH

    async def read(self, png: bytes) -> Mapping[str, tuple[Line, ...]]:
        (lines,) = (await super().read(png)).values()
        return {
            READER: lines,
            SECOND: tuple(replace(line, text=line.text.replace("A", "R")) for line in lines),
        }

    async def start(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


def two_read(words: Sequence[str], *, samples: int = 2, readers: Any = None) -> Setup:
    """A prompt for each of `words`, drawn as asked and read by both."""
    studio = studio_of(Pool({"pen": ScriptedEngine(as_asked)}), readers=readers or TwoReaders())
    events = [event for each in words for event in posters(1, each)]
    setup = setup_of({"pen": as_asked}, events, samples=samples, warm_up=0)
    return replace(setup, contestants=[EngineContestant("pen", studio)], readers=tuple(BOTH), coverage=BOTH)


async def test_the_share_of_texts_read_alike_is_in_the_figures() -> None:
    (engine,) = (await run(two_read(["OPEN", "SALE", "LATE", "NOW"]))).report.engines
    wanted = Estimate.of(share(np.array([2.0, 0.0, 0.0, 2.0]), np.array([2.0] * 4)))
    assert (engine.figures.agreement, engine.figures.texts_compared) == (wanted, 8)


async def test_each_disagreement_names_the_picture_and_what_each_reader_read() -> None:
    (engine,) = (await run(two_read(["SALE"], samples=1))).report.engines
    (only,) = engine.samples
    assert only.agreement is not None
    (found,) = only.agreement.disagreements
    assert (found.text, found.read) == ("SALE", ((READER, "SALE"), (SECOND, "SRLE")))
    assert found.picture == only.image != ""


async def test_a_single_reader_is_in_agreement_with_nobody() -> None:
    report = (await run(setup_of({"pen": as_asked}, posters(2), coverage={READER: LETTERS}))).report
    assert report.engines[0].figures.agreement is None
    assert all(each.agreement is None for each in report.engines[0].samples)
    assert "readers agree" not in tables.engines(report).columns
    assert tables.disagreements(report) == []


async def test_a_picture_at_which_the_readers_failed_is_no_agreement() -> None:
    class Dead(TwoReaders):
        async def read(self, _png: bytes) -> Mapping[str, tuple[Line, ...]]:
            raise ReaderFailed("the process died")

    (engine,) = (await run(two_read(["SALE", "NOW"], readers=Dead()))).report.engines
    assert (engine.figures.agreement, engine.figures.texts_compared) == (None, 0)


async def test_pictures_of_an_interrupted_bench_count_too(tmp_path: Path) -> None:
    setup = two_read(["SALE", "NOW"])
    with Journal(tmp_path / "j", STAMP) as journal:
        first = await run(setup, journal=journal)
    with Journal(tmp_path / "j", STAMP) as journal:
        again = await run(setup, journal=journal)
    figures = again.report.engines[0].figures
    assert figures == first.report.engines[0].figures
    assert figures.agreement is not None and figures.agreement.value == 0.5


def test_a_reader_that_found_nothing_disagrees_with_one_that_did() -> None:
    """Its name is in no line then."""
    setup = setup_of({"pen": as_asked}, posters(1))
    lines = (Line("SALE", 0.9, ((0, 0), (40, 0), (40, 20), (0, 20)), READER),)
    texts = (Text("SALE"),)
    (draw,) = plan(["pen"], [Subject.of(setup.events[0])], samples=1, seed=1, warm_up=0)
    reading = score(texts, {READER: lines, SECOND: ()}, BOTH)
    told = with_agreement(Detail(sample=sample(draw), legibility=reading, lines=lines), texts, BOTH)
    assert told.sample.agreement is not None
    assert told.sample.agreement.disagreements[0].read == ((READER, "SALE"), (SECOND, ""))


async def test_it_is_kept_in_the_json_and_a_baseline_without_it_is_still_read() -> None:
    report = (await run(two_read(["SALE", "NOW"]))).report
    assert decode(encode(report), "b.json") == report
    old = json.loads(encode(report))
    for engine in old["engines"]:
        del engine["figures"]["agreement"], engine["figures"]["texts_compared"]
        for each in engine["samples"]:
            del each["agreement"]
    read = decode(json.dumps(old).encode(), "b.json")
    assert read.engines[0].figures.agreement is None
    assert [each.score for each in read.engines[0].samples] == [
        each.score for each in report.engines[0].samples
    ]


async def test_the_table_has_a_column_and_the_first_disagreements_below_it() -> None:
    report = (await run(two_read(["SALE", "NOW", "BAR", "LAST", "TOP"]))).report
    shown = tables.engines(report)
    (row,) = (dict(zip(shown.columns, row, strict=True)) for row in shown.rows)
    assert row["readers agree"].startswith("40 % (")
    told = tables.disagreements(report)
    assert len(told) == 6
    assert told[-1] == "pen: 1 more disagreements are in --json"
    assert f"for 'SALE' read {READER} 'SALE', {SECOND} 'SRLE': " in told[0]


@pytest.fixture
async def finished() -> tuple[Report, tuple[Detail, ...]]:
    done = await run(two_read(["SALE", "NOW", "BAR", "LAST", "TOP"], samples=5))
    return done.report, done.details


def test_the_page_shows_the_share_and_the_pictures(finished: tuple[Report, tuple[Detail, ...]]) -> None:
    tree = parsed(page(*finished, poster))
    (section,) = tree.all("section", id="readers")
    assert "pen: read alike 40 % (" in section.text
    assert "of 25 texts" in section.text
    figures = section.all("figure")
    assert len(figures) == PICTURES
    assert all(each.all("img") for each in figures)
    first = figures[0].all("li")[0]
    assert [each.text for each in first.all("mark")] == ["R"]
    assert f"{READER}: " in first.text and f"{SECOND}: " in first.text
    (summary,) = section.all("summary")
    assert summary.text == "3 more"
    table = tree.all("section", id="engines")[0]
    assert "Readers agree" in table.all("thead")[0].text
    assert "of 25 texts" in table.all("tbody")[0].text


async def test_a_page_of_one_reader_says_nothing_of_agreement() -> None:
    done = await run(setup_of({"pen": as_asked}, posters(2)))
    tree = parsed(page(done.report, done.details, poster))
    assert tree.all("section", id="readers") == []
    assert "Readers agree" not in tree.text


def test_what_a_reader_says_is_text_in_the_page(finished: tuple[Report, tuple[Detail, ...]]) -> None:
    report, details = finished
    hostile = "<script>alert(1)</script>\x00"
    raw = encode(report).replace(b"SRLE", json.dumps(hostile)[1:-1].encode())
    spoilt = msgspec.convert(json.loads(raw), Report)
    shown = page(spoilt, details, poster)
    assert "<script>alert" not in shown
    assert "<script>alert(1)</script>" in parsed(shown).all("section", id="readers")[0].text


def test_the_command_has_both_readers_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Here(TwoReaders):
        """What the command opens, over a picture that type is set in."""

        def __init__(self, names: Sequence[str]) -> None:
            assert names == ("rapidocr", "easyocr")

        async def read(self, _png: bytes) -> Mapping[str, tuple[Line, ...]]:
            box = ((0.0, 0.0), (40.0, 0.0), (40.0, 20.0), (0.0, 20.0))
            return {READER: (Line("SALE", 0.9, box),), SECOND: (Line("5ALE", 0.9, box),)}

        async def judge(
            self, png: bytes, texts: Sequence[Text], *, by_construction: bool = False
        ) -> Legibility:
            return score(texts, await self.read(png), BOTH, by_construction=by_construction)

    monkeypatch.setattr("inference.bench.room.OcrService", Here)
    size = ["--width", "128", "--height", "128"]
    files = ["--out", str(tmp_path / "out"), "--json", str(tmp_path / "r.json")]
    asked = ["--models", "layout", "--prompt", 'a poster: "SALE"', "--samples", "1", "--reader", "both"]
    done = CliRunner().invoke(command, [*asked, *size, *files], standalone_mode=False)
    assert done.return_value == 0, done.output
    figures = decode((tmp_path / "r.json").read_bytes(), "r.json").engines[0].figures
    assert (figures.texts_compared, figures.agreement and figures.agreement.value) == (1, 0.0)
