"""What RapidOCR's network weighed for a character comes out beside what it chose."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.legibility.alternatives import LEAST, MOST, Spoken, Telling, alternatives
from inference.legibility.base import Line
from inference.legibility.page import lay_out, weighed

# Class 0 is "no character here".
CLASSES = ["blank", "T", "Γ", "F", "I", " "]


def steps(*rows: dict[str, float]) -> NDArray[np.float32]:
    return np.array([[row.get(name, 0.0) for name in CLASSES] for row in rows], np.float32)


def test_each_characters_rivals_are_told_best_first() -> None:
    line = steps({"T": 0.53, "Γ": 0.03, "F": 0.43}, {"blank": 0.9, "Γ": 0.1}, {"I": 0.99})
    assert alternatives(line, CLASSES) == ((0, "F", 0.43), (0, "Γ", 0.03))


def test_a_rivals_probability_is_its_highest_in_the_steps_of_one_character() -> None:
    line = steps({"T": 0.7, "Γ": 0.02}, {"T": 0.6, "Γ": 0.3}, {"T": 0.9})
    assert alternatives(line, CLASSES) == ((0, "Γ", 0.3),)


def test_a_gap_between_two_equal_characters_makes_them_two() -> None:
    line = steps({"I": 0.9, "T": 0.1}, {"blank": 1.0}, {"I": 0.8, "T": 0.2})
    assert alternatives(line, CLASSES) == ((0, "T", 0.1), (1, "T", 0.2))


def test_neither_the_gap_nor_what_is_next_to_impossible_is_a_rival() -> None:
    assert alternatives(steps({"T": 0.6, "blank": 0.39, "F": LEAST / 2}), CLASSES) == ()


def test_a_character_has_a_handful_of_rivals_at_most() -> None:
    wide = [*map(chr, range(0x4E00, 0x4E00 + 40))]
    line = np.full((1, 40), 0.02, np.float32)
    line[0, 1] = 0.2
    assert len(alternatives(line, wide)) == MOST


def test_a_decoders_texts_carry_them_and_are_texts_still() -> None:
    class Decoder:
        character = CLASSES

        def __call__(
            self, steps: NDArray[np.float32], *, return_word_box: bool = False
        ) -> tuple[list[tuple[str, float]], list[str]]:
            assert not return_word_box and steps.shape == (1, 1, 6)
            return [("T", 0.5)], []

    (told,), words = Telling(Decoder())(steps({"T": 0.5, "Γ": 0.4})[None], return_word_box=False)
    assert told == ("T", 0.5) and words == []
    assert isinstance(told[0], Spoken) and told[0].alternatives == ((0, "Γ", 0.4),)


@pytest.mark.parametrize(
    ("text", "rival", "expected"),
    [
        ("NEW TIOPTH", (4, "Γ", 0.03), {(3, "Γ"): 0.03}),
        ("NEW TIOPTH", (3, "Γ", 0.03), {}),
        ("_Pain", (1, "p", 0.2), {(0, "p"): 0.2}),
        ("wait… TIP", (6, "Γ", 0.1), {(7, "Γ"): 0.1}),
    ],
    ids=[
        "in the second word",
        "on a space",
        "after a rule read as a low line",
        "after dots that count three",
    ],
)
def test_a_word_has_those_that_fall_on_it(
    text: str, rival: tuple[int, str, float], expected: dict[tuple[int, str], float]
) -> None:
    page = lay_out([Line(text, 0.9, (), alternatives=(rival,))])
    assert weighed(page.words) == expected
