"""The tiny model's bench: what survives an interruption, what is counted, how outcomes are worded."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from inference.sd3.tiny.words import FIXED_PITCH, PROPORTIONAL
from inference.typography.canvas import Pixels
from tests.bench.tiny import curve, report, sheets, targets
from tests.bench.tiny.figures import Readings
from tests.bench.tiny.journal import Journal, Read, fill
from tests.bench.tiny.pictures import (
    ASKED,
    CLEAN,
    DISTILLED,
    GRID,
    PREVIEW,
    Counts,
    Picture,
    Setting,
    Variant,
    Which,
    poster,
    wanted,
)
from tests.bench.tiny.report import Told
from tests.bench.tiny.speed import Seconds, Speed, stages

MODELS: Mapping[Variant, str] = {"clean": "outlines", "base": "tiny@1", "distilled": "tiny@1+few@2"}


def test_no_picture_is_made_twice_and_every_setting_has_the_same_seeds() -> None:
    pictures = wanted(Counts(5, 4, 3, 2), distilled=True)
    assert len(pictures) == len({each.name for each in pictures}) == 3 * (5 + 4 + 3) + 2 * 2 * (len(GRID) - 1)
    assert len({each.drawing.seed for each in pictures if each.index == 1}) == 1
    assert all(bool(each.poster.second) == (each.which == "second") for each in pictures)


def test_more_posters_keep_the_first_ones() -> None:
    few, many = (wanted(Counts(count, 0, 0, 0), distilled=False) for count in (3, 9))
    assert {each.poster for each in few} < {each.poster for each in many}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """In the reader's place: what it "reads" is the picture's first pixel; the list counts the pictures."""
    read: list[int] = []

    def first_pixels(pictures: Pixels) -> list[tuple[str, str]]:
        read.extend(int(picture[0, 0, 0]) for picture in pictures)
        return [(str(picture[0, 0, 0]), "") for picture in pictures]

    monkeypatch.setattr("inference.sd3.tiny.reading.read", first_pixels)
    return read


def grey(picture: Picture) -> Pixels:
    return np.full((4, 4, 3), picture.index, np.uint8)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path, reads: list[int]) -> None:
    pictures = [Picture("title", index, ASKED) for index in range(6)]
    journal = Journal.open(tmp_path, MODELS, pictures)
    fill(journal, pictures[:4], grey, lambda *_: None)
    with (tmp_path / "readings.jsonl").open("a") as file:
        file.write('{"picture": "base-28-3/title-004", "mod')
    again = Journal.open(tmp_path, MODELS, pictures)
    assert [each.index for each in again.missing(pictures)] == [4, 5]
    left: list[int] = []
    fill(again, pictures, grey, lambda count, _: left.append(count))
    assert left == [1, 0]
    assert reads == list(range(6))
    assert {name: read.title for name, read in again.found.items()} == {
        picture.name: str(picture.index) for picture in pictures
    }
    assert again.pixels(pictures[3]).tolist() == grey(pictures[3]).tolist()


def test_other_weights_are_measured_anew_and_clean_renderings_are_not(
    tmp_path: Path, reads: list[int]
) -> None:
    pictures = [Picture("title", 0, CLEAN), Picture("title", 0, ASKED)]
    fill(Journal.open(tmp_path, MODELS, pictures), pictures, grey, lambda *_: None)
    other = {**MODELS, "base": "tiny@2"}
    journal = Journal.open(tmp_path, other, pictures)
    assert journal.missing(pictures) == pictures[1:]
    fill(journal, pictures, grey, lambda *_: None)
    # The picture's file is the other model's by now.
    assert Journal.open(tmp_path, MODELS, pictures).missing(pictures) == pictures[1:]
    assert len(reads) == 3


def test_time_is_told_apart_by_stage_and_only_within() -> None:
    class Pipeline:
        text_encoder = text_encoder_2 = nn.Identity()
        text_encoder_3 = None
        transformer = nn.Identity()

        class vae:
            decoder = nn.Identity()

    seconds = iter(range(0, 600, 3))
    with stages(Pipeline, lambda: float(next(seconds))) as spent:
        Pipeline.transformer(0)
        Pipeline.transformer(0)
        Pipeline.vae.decoder(0)
    Pipeline.transformer(0)
    assert spent == {"encode": 0.0, "steps": 6.0, "decode": 3.0}


def speed(setting: Setting, wall: float) -> Speed:
    each = Seconds(wall, wall * 1.5, {"encode": 0.1, "steps": wall - 0.3, "decode": 0.2})
    return Speed(setting, 2, [each] * 3, 0.25)


def test_another_settings_time_is_guessed_by_its_passes() -> None:
    assert speed(PREVIEW, 1.9).guess(ASKED) == pytest.approx(1.9 + 40 * 0.1)


def readings(good: Mapping[Setting, float], count: int = 20) -> Readings:
    """Of each setting as large a share of the posters is read; of the others one letter is wrong."""
    return Readings.of(_reads(good, count))


def _reads(good: Mapping[Setting, float], count: int) -> Iterable[Read]:
    sets: tuple[Which, ...] = ("title", "proportional")
    for setting, portion in good.items():
        for which, index in itertools.product(sets, range(count)):
            picture = Picture(which, index, setting)
            title = picture.poster.title.casefold()
            yield Read(picture, title if index < portion * count else title[:-1] + "#", "")


RISING = {
    Setting("base", steps, guidance): min(1.0, steps / 28 + guidance / 10)
    for steps in (4, 8, 16, 28)
    for guidance in (1.0, 3.0, 5.0)
}


def test_kinds_are_counted_apart_and_beside_the_clean_ones() -> None:
    rows = {row.title: row for row in readings({CLEAN: 1.0, ASKED: 0.5}).rows(ASKED)}
    whole = rows["fixed pitch"]
    assert (whole.count, whole.exact.value, whole.clean.value) == (20, 0.5, 1.0)
    assert whole.ratio is not None
    assert whole.ratio.value == 0.5
    assert rows["proportional"].count == 20
    assert sum(row.count for title, row in rows.items() if title.startswith("`")) == 40
    assert sum(row.count for title, row in rows.items() if title[0].isdigit()) == 20


def test_the_asked_share_is_of_titles_on_a_fixed_pitch_alone() -> None:
    assert {poster("title", place).face for place in range(200)} == set(FIXED_PITCH)
    assert {poster("proportional", place).face for place in range(200)} == set(PROPORTIONAL)


def test_a_second_line_counts_apart_from_its_title() -> None:
    reads = []
    for index in range(4):
        for setting in (CLEAN, ASKED):
            picture = Picture("second", index, setting)
            second = picture.poster.second.casefold() if setting == CLEAN or index < 1 else ""
            reads.append(Read(picture, picture.poster.title.casefold(), second))
    shares = {row.title: row.exact.value for row in Readings.of(reads).second_rows(ASKED)}
    assert shares == {"both lines": 0.25, "the title": 1.0, "the second line": 0.25}


@pytest.mark.parametrize("share_read", [0.9, 0.85])
def test_a_target_is_met_or_said_not_to_be(share_read: float) -> None:
    level = {Setting("base", 16, 3.0): share_read, Setting("base", 28, 1.0): share_read, ASKED: share_read}
    found = readings({**RISING, CLEAN: 1.0, **level})
    verdicts = targets.verdicts(found, [speed(PREVIEW, 2.1), speed(DISTILLED, 0.6)])
    legible, steps, guidance, preview, distilled = verdicts
    assert legible.met is (share_read >= 0.9)
    assert steps.met and guidance.met
    assert (preview.met, distilled.met) == (False, True)


def test_a_fall_is_named() -> None:
    fallen = {**RISING, CLEAN: 1.0, Setting("base", 16, 3.0): 0.0}
    _, steps, guidance = targets.verdicts(readings(fallen), [])
    assert (steps.met, guidance.met) == (False, False)
    assert "falls: guidance 3, 8 to 16 steps" in steps.measured
    assert "falls: 16 steps, guidance 1 to 3" in guidance.measured


TOLD = Told(
    command="python -m tests.bench.tiny",
    models=MODELS,
    device="cpu",
    dtype="bfloat16",
    machine=dict.fromkeys(
        ("date", "commit", "processor", "cores", "memory", "system", "python", "torch", "diffusers"), "1"
    ),
)


def test_the_page_keeps_its_other_sections(tmp_path: Path) -> None:
    page = tmp_path / "tiny.md"
    page.write_text("# Tiny\n\n## Before\n\nkept\n\n## Measured\n\nold\n\n### Old\n\n## After\n\nkept too\n")
    report.image(page, "posters.jpg").write_bytes(b"a picture")
    found = readings({**RISING, CLEAN: 1.0, DISTILLED: 0.5})
    report.write(page, TOLD, found, [speed(PREVIEW, 1.5)])
    text = page.read_text("utf-8")
    assert text.startswith("# Tiny\n\n## Before\n\nkept\n\n## Measured\n")
    assert text.endswith("\n\n## After\n\nkept too\n")
    assert "\nold\n" not in text and "### Old" not in text
    assert "](tiny-posters.jpg)" in text and "](tiny-steps.jpg)" not in text
    assert "| fixed pitch | 20 | 100.0% (83.9% to 100.0%) |" in text
    assert "| 4 | 25.0% (14.2% to 40.2%), letters " in text
    assert (
        "| base, 8 steps, guidance 3 | 2 | 1.50 (1.50 to 1.50) | 2.25 (2.25 to 2.25) | 100 ms | 1200 ms |"
        in text
    )


def test_a_page_of_nothing_but_speed_can_be_written(tmp_path: Path) -> None:
    report.write(tmp_path / "tiny.md", TOLD, Readings([]), [speed(DISTILLED, 0.9)])
    assert "**not met**" in (tmp_path / "tiny.md").read_text("utf-8")


def test_sheets_are_small_and_show_what_there_is(tmp_path: Path, reads: list[int]) -> None:
    pictures = wanted(Counts(8, 8, 0, 8), distilled=True)
    journal = Journal.open(tmp_path, MODELS, pictures)
    assert sheets.posters(journal) == b""

    fill(journal, pictures, grey, lambda *_: None)
    for data, rows in ((sheets.posters(journal), 2), (sheets.steps(journal), 5)):
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == "JPEG"
            assert image.height > rows * sheets.SIDE
    assert len(reads) == len(pictures)


def test_a_sheet_that_would_be_large_is_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (sheets.SIDE, sheets.SIDE, 3), np.uint8)
    strips = [sheets.Strip((), [sheets.Cell(noise, "nothing", True)])]
    whole = sheets.sheet(strips)
    monkeypatch.setattr(sheets, "MOST_BYTES", len(whole) - 1)
    assert len(sheets.sheet(strips)) < len(whole)


def test_the_curve_is_drawn_from_the_probes_so_far(tmp_path: Path) -> None:
    path = tmp_path / "curve.jsonl"
    row = {"flow_seen": 6_000, "count": 24, "clean": 0.9, "letters": 0.1, "exact": 0.0, "loss": {"flow": 1.8}}
    path.write_text(json.dumps(row) + "\n" + json.dumps({**row, "flow_seen": 9_000}) + '\n{"flow_s')
    rows = curve.probes(path)
    assert [each["flow_seen"] for each in rows] == [6_000, 9_000]
    assert curve.picture(rows).startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="none yet"):
        curve.picture([])
