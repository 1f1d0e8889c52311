"""A letter that the reader nearly read counts as read; a misprint, a digit and a sign never do."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from PIL import Image

from inference.legibility.acceptance import passes
from inference.legibility.base import Alternative, Line, Seen
from inference.legibility.looking import judge
from inference.legibility.measured import confused, unread
from inference.legibility.misreadings import DEAREST, LEAST, LEAST_ALIKE, misread
from inference.legibility.score import score
from schemas.events import Legibility, Text

LETTERS = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ΓΛİıÅťŽŻ₺€Łáéöüÿ、大提琴二胡口"
)
BOX = ((50.0, 50.0), (350.0, 50.0), (350.0, 100.0), (50.0, 100.0))


def line(text: str, *alternatives: Alternative, confidence: float = 0.95) -> Line:
    return Line(text, confidence, BOX, alternatives=alternatives)


def scored(meant: str, read: Line, *, critical: bool = True) -> Legibility:
    return score([Text(meant, critical=critical)], {"reader": [read]}, {"reader": LETTERS})


@pytest.mark.parametrize(
    ("meant", "read", "alternative"),
    [
        ("ΓΙΟΡΤΗ", "TIOPTH", (0, "Γ", 0.028)),
        ("Åbent hus", "Abent hus", (0, "Å", 0.38)),
        ("Žluťoučky", "Žlutoučky", (3, "ť", 0.066)),
        ("Ilse", "llse", (0, "I", 0.47)),
        ("fırsat", "firsat", (1, "ı", 0.28)),
        ("Small", "Smali", (4, "l", 0.11)),
        ("SLICE", "SLÍCE", (2, "I", 0.21)),
    ],
)
def test_a_letter_that_was_all_but_read_is_read(meant: str, read: str, alternative: Alternative) -> None:
    known = {"reader": LETTERS | set(meant) | set(read)}
    text = Text(meant, critical=True)
    got = score([text], {"reader": [line(read, alternative)]}, known)
    assert got.critical_exact and got.texts[0].verdict == "read" and not got.texts[0].exact
    assert 0.97 < got.texts[0].similarity < 1 and passes(got)
    sure = score([text], {"reader": [line(read)]}, known)
    assert not sure.critical_exact and sure.texts[0].verdict == "missed" and not passes(sure)


@pytest.mark.parametrize(
    ("meant", "read", "alternative"),
    [
        ("ROOM IO", "ROOM 10", (5, "I", 0.45)),
        ("250 ₺", "250 €", (4, "₺", 0.45)),
        ("250 ₺", "250 Ł", (4, "₺", 0.45)),
        ("SALE 8", "SALE B", (5, "8", 0.45)),
    ],
    ids=["a digit read", "a sign read", "a letter for a sign", "a digit meant"],
)
def test_no_digit_and_no_sign_is_ever_excused(meant: str, read: str, alternative: Alternative) -> None:
    got = scored(meant, line(read, alternative))
    assert not got.critical_exact and got.texts[0].verdict == "missed"


@pytest.mark.parametrize(
    ("meant", "read", "weighed"),
    [
        ("SALE", "SAIE", {(2, "L"): 0.4}),
        ("ΓIOPTH", "TIOPTH", {(0, "Γ"): LEAST / 2}),
        ("SLICE", "SLÍCE", {(2, "I"): LEAST_ALIKE / 2}),
        ("Ilse", "Ilsee", {(3, "e"): 0.4}),
        ("Ilse", "Isse", {(0, "I"): 0.4}),
        ("Ilse", "Ilse", {}),
    ],
    ids=[
        "no pair of the reader's",
        "held impossible",
        "alike, and doubted little",
        "too many",
        "another",
        "none",
    ],
)
def test_what_is_no_misreading(meant: str, read: str, weighed: dict[tuple[int, str], float]) -> None:
    assert misread(meant, read, weighed, any_case=False) is None


def test_one_letter_in_eight_may_be_misread_and_the_same_one_counts_once() -> None:
    both = {(0, "Γ"): 0.1, (4, "I"): 0.4}
    assert misread("ΓAOEIA", "TAOEla", both, any_case=True) is None
    assert misread("ΓAOEIAAAAAAAAAAA", "TAOElAAAAAAAAAAA", both, any_case=False) == pytest.approx(
        DEAREST * (0.9 + 0.6)
    )
    thrice = {(0, "İ"): 0.02, (3, "İ"): 0.04, (5, "İ"): 0.05}
    assert misread("İNDİRİM", "INDIRIM", thrice, any_case=False) is not None
    assert misread("İNDİRİM", "INDIRIM", {**thrice, (5, "İ"): 0.001}, any_case=False) is None


def test_a_capital_that_the_reader_never_prints_is_read_as_its_small_letter() -> None:
    assert "ő" in confused()["Ő"]
    assert misread("Őszi", "őszi", {}, any_case=False) == 0
    assert misread("Open", "open", {(0, "O"): 0.4}, any_case=False) is None, "case is told elsewhere"


def test_where_case_does_not_count_it_stands_in_no_misreadings_way() -> None:
    assert misread("Ilse Brand", "llse BRAND", {(0, "I"): 0.4}, any_case=True) is not None
    assert misread("Ilse Brand", "llse BRAND", {(0, "I"): 0.4}, any_case=False) is None


def test_letters_that_are_not_read_are_not_covered_and_signs_of_currency_are() -> None:
    assert {"Π", "Ź", "Ğ", "Æ"} <= unread()
    assert not unread() & set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzäöüßçñ₺€")


class Closer:
    """Sees one line at first, and another in the part of the picture that it is then shown."""

    name = "closer"

    def __init__(self, first: Line, then: Line) -> None:
        self._sights = [first, then]
        self.shown: list[tuple[int, int]] = []

    def characters(self) -> frozenset[str]:
        return LETTERS

    def look(self, picture: Image.Image, *, zoom: float = 1.0) -> Seen:
        assert zoom == 1.0
        self.shown.append(picture.size)
        return Seen((self._sights[min(len(self.shown), 2) - 1],))


def looked(texts: Sequence[Text], reader: Closer) -> Legibility:
    return judge([reader], Image.new("RGB", (600, 400)), texts)


def test_what_the_reader_doubts_is_looked_at_closer() -> None:
    reader = Closer(line("FOUS LES", (0, "S", 0.03)), line("SOUS LES"))
    got = looked([Text("SOUS LES", critical=True)], reader)
    assert reader.shown == [(600, 400), (341, 91)]
    assert got.looks == ("1x at 30,30",) and got.texts[0].exact and got.critical_exact


def test_what_it_doubts_in_more_than_one_letter_of_eight_is_not_looked_at_again() -> None:
    reader = Closer(line("WILD OSAST", (5, "C", 0.04), (6, "O", 0.14)), line("WILD COAST"))
    assert not looked([Text("WILD COAST", critical=True)], reader).critical_exact
    assert reader.shown == [(600, 400)]


def test_what_it_does_not_doubt_is_taken_at_its_word() -> None:
    reader = Closer(line("FOUS LES", (0, "P", 0.03)), line("SOUS LES"))
    got = looked([Text("SOUS LES", critical=True)], reader)
    assert reader.shown == [(600, 400)] and not got.critical_exact


def test_a_misprint_that_is_read_again_is_a_misprint() -> None:
    reader = Closer(line("FOUS LES", (0, "S", 0.03)), line("FOUS LES"))
    got = looked([Text("SOUS LES", critical=True)], reader)
    assert len(reader.shown) == 2 and not got.critical_exact


def test_a_rule_beside_a_word_is_no_letter_of_it() -> None:
    assert scored("Le Pain", line("Le _Pain")).critical_exact


def test_marks_between_things_in_a_row_may_be_left_out_where_each_letter_need_not_be_exact() -> None:
    assert scored("大提琴、二胡、口琴", line("大提琴二胡口琴"), critical=False).score == 1.0
    assert not scored("大提琴、二胡、口琴", line("大提琴二胡口琴"), critical=True).critical_exact
    assert scored("大提琴、二胡", line("大提二胡"), critical=False).texts[0].verdict == "missed"
    assert scored("大提琴二胡", line("大提琴、二胡"), critical=False).texts[0].verdict == "missed"
