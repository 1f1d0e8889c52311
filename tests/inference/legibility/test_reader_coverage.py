from __future__ import annotations

import subprocess
import sys

import pytest

from inference.legibility import easy, rapid
from inference.legibility.folding import in_both_cases, numbers, readable, strict, tolerant
from inference.legibility.readers import READERS, available_readers, reader_entry, readers_by_script


@pytest.fixture(scope="module")
def rapid_characters() -> frozenset[str]:
    return rapid.characters()


@pytest.mark.parametrize(
    "text",
    [
        "50% OFF €5 £3 $2",
        "GARÇON, ça coûte très cher à Noël",
        "Größe für Mädchen",
        "ŻÓŁĆ gęślą jaźń",
        "İSTANBUL'DA BÜYÜK İNDİRİM, ığdır",
        "MAÑANA ¿QUÉ?",
        "限时特价全场五折",
        "大減價開幕酬賓",
        "夏の大セール開催中",
        "ΜΕΓΑΛΗ ΓΙΟΡΤΗ",
    ],
)
def test_rapidocr_covers_latin_greek_chinese_and_japanese(
    text: str, rapid_characters: frozenset[str]
) -> None:
    assert readable(text, rapid_characters)


@pytest.mark.parametrize(
    "text", ["ลดราคา", "تخفيضات", "РАСПРОДАЖА", "מבצע", "सेल", "세일", "SALE ลดราคา", "GIẢM GIÁ LỚN ặ"]
)
def test_rapidocr_declares_what_it_cannot_read(text: str, rapid_characters: frozenset[str]) -> None:
    assert readable(text, rapid_characters) == ""


@pytest.mark.parametrize("text", ["ΜΕΓΑΛΗ ΠΡΟΣΦΟΡΑ", "Źródło", "DAĞ", "Œuvre", "Ďábel"])
def test_rapidocr_declares_what_it_lists_and_does_not_read(
    text: str, rapid_characters: frozenset[str]
) -> None:
    assert readable(text, rapid_characters) == ""
    assert readable(text.lower().replace("ďá", "dá").replace("π", "ρ"), rapid_characters)


def test_easyocr_covers_english_only() -> None:
    known = easy.characters()
    assert readable("SUMMER sale 50% €5", known)
    assert readable("Größe", known) == readable("限时", known) == ""


def test_coverage_is_the_same_in_either_case_and_either_form() -> None:
    assert readable("ABC", in_both_cases(frozenset("abc"))) == "ABC"
    assert readable("ABC", frozenset("abc")) == "", "what a reader declares is what it reads, case for case"
    assert readable("cafe\N{COMBINING ACUTE ACCENT}", frozenset("café"))
    assert readable("１２３", frozenset("123"))


def test_punctuation_a_reader_does_not_know_is_left_out_and_letters_are_not() -> None:
    assert readable("★ SALE!", frozenset("SALE!")) == " SALE!"
    assert readable("★★★", frozenset("SALE")) == ""
    assert readable("5₹", frozenset("5")) == ""


def test_two_forms_of_a_text_differ_in_case_and_marks_only() -> None:
    assert tolerant("Straße – “Été”…") == 'strasse-"été"...'
    assert strict("Straße – “Été”…") == 'Straße-"Été"...'


@pytest.mark.parametrize("drawn", ["7:00〜11:00", "7:00～11:00", "7:00~11:00", "7:00∼11:00"])
def test_a_wave_dash_is_a_tilde_whichever_a_reader_prints(drawn: str) -> None:
    assert strict(drawn) == tolerant(drawn) == "7:00~11:00"


def test_numbers_and_their_signs_are_told_apart_without_spaces() -> None:
    text = "From $5.50, 50 % off, 1,200 seats, 8:30 – 9:30"
    assert numbers(text) == ("$", "5.50", "50", "%", "1,200", "8:30-9:30")
    assert numbers(text.replace(" ", "")) == numbers(text)


def test_scripts_without_a_reader_say_so() -> None:
    known = readers_by_script()
    assert known["English"][:2] == ("rapidocr", "easyocr")
    assert "rapidocr" in known["Han, simplified"] and "rapidocr" in known["Kana"]
    assert "rapidocr" not in known["Thai"] + known["Arabic"] + known["Cyrillic"]


def test_an_unknown_reader_is_answered_with_the_known() -> None:
    with pytest.raises(
        ValueError, match="reader: 'abbyy' is not known; use one of rapidocr, easyocr, tesseract"
    ):
        reader_entry("abbyy")


def test_what_is_available_is_told_without_importing_it() -> None:
    code = (
        "import sys; from inference.legibility.readers import available_readers; available_readers();"
        "print(sorted({'torch', 'onnxruntime', 'rapidocr', 'easyocr', 'scipy', 'cv2'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
    assert available_readers().keys() == READERS.keys()
    assert available_readers()["rapidocr"][0] and available_readers()["easyocr"][0]
