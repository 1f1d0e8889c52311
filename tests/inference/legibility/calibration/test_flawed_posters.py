"""Posters with known flaws: the same trial is the same picture, and each flaw is what it says it is."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from inference.legibility.calibration.drawing import at_contrast, picture
from inference.legibility.calibration.flaws import FLAWS, Flaw, Trial, trials
from inference.legibility.calibration.misprints import misprint, nonsense
from inference.legibility.calibration.posters import (
    HELD_OUT_FONTS,
    TUNING_FONTS,
    Sketch,
    held_out_set,
    tuning_set,
)
from inference.legibility.distance import Pattern
from inference.legibility.folding import tolerant
from inference.typography import contrast
from inference.typography.backdrop import dice
from inference.typography.fonts import FAMILIES

POSTERS = {sketch.name: sketch for sketch in (*tuning_set(), *held_out_set())}
LATIN = POSTERS["t-latin-00"]


def flaw_named(name: str) -> Flaw:
    return next(flaw for flaw in FLAWS if flaw.name == name)


def pixels(sketch: Sketch, name: str = "", seed: int = 0) -> np.ndarray:
    png = picture(Trial(sketch, flaw_named(name) if name else None, seed))
    return np.asarray(Image.open(io.BytesIO(png))).astype(np.int16)


def words(sketch: Sketch) -> list[str]:
    return [text.text for text in sketch.texts]


def edits(before: str, after: str) -> int:
    pattern = Pattern(before)
    return pattern.feed(pattern.start(), after)[2]


@pytest.mark.parametrize("flaw", FLAWS, ids=[flaw.name for flaw in FLAWS])
def test_the_same_trial_is_the_same_picture_and_no_clean_one(flaw: Flaw) -> None:
    sketch = POSTERS["h-greek-00"]
    first, again = (picture(Trial(sketch, flaw, 1)) for _ in range(2))
    assert hashlib.sha256(first).digest() == hashlib.sha256(again).digest()
    assert first != picture(Trial(sketch, None, 1))


def test_another_seed_is_another_picture() -> None:
    flaw = flaw_named("swapped-3")
    assert len({picture(Trial(LATIN, flaw, seed)) for seed in range(4)}) == 4


def test_every_kind_has_three_severities_and_its_wrong_words_are_never_passed() -> None:
    kinds = Counter(flaw.kind for flaw in FLAWS)
    assert len(kinds) == 11
    assert min(kinds.values()) >= 3
    assert not [flaw.name for flaw in FLAWS if flaw.written and flaw.legible]
    for kind in kinds:
        marks = [flaw.legible for flaw in FLAWS if flaw.kind == kind]
        assert marks == sorted(marks, reverse=True), f"{kind}: what is worse cannot be more legible"


@pytest.mark.parametrize("kind", ["dropped", "doubled", "swapped"])
def test_a_misprint_changes_so_many_letters_and_no_more(kind: str) -> None:
    for name, flaw in itertools.product(POSTERS, (flaw for flaw in FLAWS if flaw.kind == kind)):
        before = words(POSTERS[name])
        after = misprint(before, flaw, dice(name, flaw.name))
        pairs = list(zip(map(tolerant, before), map(tolerant, after), strict=True))
        changed = sum(edits(b, a) for b, a in pairs)
        assert changed >= 1
        if kind == "swapped":
            assert [sorted(b) for b, _ in pairs] == [sorted(a) for _, a in pairs]
            assert changed <= 2 * flaw.amount
        else:
            lengths = sum(len(a) - len(b) for b, a in pairs)
            assert abs(lengths) == changed == flaw.amount


def test_a_misprint_that_the_words_are_too_short_for_says_so() -> None:
    with pytest.raises(ValueError, match="needs more letters than"):
        misprint(["A"], flaw_named("dropped-3"), dice("x"))
    with pytest.raises(ValueError, match="changes no words"):
        misprint(["AB"], flaw_named("tiny-2"), dice("x"))


@pytest.mark.parametrize("script", ["Latin", "Greek", "Chinese", "Japanese"])
def test_nonsense_is_as_many_words_as_asked_three_a_line(script: str) -> None:
    lines = nonsense(script, 12, dice(script))
    assert [len(line.split()) for line in lines] == [3, 3, 3, 3]


def test_the_held_out_set_shares_no_font_and_only_one_script_with_the_tuning_set() -> None:
    faces = [{face for sketch in each for face in sketch.faces} for each in (tuning_set(), held_out_set())]
    assert not faces[0] & faces[1]
    assert not faces[1] & FAMILIES.keys(), "the layout engine's fonts were tuned on"
    assert TUNING_FONTS.keys() & HELD_OUT_FONTS.keys() == {"Latin"}


def test_the_flaws_take_turns_so_that_each_is_met_as_often_as_any_other() -> None:
    plan = trials(held_out_set(), clean=2, flawed=10)
    met = Counter(trial.flaw.name for trial in plan if trial.flaw)
    assert max(met.values()) - min(met.values()) <= 1
    assert len(met) == len(FLAWS)
    assert sum(trial.flaw is None for trial in plan) == 2 * len(held_out_set())
    assert len({trial.name for trial in plan}) == len(plan)


@pytest.mark.parametrize("name", ["cropped-2", "cropped-3", "cropped-4", "malformed-2", "tiny-3"])
def test_what_takes_ink_away_takes_ink_away(name: str) -> None:
    def ink(of: np.ndarray) -> float:
        return float((np.abs(of - np.array(sketch.paper)).sum(axis=2) > 90).mean())

    sketch = POSTERS["t-latin-06"]
    assert ink(pixels(sketch, name)) < ink(pixels(sketch))


def test_a_close_crop_loses_no_ink_and_a_cut_reaches_the_border() -> None:
    sketch = next(s for s in tuning_set() if s.ground == "flat" and s.order == "listed")

    def at_the_border(name: str) -> bool:
        away = np.abs(pixels(sketch, name) - np.array(sketch.paper)).sum(axis=2) > 90
        return bool(away[:, 0].any() or away[:, -1].any())

    assert not at_the_border("cropped-1")
    assert at_the_border("cropped-2")
    assert at_the_border("cropped-3")


@pytest.mark.parametrize("ratio", [flaw.amount for flaw in FLAWS if flaw.kind == "faint"])
def test_faint_type_has_the_contrast_it_is_said_to_have(ratio: float) -> None:
    for sketch in POSTERS.values():
        tone = at_contrast(sketch, ratio)
        found = contrast.ratio(contrast.luminance(tone), contrast.luminance(sketch.paper))
        assert found == pytest.approx(ratio, rel=0.02)
