"""The five formulas give the numbers of the research table, and ours gets its traps right."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from inference.legibility.acceptance import passes
from inference.legibility.base import Line
from inference.legibility.calibration.formulas import (
    FORMULAS,
    anytext_ned,
    flow_grpo_reward,
    longtext_recall,
    oneig_text,
    oneig_wac,
    strict_cer,
)
from inference.legibility.score import score
from schemas.events import Legibility, Text

SALE = ("SUMMER SALE", "50% OFF")
# 47 characters in two boxes, as many as the table's gibberish had.
GIBBERISH = ("Starrlng Jhon Dxe and Mraia Vlexx", "Musc by T Qarn")

# What was read: Flow-GRPO, LongText-Bench, OneIG-Bench's word accuracy, NED.
TABLE = {
    "perfect": (SALE, SALE, 1.000, 1.000, 1.000, 1.000),
    "other order": (SALE, SALE[::-1], 0.250, 1.000, 1.000, 0.158),
    "scrambled": (SALE, ("OFF SUMMER", "SALE 50%"), 0.625, 1.000, 1.000, 0.579),
    "percent sign lost": (SALE, ("SUMMER SALE", "50 OFF"), 0.938, 1.000, 1.000, 0.947),
    "headline twice": (SALE, ("SUMMER SALE", *SALE), 1.000, 1.000, 1.000, 0.613),
    "gibberish added": (SALE, (*SALE, *GIBBERISH), 1.000, 1.000, 1.000, 0.279),
    "within other words": (("SALE",), ("WHOLESALERS UNITE",), 1.000, 0.0, 0.0, 0.235),
}


def ours(expected: Sequence[str], read: Sequence[str]) -> Legibility:
    lines = [
        Line(text, 0.99, ((0, 100 * row), (400, 100 * row), (400, 100 * row + 60), (0, 100 * row + 60)))
        for row, text in enumerate(read)
    ]
    texts = [Text(text=text, critical=True) for text in expected]
    return score(texts, {"reader": lines}, {"reader": frozenset(map(chr, range(32, 127)))})


@pytest.mark.parametrize("trap", TABLE)
def test_the_published_formulas_give_the_tables_numbers(trap: str) -> None:
    expected, read, *numbers = TABLE[trap]
    found = [
        formula(expected, read) for formula in (flow_grpo_reward, longtext_recall, oneig_wac, anytext_ned)
    ]
    assert found == pytest.approx(numbers, abs=6e-4)


@pytest.mark.parametrize("trap", ["perfect", "other order"])
def test_ours_passes_what_is_right_in_any_order(trap: str) -> None:
    expected, read, *_ = TABLE[trap]
    assert ours(expected, read).score == 1.0
    assert passes(ours(expected, read))


@pytest.mark.parametrize("trap", sorted(TABLE.keys() - {"perfect", "other order"}))
def test_ours_refuses_every_trap(trap: str) -> None:
    expected, read, *_ = TABLE[trap]
    assert not passes(ours(expected, read))


def test_ours_tells_a_lost_percent_sign_by_the_number_not_by_the_score() -> None:
    found = ours(*TABLE["percent sign lost"][:2])
    assert not found.critical_exact
    assert found.score == pytest.approx(15 / 16, abs=1e-6)


def test_oneig_joins_edits_exactness_and_words() -> None:
    assert oneig_text(SALE, SALE) == 1.0
    # One edit, half of four words matched: 1 - 1 * (1 - 0.75) / 100.
    assert oneig_text(SALE, ("SUMMER SALE", "50 OF")) == pytest.approx(1 - 1 * 0.25 / 100)
    assert oneig_text(("夏祭り",), ("夏祭",)) == pytest.approx(1 - 1 * (1 / 3) / 50)


def test_strict_cer_counts_edits_over_the_expected_length_and_not_below_0() -> None:
    assert strict_cer(("abcd",), ("abed",)) == pytest.approx(0.75)
    assert strict_cer(("ab",), ("a quite different text",)) == 0.0


def test_texts_without_spaces_are_matched_by_the_character() -> None:
    assert longtext_recall(("夏まつり",), ("夏まり",)) == pytest.approx(0.75)
    assert longtext_recall(("ΜΕΓΑΛΗ ΓΙΟΡΤΗ",), ("ΜΕΓΑΛΗ ΓΟΡΤΗ",)) == pytest.approx(0.5)


@pytest.mark.parametrize("name", FORMULAS)
def test_every_formula_stays_a_share(name: str) -> None:
    for expected, read in ((SALE, ()), ((), ()), ((), ("x",)), (SALE, ("x" * 300,)), (("夏",), ("夏" * 9,))):
        assert 0.0 <= FORMULAS[name](expected, read) <= 1.0
