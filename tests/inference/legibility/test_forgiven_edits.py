"""What an edit costs, and in what it is counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from inference.legibility.base import Line
from inference.legibility.confusions import LEAST, MOST, cost
from inference.legibility.folding import tolerant, units
from inference.legibility.page import lay_out
from inference.legibility.score import score
from schemas.events import Text

Rows = Callable[..., list[Line]]

KNOWN = {"reader": frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ")}


@pytest.mark.parametrize(
    ("meant", "read"),
    [("coffee", "c0ffee"), ("light", "iight"), ("light", "1ight"), ("sale", "5ale"), ("gold", "6old"),
     ("bar", "8ar"), ("zoo", "2oo")],
)  # fmt: skip
def test_a_known_confusion_costs_part_of_an_edit(meant: str, read: str) -> None:
    assert cost(meant, read, 1, 1.0) == MOST
    assert cost(meant, read, 1, 0.8) == LEAST
    assert LEAST < cost(meant, read, 1, 0.95) < MOST


@pytest.mark.parametrize(("meant", "read"), [("modern", "modem"), ("vvest", "west"), ("clay", "day")])
def test_two_letters_that_run_into_one_cost_part_of_their_two_edits(meant: str, read: str) -> None:
    assert cost(meant, read, 2, 1.0) == 2 * MOST


@pytest.mark.parametrize(("meant", "read", "edits"), [("101", "lol", 3), ("sale", "male", 1), ("o", "", 1)])
def test_numbers_and_other_letters_cost_whole_edits(meant: str, read: str, edits: int) -> None:
    assert cost(meant, read, edits, 0.5) == edits


def test_a_confusion_lowers_the_score_less_than_a_wrong_letter(page: Rows) -> None:
    def similarity(read: str, *, critical: bool = False) -> float:
        got = score([Text("HELLO COFFEE", critical=critical)], {"reader": page([read])}, KNOWN)
        assert got.texts[0].verdict == "missed" and got.critical_exact is not critical
        return got.texts[0].similarity

    assert similarity("HELLO CAFFEE") < similarity("HEILO COFFEE") < 1
    assert similarity("HEILO COFFEE", critical=True) == similarity("HELLO CAFFEE", critical=True)


def test_a_letter_in_a_number_is_wrong_for_all_that(page: Rows) -> None:
    got = score([Text("ROOM 101")], {"reader": page(["ROOM IOI"])}, KNOWN)
    assert not got.critical_exact and got.texts[0].similarity == pytest.approx(4 / 7, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "length"),
    [("SALE", 4), ("Été", 3), ("ที่นี่", 2), ("가나다", 3), ("限时", 2), ("e\N{COMBINING ACUTE ACCENT}", 1)],
    ids=["latin", "accents", "thai", "hangul", "han", "combining"],
)  # fmt: skip
def test_lengths_are_in_graphemes(text: str, length: int) -> None:
    assert len(units(text)) == length


def test_devanagari_is_counted_by_the_marks_a_person_sees() -> None:
    assert len(units("की")) == 1 and len(units("कि")) == 1 and units("की") != units("कि")
    assert len(tolerant("की")) == 2


def test_one_wrong_mark_is_one_grapheme_wrong(page: Rows) -> None:
    known = {"reader": frozenset("ที่นี้")}
    got = score([Text("ที่นี่")], {"reader": page(["ที่นี้"])}, known)
    assert got.texts[0].similarity == 0.5


def test_thai_is_cut_between_graphemes_so_that_a_text_can_end_inside_a_run(page: Rows) -> None:
    laid_out = lay_out(page(["ที่นี่กาแฟ"]))
    assert [word.text for word in laid_out.words] == ["ที่", "นี่", "ก", "า", "แ", "ฟ"]
    known = {"reader": frozenset("ที่นี่กาแฟ")}
    got = score([Text("กาแฟ"), Text("ที่นี่")], {"reader": page(["ที่นี่กาแฟ"])}, known)
    assert got.score == 1.0 and [text.read for text in got.texts] == ["กาแฟ", "ที่นี่"]


def test_a_turkish_capital_i_is_the_same_letter_in_either_case() -> None:
    assert units("İNDİRİM") == units("indirim") and len(units("İNDİRİM")) == 7
