"""A few posters through the real reader: the right ones are accepted, the plainly wrong ones are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.legibility.calibration.flaws import FLAWS, Trial
from inference.legibility.calibration.judging import Verdict, judged
from inference.legibility.calibration.posters import held_out_set, tuning_set
from inference.legibility.calibration.readings import Remembered
from inference.legibility.readers import reader_entry

POSTERS = {sketch.name: sketch for sketch in (*tuning_set(), *held_out_set())}
RIGHT = ("t-latin-00", "t-latin-09", "t-chinese-00")
WRONG = {
    "t-latin-00": ("dropped-3", "gibberish-3", "occluded-3"),
    "t-latin-09": ("swapped-2", "cropped-3"),
    "t-chinese-00": ("doubled-2",),
}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Remembered:
    path: Path = tmp_path_factory.mktemp("calibration") / "readings.jsonl"
    return Remembered(reader_entry("rapidocr").open(threads=1), path)


def verdict(reader: Remembered, name: str, flaw: str = "") -> Verdict:
    found = next((each for each in FLAWS if each.name == flaw), None)
    return judged(Trial(POSTERS[name], found, 0), reader)


@pytest.mark.parametrize("name", RIGHT)
def test_a_clean_poster_is_accepted(reader: Remembered, name: str) -> None:
    found = verdict(reader, name)
    assert found.trial.right
    assert found.judgement.accepted, found.judgement.legibility


@pytest.mark.parametrize(("name", "flaw"), [(name, flaw) for name in WRONG for flaw in WRONG[name]])
def test_a_plain_flaw_is_refused_and_scores_below_clean(reader: Remembered, name: str, flaw: str) -> None:
    found = verdict(reader, name, flaw)
    assert not found.judgement.accepted, found.judgement.legibility
    assert found.scored().score < verdict(reader, name).scored().score


def test_a_formula_without_precision_misses_the_gibberish_that_ours_sees(reader: Remembered) -> None:
    found = verdict(reader, "t-latin-00", "gibberish-3")
    assert found.scored("LongText-Bench").score == 1.0
    assert found.scored().score < 0.85
