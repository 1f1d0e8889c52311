"""What the tiny model is shown: words by lot, none of them held out, drawn where the recipe says."""

from __future__ import annotations

import re

import numpy as np
import pytest

from inference.sd3.tiny import words
from inference.sd3.tiny.drawing import SIDE, draw, draw_batch
from inference.sd3.tiny.words import Poster

ORBIT = Poster("circle", "red", "deep blue", "bold", "ORBIT 9")


def test_the_prompt_says_what_is_drawn() -> None:
    assert ORBIT.prompt == 'a red circle on deep blue, bold title "ORBIT 9"'
    two = Poster("star", "orange", "white", "serif", "MAY", "2027")
    assert two.prompt == 'an orange star on white, serif title "MAY", below "2027"'


def test_no_training_text_is_held_out_and_every_probe_text_is() -> None:
    rng = np.random.default_rng(1)
    trained = words.draw_posters(rng, 2_000, second_share=0.5)
    assert not any(words.is_held_out(p.title) or (p.second and words.is_held_out(p.second)) for p in trained)
    probed = words.draw_held_out(rng, 50, second_share=0.5)
    assert all(words.is_held_out(p.title) for p in probed)
    assert all(words.is_held_out(p.second) for p in probed if p.second)


def test_holding_out_looks_at_letters_only() -> None:
    rng = np.random.default_rng(2)
    text = words.draw_held_out(rng, 1, lengths=(6, 6))[0].title
    assert words.is_held_out(f"{text[:3]} {text[3:]}".lower())


def test_held_out_words_are_not_one_letter_repeated() -> None:
    titles = [p.title for p in words.draw_held_out(np.random.default_rng(3), 40)]
    assert len(set(titles)) == 40
    assert set("".join(titles)) == set(words.ALPHABET)
    assert sum(len(set(title)) > 1 for title in titles) >= 39


def test_titles_have_the_promised_lengths_and_letters() -> None:
    posters = words.draw_posters(np.random.default_rng(4), 2_000, second_share=1.0)
    pattern = re.compile(r"[A-Z0-9]+( [A-Z0-9]+)?")
    assert all(pattern.fullmatch(text) for p in posters for text in (p.title, p.second))
    assert {len(p.title) for p in posters} == set(range(3, 11))
    assert {len(p.second) for p in posters} == set(range(3, 9))
    assert {p.face for p in posters} == set(words.FACES)


def test_the_same_seed_draws_the_same_posters() -> None:
    once, again = (words.draw_posters(np.random.default_rng([7, 2]), 5, second_share=0.5) for _ in range(2))
    assert once == again


@pytest.mark.parametrize("face", words.FACES)
def test_every_face_sets_every_letter_within_the_margins(face: str) -> None:
    bare = Poster("circle", "red", "black", face, "I")
    for start in range(0, len(words.ALPHABET), 10):
        picture = draw(Poster("circle", "red", "black", face, words.ALPHABET[start : start + 10]))
        ink = picture[:100].min(axis=2) > 128
        assert ink.any()
        assert not ink[:, :10].any() and not ink[:, -10:].any()
        assert not ink[:34].any() and not ink[94:].any()
    assert (draw(bare)[:100].min(axis=2) > 128).any()


def test_rows_of_a_poster_are_those_of_the_whole() -> None:
    posters = words.draw_posters(np.random.default_rng(5), 3, second_share=1.0)
    whole, band = draw_batch(posters), draw_batch(posters, (32, 96))
    assert whole.shape == (3, SIDE, SIDE, 3)
    # The gradient is dithered by place in the picture: a level of difference is no difference.
    assert np.abs(whole[:, 32:96].astype(int) - band).max() <= 2


def test_ground_shape_and_ink_have_the_named_colours() -> None:
    picture = draw(ORBIT)
    assert np.abs(picture[4, 4].astype(int) - words.GROUNDS["deep blue"]).max() <= 3
    assert np.abs(picture[148, 128].astype(int) - words.COLOURS["red"]).max() <= 2
    assert picture[40:90].max() > 240
