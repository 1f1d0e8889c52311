from __future__ import annotations

import bidi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.typography.bidirectional import Direction, base_direction, levels, runs

MIXED = st.text(alphabet="abשלםع12 (),.-%", max_size=14)


def visual(text: str, base: Direction) -> str:
    resolved = list(levels(text, base))
    end = len(text)
    while end and text[end - 1] == " ":  # rule L1, which line trimming does for posters
        end -= 1
        resolved[end] = int(base == "rtl")
    return "".join(
        text[start:stop][::-1] if level % 2 else text[start:stop] for start, stop, level in runs(resolved)
    )


@settings(max_examples=300, deadline=None)
@given(MIXED, st.sampled_from(["ltr", "rtl"]))
def test_order_is_that_of_an_independent_implementation(text: str, base: Direction) -> None:
    assert visual(text, base) == bidi.get_display(text, base_dir="R" if base == "rtl" else "L")


def test_a_closing_bracket_stays_with_the_latin_it_closes() -> None:
    assert visual("פסטיבל AI (ML)", "rtl") == "AI (ML) לביטספ"


def test_numbers_read_left_to_right_in_arabic() -> None:
    assert visual("مهرجان 2026", "rtl").startswith("2026")


@pytest.mark.parametrize(
    ("text", "locale", "direction"),
    [
        ("שלום", "en", "rtl"),
        ("Anna أنا", "ar", "ltr"),
        ("2026", "ar", "rtl"),
        ("2026", "en", "ltr"),
        ("", "fa-IR", "rtl"),
    ],
)
def test_the_first_strong_letter_decides_else_the_locale(
    text: str, locale: str, direction: Direction
) -> None:
    assert base_direction(text, locale) == direction
