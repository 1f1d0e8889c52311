"""A word that nobody asked for keeps a picture out, however little it is beside the rest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from inference.legibility.acceptance import DEFAULT, passes
from inference.legibility.base import Line
from inference.legibility.judgement import UNINVITED, UNINVITED_CONFIDENCE
from inference.legibility.score import score
from schemas.events import Legibility, Text

Rows = Callable[..., list[Line]]

LETTERS = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 夜の美術館静かな展示室を歩くモヌヘホ"
)
TEXTS = (Text("Photographs from the edge of the map"), Text("WILD COAST", critical=True))


def scored(page: Rows, extra: str, confidence: float = 0.99) -> Legibility:
    lines = page([text.text for text in TEXTS])
    lines += [Line(extra, confidence, ((50.0, 500.0), (200.0, 500.0), (200.0, 550.0), (50.0, 550.0)))]
    return score(TEXTS, {"reader": lines}, {"reader": LETTERS})


@pytest.mark.parametrize("word", ["Kxo", "Wqelo", "BRIVAN", "モヌヘホ"])
def test_one_nonsense_word_more_is_never_accepted(word: str, page: Rows) -> None:
    got = scored(page, word)
    assert got.recall == 1.0 and got.extra == (word,)
    assert got.score == got.precision == UNINVITED < DEFAULT.score and not passes(got)


def test_more_of_them_weigh_more(page: Rows) -> None:
    block = scored(page, "Lorem ipsum dolor sit amet consectetur adipiscing")
    assert block.score is not None and block.score < UNINVITED


@pytest.mark.parametrize("speck", ["lo", "15", "x"])
def test_a_speck_weighs_its_length_alone(speck: str, page: Rows) -> None:
    got = scored(page, speck)
    assert got.extra == (speck,) and got.score is not None and 0.95 < got.score < 1


def test_what_the_reader_doubts_weighs_its_length_alone(page: Rows) -> None:
    got = scored(page, "Wqelo", UNINVITED_CONFIDENCE - 0.05)
    assert got.score is not None and UNINVITED < got.score < 1


@pytest.mark.parametrize("ornament", ["wwww", "ooo", "lllllll"])
def test_an_ornament_is_no_word(ornament: str, page: Rows) -> None:
    got = scored(page, ornament)
    assert (got.score, got.extra) == (1.0, ())
