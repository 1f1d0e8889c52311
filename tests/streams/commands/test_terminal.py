from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.commands.terminal import cells, dollars, safe, safe_bytes


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb", "a\\x0ab"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp", "\\u202egnp"),
        ("\u2028", "\\u2028"),
        ("क्‍ष", "क्‍ष"),
        ("שלום", "שלום"),
    ],
    ids=["escape", "line feed", "C1", "override", "line separator", "joiner", "Hebrew"],
)
def test_what_steers_a_terminal_is_shown_and_words_stay(text: str, shown: str) -> None:
    assert safe(text) == shown


@given(st.text())
def test_nothing_that_steers_survives(text: str) -> None:
    kept = safe(text)
    assert not any(unicodedata.category(ch) in ("Cc", "Cs", "Zl", "Zp") for ch in kept)
    assert not set(kept) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def test_bytes_that_are_no_text_are_escaped_and_long_ones_cut_with_a_note() -> None:
    assert safe_bytes(b"\xff\x00a", limit=10) == "\\xff\\x00a"
    assert safe_bytes(b"abcdef", limit=2) == "ab\n... 4 more bytes (--raw writes all of them)"


def test_markup_in_a_prompt_is_text() -> None:
    (cell,) = cells("[red]not red[/red]")
    assert cell.plain == "[red]not red[/red]"
    assert cell.spans == []


@pytest.mark.parametrize(
    ("usd", "shown"), [(0.0, "$0.00"), (0.0672, "$0.0672"), (12.5, "$12.50"), (1234.5, "$1,234.50")]
)
def test_small_sums_keep_their_figures(usd: float, shown: str) -> None:
    assert dollars(usd) == shown
