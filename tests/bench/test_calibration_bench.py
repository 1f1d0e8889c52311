"""The calibration's list, figures, page and exit code, without a reader's seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from inference.legibility.base import Line, Seen
from inference.legibility.calibration.flaws import FLAWS, Trial, trials
from inference.legibility.calibration.judging import Verdict, judge
from inference.legibility.calibration.misprints import misprint
from inference.legibility.calibration.posters import Sketch, held_out_set, tuning_set
from inference.legibility.readers import reader_entry
from inference.typography.backdrop import dice
from inference.typography.canvas import sheet, to_png
from tests.bench import calibration, calibration_figures, calibration_page
from tests.bench.calibration_figures import Figures, Read, figures
from tests.bench.calibration_prompts import (
    CLEAN,
    Composed,
    clean_list,
    events,
    is_covered,
    is_declared,
    outside_list,
)

BLANK = to_png(sheet(640, 640)[0])


class Told:
    """A reader that is told what stands in the next picture."""

    name = "told-1"

    def __init__(self) -> None:
        self.lines: tuple[str, ...] = ()

    def characters(self) -> frozenset[str]:
        return ALPHABET

    def look(self, picture: Image.Image, *, zoom: float = 1.0) -> Seen:
        assert picture.size and zoom
        return Seen(
            tuple(
                Line(said, 0.99, ((50, y), (500, y), (500, y + 50), (50, y + 50)), self.name)
                for y, said in zip(range(50, 600, 80), self.lines, strict=False)
            )
        )


ALPHABET = reader_entry("rapidocr").characters()


def verdict(trial: Trial, reader: Told) -> Verdict:
    """Flaws of the words are read as they are written, all else as if nothing were wrong."""
    words = [text.text for text in trial.sketch.texts]
    flaw = trial.flaw
    if flaw and flaw.kind in ("dropped", "doubled", "swapped"):
        words = list(misprint(words, flaw, dice(trial.name)))
    reader.lines = tuple(words)
    return Verdict(trial, judge(BLANK, trial.sketch.texts, reader))


def read(composed: Composed, reader: Told) -> Read:
    reader.lines = tuple(text.text for text in composed.spec.texts)
    return Read(composed, judge(BLANK, composed.spec.texts, reader))


@pytest.fixture(scope="module")
def found() -> Iterator[Figures]:
    rounds, calibration_figures.ROUNDS = calibration_figures.ROUNDS, 50
    reader = Told()

    def some(sketches: tuple[Sketch, ...]) -> list[Verdict]:
        return [verdict(trial, reader) for trial in trials(sketches[::3], clean=1, flawed=10)]

    clean = [read(each, reader) for each in clean_list(ALPHABET)[:12]]
    outside = [read(each, reader) for each in outside_list(ALPHABET)[:6]]
    yield {**figures(some(tuning_set()), some(held_out_set()), clean, outside), "reader": reader.name}
    calibration_figures.ROUNDS = rounds


def test_the_list_holds_300_posters_and_95_percent_of_the_declared_prompts() -> None:
    listed = clean_list(ALPHABET)
    declared = [event for event in events() if is_declared(event)]
    assert len(listed) == CLEAN
    assert len({each.event.id for each in listed}) >= 0.95 * len(declared)
    assert all(is_covered(each.event, ALPHABET) for each in listed)
    assert len({(each.spec.width, each.spec.height) for each in listed}) > 6
    assert len({each.style for each in listed}) > 6


def test_outside_coverage_every_other_script_is_met() -> None:
    locales = {each.event.locale for each in outside_list(ALPHABET)}
    assert {"ru", "ar", "he", "hi", "th", "ko"} <= locales


def test_nothing_outside_coverage_is_accepted_escalated_or_charged(found: Figures) -> None:
    outside = found["outside"]
    assert outside["actions"] == {"person": outside["decisions"]}
    assert (outside["accepted"], outside["escalated"], outside["charged_usd"]) == (0, 0, 0.0)


def test_clean_posters_are_all_accepted_by_a_reader_that_reads_all(found: Figures) -> None:
    assert found["clean"]["hits"] == found["clean"]["count"] == 12
    assert found["held_out"]["clean"]["hits"] == found["held_out"]["clean"]["count"]


def test_posters_and_prompts_outside_coverage_are_named_and_in_no_figure(found: Figures) -> None:
    every = found["held_out"]["all"]
    names = {each["name"] for each in every["uncovered"]}
    assert found["held_out"]["posters"] == every["posters"] - len(names)
    page = calibration_page.page(json.loads(json.dumps(found)))
    left_out = found["clean"]["left_out"]
    assert left_out and all(f"{each['id']} ({each['texts'][0]}" in page for each in left_out)
    assert all(f"{letter} {told} of {count}" in page for letter, count, told in found["letters"]["unread"])


def test_every_flaw_has_a_row_and_wrong_words_are_told_from_clean(found: Figures) -> None:
    rows = {row["name"]: row for row in found["held_out"]["flaws"]}
    assert list(rows) == [flaw.name for flaw in FLAWS]
    for name in ("dropped-3", "doubled-3", "swapped-3"):
        assert rows[name]["auc"][0] == 1.0
        assert rows[name]["accepted"] == 0
    assert rows["faint-4"]["auc"][0] == 0.5, "this reader sees no contrast"


def test_the_page_tells_every_check_and_ends_in_figures_that_json_can_hold(found: Figures) -> None:
    page = calibration_page.page(json.loads(json.dumps(found)))
    assert all(check.target in page for check in calibration_page.checks(found))
    assert "| h-" in page, "the defective ones that were accepted are named"
    assert "nan" not in page


def test_the_exit_code_tells_whether_every_check_was_met(found: Figures, tmp_path: Path) -> None:
    def run(changed: dict[str, Any]) -> int:
        path = tmp_path / "figures.json"
        path.write_text(json.dumps({**found, **changed}), "utf-8")
        return calibration.main(["--from-json", "--json", str(path)])

    versus = {**found["held_out"]["versus"], "ours": [0.97, 0.96, 0.98], "lead": [0.1, 0.05, 0.2]}
    held_out = {**found["held_out"], "versus": versus}
    assert run({"held_out": held_out}) == 0
    assert run({"held_out": {**held_out, "versus": {**versus, "lead": [0.1, -0.01, 0.2]}}}) == 1
    assert run({"held_out": held_out, "clean": {**found["clean"], "share": [0.98, 0.9, 1.0]}}) == 1
