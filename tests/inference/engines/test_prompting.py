from __future__ import annotations

import unicodedata
from random import Random

import pytest

from inference.engines.prompting import normalised, prompt_for
from inference.legibility.expected import expected_texts
from tests.inference.engines.conftest import MakeSpec

ODD = [
    *('"', "“", "”", "„", "«", "»", "‹", "＂", "❝", "❞", "'", "’", "`", "\\"),
    *("\n", "\r\n", "\t", " ", "\u00a0", "\u200b", "\ufeff", "\u200d", "\u202e", "\x00", "\u2028"),
    *("e\u0301", "Ж", "日", "SALE", "50 %", "no text"),
]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("A cafe\u0301 poster", "A caf\u00e9 poster"),
        ("  A\tposter\u00a0of \u3000spring  ", "A poster of spring"),
        ("one\r\ntwo\rthree\u2028four \n five", "one\ntwo\nthree\nfour\nfive"),
        ("one\n\n \n\n\ntwo", "one\n\ntwo"),
        ("\ufeffA pos\u00adter\u200b\x00", "A poster"),
        ("می\u200cخواهم 👩\u200d🚀", "می\u200cخواهم 👩\u200d🚀"),
        ("it says “SUMMER SALE”", 'it says "SUMMER SALE"'),
        ("es sagt „SOMMER“ und „SONNE“", 'es sagt "SOMMER" und "SONNE"'),
        ("elle dit « Soldes »", 'elle dit "Soldes"'),
        ("det står ”REA”", 'det står "REA"'),
        ("「夏のセール」と書く", "「夏のセール」と書く"),
        ("it’s the dog's “ball”", 'it’s the dog\'s "ball"'),
        ('says “a 12" pizza”', 'says “a 12" pizza”'),
        ("says «He said “no”»", "says «He said “no”»"),
    ],
)
def test_two_spellings_of_a_prompt_are_one_request(written: str, sent: str) -> None:
    assert normalised(written) == sent


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_written_it_names_the_same_texts_and_is_done_in_one_go(seed: int) -> None:
    dice = Random(seed)
    for _ in range(25):
        written = "".join(dice.choices(ODD, k=dice.randint(0, 25)))
        sent = normalised(written)
        assert normalised(sent) == sent, repr(written)
        assert unicodedata.is_normalized("NFC", sent)
        assert sent == sent.strip() and "  " not in sent and "\r" not in sent


@pytest.mark.parametrize(
    "prompt",
    [
        "“SUMMER SALE” und „KOMMT“",
        "« Soldes » et “-50 %”",
        'a 12" pizza “HOT”',
        "no text “x”, “y”",
        "‘OPEN’ “24 h”",
    ],
)
def test_straight_marks_name_what_the_typographic_ones_named(prompt: str) -> None:
    assert [text.text for text in expected_texts(normalised(prompt), ())] == [
        text.text for text in expected_texts(prompt, ())
    ]


def test_a_text_in_another_spelling_is_not_asked_for_twice(make_spec: MakeSpec) -> None:
    spec = make_spec("A menu that says “CAFE\u0301\u00a0NOIR”", "CAF\u00c9 NOIR")
    assert prompt_for(spec) == 'A menu that says "CAF\u00c9 NOIR"'
    lacking = make_spec("A menu\u00a0", "cafe\u0301  noir")
    assert prompt_for(lacking) == 'A menu\nSet in the picture, large and clear: "caf\u00e9 noir".'
