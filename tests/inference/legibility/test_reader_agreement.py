"""What two readers make of the same texts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from inference.legibility.agreement import agreement, pooled, wilson
from inference.legibility.base import Line
from inference.legibility.readers import chosen_readers
from schemas.events import Text

Rows = Callable[..., list[Line]]

ENGLISH = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789% ")
KNOWN = {"one": ENGLISH, "two": ENGLISH}
POSTER = (Text("SUMMER SALE"), Text("50% OFF"))


def test_readers_agree_where_they_read_the_same_right_or_wrong(page: Rows) -> None:
    both = {"one": page(["SUMNER SALE", "50% OFF"]), "two": page(["sumner sale", "50 % off"])}
    got = agreement(POSTER, both, KNOWN)
    assert (got.texts, got.share, got.disagreements) == (2, 1.0, ())


def test_a_disagreement_says_who_read_what(page: Rows) -> None:
    both = {"one": page(["SUMMER SALE", "50% OFF"]), "two": page(["SUMNER SALE"])}
    got = agreement(POSTER, both, KNOWN, picture="beach.png")
    assert got.share == 0.0
    assert [(d.picture, d.text, d.read) for d in got.disagreements] == [
        ("beach.png", "SUMMER SALE", (("one", "SUMMER SALE"), ("two", "SUMNER SALE"))),
        ("beach.png", "50% OFF", (("one", "50% OFF"), ("two", ""))),
    ]


def test_a_text_that_one_reader_cannot_know_is_nobodys_disagreement(page: Rows) -> None:
    both = {"one": page(["限时"]), "two": page(["IRAF"])}
    got = agreement([Text("限时")], both, {"one": ENGLISH | frozenset("限时"), "two": ENGLISH})
    assert (got.texts, got.share, got.interval) == (0, None, (0.0, 1.0))


def test_pictures_are_pooled_with_wilsons_interval(page: Rows) -> None:
    same = agreement(POSTER, {"one": page(["SUMMER SALE"]), "two": page(["SUMMER SALE"])}, KNOWN)
    other = agreement(POSTER, {"one": page(["SUMMER SALE"]), "two": page([])}, KNOWN)
    got = pooled([same] * 9 + [other])
    assert (got.texts, len(got.disagreements), got.share) == (20, 1, 0.95)
    assert got.interval == pytest.approx((0.764, 0.991), abs=5e-4)


def test_wilsons_interval_is_the_published_one() -> None:
    """18 of 20: research/engines_and_ocr.md, B5."""
    assert wilson(18, 20) == pytest.approx((0.699, 0.972), abs=5e-4)
    assert wilson(0, 20)[0] == 0 and wilson(20, 20)[1] == 1


def test_one_reader_agrees_with_nobody(page: Rows) -> None:
    with pytest.raises(ValueError, match="one given; agreement is between two at least"):
        agreement(POSTER, {"one": page(["SALE"])}, KNOWN)


def test_both_are_two_readers_and_unknown_ones_are_refused() -> None:
    assert chosen_readers("both") == ("rapidocr", "easyocr")
    assert chosen_readers("rapidocr, tesseract") == ("rapidocr", "tesseract")
    with pytest.raises(ValueError, match="reader: 'abbyy' is not known"):
        chosen_readers("rapidocr,abbyy")
