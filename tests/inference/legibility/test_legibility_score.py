from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from inference.legibility.base import Line
from inference.legibility.score import SCORE_VERSION, score
from schemas.events import Text

Rows = Callable[..., list[Line]]

ENGLISH = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%$€!'\"-.,:&/ ")
CHINESE = ENGLISH | frozenset("限时特价全场五折大甩卖")
POSTER = (Text("SUMMER SALE"), Text("50% OFF"))
GIBBERISH = ("PRODVCED BY ALKN TRMEV AND", "DIRECTD BY JHON ABXQW QQ")

# research/engines_and_ocr.md, B2: the pictures that published formulas score wrongly.
TRAPS = {
    "perfect": (POSTER, ["SUMMER SALE", "50% OFF"], (1, 1), (1, 1), True),
    "other order": (POSTER, ["50% OFF", "SUMMER SALE"], (1, 1), (1, 1), True),
    "scrambled": (POSTER, ["OFF SUMMER", "SALE 50%"], (0.0, 0.6), (0.0, 0.6), False),
    "percent sign lost": (POSTER, ["SUMMER SALE", "50 OFF"], (0.93, 0.95), (1, 1), False),
    "headline duplicated": (POSTER, ["SUMMER SALE", "SUMMER SALE", "50% OFF"], (1, 1), (0.60, 0.64), True),
    "gibberish block": (POSTER, ["SUMMER SALE", "50% OFF", *GIBBERISH], (1, 1), (0.25, 0.30), True),
    "inside other words": ((Text("SALE"),), ["WHOLESALERS UNITE"], (0, 0), (0, 0), True),
}


@pytest.mark.parametrize(("texts", "rows", "recall", "precision", "critical"), TRAPS.values(), ids=TRAPS)
def test_the_pictures_that_fool_other_formulas_are_scored_right(
    texts: Sequence[Text],
    rows: Sequence[str],
    recall: tuple[float, float],
    precision: tuple[float, float],
    critical: bool,
    page: Rows,
) -> None:
    got = score(texts, {"reader": page(rows)}, {"reader": ENGLISH})
    assert got.recall is not None and got.precision is not None
    assert recall[0] <= got.recall <= recall[1]
    assert precision[0] <= got.precision <= precision[1]
    assert got.score == pytest.approx(got.recall * got.precision, abs=1e-5)
    assert got.critical_exact is critical
    assert got.version == SCORE_VERSION


def test_a_scrambled_headline_is_not_read(page: Rows) -> None:
    got = score(POSTER, {"reader": page(["OFF SUMMER", "SALE 50%"])}, {"reader": ENGLISH})
    assert [text.verdict for text in got.texts] == ["missed", "missed"]
    assert got.score is not None and got.score < 0.4


def test_the_order_in_which_a_reader_lists_its_boxes_does_not_matter(page: Rows) -> None:
    lines = page(["SUMMER", "SALE", "50% OFF", "hello"])
    scores = set()
    for seed in range(6):
        random.Random(seed).shuffle(lines)
        scores.add(score(POSTER, {"reader": lines}, {"reader": ENGLISH}).score)
    assert len(scores) == 1


@pytest.mark.parametrize(
    "read", ["summer sale", "SUMMER  SALE", "SUMMERSALE", "ＳＵＭＭＥＲ ＳＡＬＥ", "S U M M E R  S A L E"]
)
def test_case_width_and_spaces_are_the_designers(read: str, page: Rows) -> None:
    got = score([Text("Summer Sale")], {"reader": page([read])}, {"reader": ENGLISH})
    assert (got.score, got.texts[0].verdict) == (1.0, "read")


@pytest.mark.parametrize(
    ("expected", "read"),
    [("DON’T STOP", "DON'T STOP"), ("9–5", "9-5"), ("“YES”", '"YES"')],
    ids=["apostrophe", "dash", "quotes"],
)
def test_a_reader_may_print_another_kind_of_quote_or_dash(expected: str, read: str, page: Rows) -> None:
    got = score([Text(expected, critical=True)], {"reader": page([read])}, {"reader": ENGLISH})
    assert got.score == 1.0 and got.critical_exact and got.texts[0].exact


@pytest.mark.parametrize(("expected", "read"), [("McKay", "MCKAY"), ("José", "Jose"), ("ACME", "ACNE")])
def test_a_critical_text_is_right_to_the_letter(expected: str, read: str, page: Rows) -> None:
    got = score(
        [Text(expected, critical=True)], {"reader": page([read])}, {"reader": ENGLISH | frozenset("é")}
    )
    assert not got.critical_exact
    assert (got.texts[0].verdict, got.texts[0].exact) == ("missed", False)


@pytest.mark.parametrize(
    ("expected", "read"),
    [
        ("50% OFF", "500% OFF"),
        ("FROM $5", "FROM €5"),
        ("8:30 PM", "8.30 PM"),
        ("12 June", "21 June"),
        ("ROOM 101", "ROOM IOI"),
    ],
)
def test_a_wrong_number_or_sign_is_not_exact_in_any_text(expected: str, read: str, page: Rows) -> None:
    got = score([Text(expected)], {"reader": page([read])}, {"reader": ENGLISH})
    assert not got.critical_exact and got.texts[0].verdict == "missed"


def test_a_wrong_letter_in_an_uncritical_text_lowers_the_score_only(page: Rows) -> None:
    got = score([Text("SUMMER SALE")], {"reader": page(["SUMNER SALE"])}, {"reader": ENGLISH})
    assert got.critical_exact and got.score == pytest.approx(0.9)
    assert got.texts[0].read == "SUMNER SALE"


def test_words_that_belong_to_no_text_are_listed(page: Rows) -> None:
    got = score(POSTER, {"reader": page(["SUMMER SALE", "LOREM IPSUM", "50% OFF NOW"])}, {"reader": ENGLISH})
    assert got.extra == ("LOREM IPSUM", "NOW")


def test_words_a_reader_doubts_are_not_held_against_the_picture(page: Rows) -> None:
    lines = page(["SUMMER SALE", "50% OFF", "lIl"])
    doubted = [*lines[:2], replace(lines[2], confidence=0.2)]
    assert score(POSTER, {"reader": doubted}, {"reader": ENGLISH}).score == 1.0
    assert score(POSTER, {"reader": lines}, {"reader": ENGLISH}).score != 1.0


def test_a_text_outside_the_readers_alphabet_is_never_counted_wrong(page: Rows) -> None:
    texts = (Text("SUMMER SALE"), Text("ลดราคา", critical=True))
    got = score(texts, {"reader": page(["SUMMER SALE", "aosTA1", "anS1A1"])}, {"reader": ENGLISH})
    assert [text.verdict for text in got.texts] == ["read", "unreadable_by_reader"]
    assert (got.score, got.recall, got.precision) == (1.0, 1.0, 1.0)
    assert got.critical_exact and got.extra == ()


@pytest.mark.parametrize("by_construction", [False, True])
def test_where_nothing_can_be_judged_there_is_no_score(by_construction: bool, page: Rows) -> None:
    got = score(
        [Text("ลดราคา")], {"reader": page(["aosTA1"])}, {"reader": ENGLISH}, by_construction=by_construction
    )
    assert (got.score, got.recall, got.precision) == (None, None, None)
    assert got.by_construction is by_construction
    assert got.texts[0].verdict == "unreadable_by_reader"


def test_an_empty_picture_has_no_recall() -> None:
    got = score(POSTER, {"reader": []}, {"reader": ENGLISH})
    assert (got.score, got.recall, got.precision) == (0.0, 0.0, 1.0)
    assert not got.critical_exact


@pytest.mark.parametrize(
    ("rows", "expected"), [([], 1.0), (["HELLO"], 0.75), (GIBBERISH, 0.0)], ids=["clean", "a word", "a block"]
)
def test_without_expected_texts_the_gate_is_no_stray_text(
    rows: Sequence[str], expected: float, page: Rows
) -> None:
    got = score([], {"reader": page(rows)}, {"reader": ENGLISH})
    assert got.score == pytest.approx(expected)
    assert got.recall is None and got.critical_exact


def test_a_text_counts_as_read_if_either_reader_read_it(page: Rows) -> None:
    readings = {"one": page(["SUMMER SALE", "500% OFF"]), "two": page(["SUNNER SALE", "50% OFF"])}
    got = score(POSTER, readings, {"one": ENGLISH, "two": ENGLISH})
    assert got.score == 1.0 and got.critical_exact
    assert got.readers == ("one", "two")


def test_extras_come_from_the_reader_that_judges_more(page: Rows) -> None:
    texts = (Text("SUMMER SALE"), Text("全场五折"))
    readings = {
        "english": page(["SUMMER SALE", "4137", "X5H"]),
        "chinese": page(["SUMMER SALE", "全场五折", "大"]),
    }
    got = score(texts, readings, {"english": ENGLISH, "chinese": CHINESE})
    assert got.recall == 1.0 and got.extra == ("大",)
    assert [text.verdict for text in got.texts] == ["read", "read"]


def test_extras_come_from_the_better_of_two_equal_readers(page: Rows) -> None:
    readings = {"noisy": page(["SUMMER SALE", "50% OFF", "w3jj0"]), "clean": page(["SUMMER SALE", "50% OFF"])}
    got = score(POSTER, readings, {"noisy": ENGLISH, "clean": ENGLISH})
    assert got.score == 1.0 and got.extra == ()


def test_a_symbol_no_reader_prints_is_not_asked_for(page: Rows) -> None:
    got = score([Text("★ SALE ★")], {"reader": page(["SALE"])}, {"reader": ENGLISH})
    assert got.score == 1.0


def test_a_reader_without_declared_coverage_is_named(page: Rows) -> None:
    with pytest.raises(ValueError, match="coverage: no characters for reader 'other'"):
        score(POSTER, {"other": page(["SALE"])}, {"reader": ENGLISH})


def test_lines_without_boxes_are_taken_as_rows_in_their_order() -> None:
    lines = [Line("SUMMER", 1.0, ()), Line("SALE", 1.0, ()), Line("50% OFF", 1.0, ())]
    assert score(POSTER, {"reader": lines}, {"reader": ENGLISH}).score == 1.0


@pytest.mark.parametrize(("drawn", "printed"), [("ΝΥΧΤΕΣ ΣΙΝΕΜΑ", "NYXTEΣ ΣINEMA"), ("Νύχτα", "Nύχτα")])
def test_a_greek_capital_printed_as_its_latin_twin_is_read(drawn: str, printed: str, page: Rows) -> None:
    """One ink, two letters: the picture is right whichever the reader's alphabet has."""
    known = {"reader": frozenset(drawn + printed)}
    for critical in (False, True):
        made = score([Text(drawn, critical=critical)], {"reader": page([printed])}, known)
        assert (made.score, made.critical_exact) == (1.0, True)
