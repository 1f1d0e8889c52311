from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.typography.bidirectional import base_direction
from inference.typography.breaking import NOT_AT_END, NOT_AT_START, breaks
from inference.typography.fitting import Measured, measure, wrap
from inference.typography.fonts import face
from inference.typography.shaping import graphemes, paragraph

FAMILY = {
    "en": "Noto Sans",
    "ja": "Noto Sans CJK",
    "zh-CN": "Noto Sans CJK",
    "ko": "Noto Sans CJK",
    "th": "Noto Sans Thai",
}
FAMILY |= {"hi": "Noto Sans Devanagari", "ar": "Noto Sans Arabic"}
SENTENCES = {
    "en": "A conference for people who read the source, twice-told and well-kept",
    "ja": "焼きたての香りで、一日をはじめよう。「朝のパン」と珈琲を（たっぷり）どうぞ！",
    "zh-CN": "在光影之间，遇见世界的故事。2026年6月12日，《电影节》开幕！",
    "ko": "한강에서 만나는 봄의 소리, 서울 재즈 페스티벌",
    "th": "สามวันสามคืนกับศิลปินจากทั่วประเทศ",
    "hi": "संगीत, नृत्य और कविता की शाम",
    "ar": "ثلاث ليال من الفن على ضفاف النيل",
}


def measured(text: str, locale: str) -> Measured:
    chain = [face(FAMILY[locale], 700)]
    return measure(paragraph(text, chain, direction=base_direction(text, locale), locale=locale))


def pieces(text: str, locale: str, *, poor: bool = False) -> list[str]:
    ends = [each.index for each in breaks(text, locale) if poor or each.kind != "poor"]
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize(
    ("text", "locale", "expected"),
    [
        ("VAVE-Tour 50% off", "en", ["VAVE-", "Tour ", "50% ", "off"]),
        ("10-12 May", "en", ["10-12 ", "May"]),
        ("10\u00a0€ only", "en", ["10\u00a0€ ", "only"]),
        ("เทศกาลดนตรีริมทะเล", "th", ["เทศกาล", "ดนตรี", "ริมทะเล"]),
        ("서울 재즈", "ko", ["서울 ", "재즈"]),
        ("one\ntwo", "en", ["one\n", "two"]),
    ],
)
def test_lines_may_end_only_between_words(text: str, locale: str, expected: list[str]) -> None:
    assert pieces(text, locale) == expected


def test_a_number_keeps_its_counter() -> None:
    assert not any(
        piece.startswith(("年", "月", "日")) for piece in pieces("2026年6月12日", "zh-CN", poor=True)
    )


@pytest.mark.parametrize("locale", sorted(SENTENCES))
@settings(max_examples=40, deadline=None)
@given(width=st.floats(2.5, 30))
def test_wrapped_lines_fit_lose_nothing_and_keep_graphemes_and_kinsoku(locale: str, width: float) -> None:
    text = SENTENCES[locale]
    set_in = measured(text, locale)
    lines = wrap(set_in, width)
    if lines is None:
        return
    edges = {edge for span in graphemes(text) for edge in span}
    assert "".join(text[start:end] for start, end in lines).replace(" ", "") == text.replace(" ", "")
    for number, (start, end) in enumerate(lines):
        assert set_in.width(start, end) <= width
        assert {start, end} <= edges
        assert number == 0 or text[start] not in NOT_AT_START
        assert end == len(text) or text[end - 1] not in NOT_AT_END


def test_phrases_are_split_only_where_they_do_not_fit() -> None:
    text = SENTENCES["ja"]
    phrases = {each.index for each in breaks(text, "ja") if each.kind != "poor"}
    wide = wrap(measured(text, "ja"), 12.0)
    narrow = wrap(measured(text, "ja"), 3.0)
    assert wide is not None
    assert narrow is not None
    assert {end for _, end in wide} <= phrases
    assert not {end for _, end in narrow} <= phrases


def test_lines_are_balanced() -> None:
    set_in = measured("one two three four five six seven eight nine", "en")
    almost_all = set_in.width(0, len("one two three four five six seven eight"))
    lines = wrap(set_in, almost_all + 0.1)
    assert lines is not None
    widths = [set_in.width(*line) for line in lines]
    assert len(widths) == 2
    assert min(widths) / max(widths) > 0.85
