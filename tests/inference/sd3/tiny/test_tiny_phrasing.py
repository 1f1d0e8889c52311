"""Whatever is asked of the tiny model is said in its language or refused, and what is lost is named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engines.prompting import prompt_for
from inference.sd3.base import CannotDraw
from inference.sd3.tiny.grammar import parse
from inference.sd3.tiny.looks import Look, look_of
from inference.sd3.tiny.phrasing import phrase
from inference.sd3.tiny.words import (
    ALPHABET,
    COLOURS,
    FACES,
    GROUNDS,
    SECOND_LENGTHS,
    SHAPES,
    TITLE_LENGTHS,
    Poster,
)
from schemas.events import Spec, Text

ORBIT = 'a red circle on deep blue, bold title "ORBIT 9"'


def asked(prompt: str, *texts: str | Text) -> Spec:
    return Spec(
        prompt=prompt,
        texts=tuple(text if isinstance(text, Text) else Text(text) for text in texts),
        negative_prompt="",
        width=256,
        height=256,
        sampler="euler",
        steps=None,
        guidance=None,
        seed=1,
        locale="en",
    )


def said(prompt: str, *texts: str | Text) -> Poster:
    poster = parse(phrase(asked(prompt, *texts)).prompt)
    assert poster is not None
    return poster


def test_an_accent_looks_the_same_however_it_is_written() -> None:
    one, other = (asked(f"{café}, at night", "ORBIT") for café in ("un caf\u00e9", "un cafe\u0301"))
    assert phrase(one) == phrase(other)


def _texts(lengths: tuple[int, int]) -> st.SearchStrategy[str]:
    letters = st.text(f"{ALPHABET} ", min_size=lengths[0], max_size=lengths[1])
    return letters.filter(lambda text: text == " ".join(text.split()) and len(text) >= lengths[0])


posters = st.builds(
    Poster,
    shape=st.sampled_from(SHAPES),
    colour=st.sampled_from(tuple(COLOURS)),
    ground=st.sampled_from(tuple(GROUNDS)),
    face=st.sampled_from(FACES),
    title=_texts(TITLE_LENGTHS),
    second=st.just("") | _texts(SECOND_LENGTHS),
)
latin = st.text("aBcdEfgH éÜß019 '-%€.\t", min_size=1, max_size=30)
anything = st.text(min_size=1, max_size=60)


@given(posters)
def test_a_prompt_of_the_language_is_read_back_and_passes_unchanged(poster: Poster) -> None:
    assert parse(poster.prompt) == poster
    assert phrase(asked(poster.prompt)).prompt == poster.prompt
    explicit = phrase(asked(poster.prompt, *filter(None, (poster.second, poster.title))))
    assert (explicit.prompt, explicit.reason) == (poster.prompt, "")


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        ORBIT.replace("a red", "an red"),
        ORBIT.replace("circle", "cube"),
        ORBIT.replace("ORBIT", "Orbit"),
        ORBIT.replace("ORBIT 9", "AB"),
        ORBIT.replace("ORBIT 9", "ABCDEFGHIJK"),
        ORBIT.replace("ORBIT 9", "ORBIT  9"),
        ORBIT.replace("ORBIT 9", " ORBIT"),
        f'{ORBIT}, below "NINE LONG"',
        f"{ORBIT}\n",
    ],
)
def test_nearly_the_language_is_not_the_language(prompt: str) -> None:
    assert parse(prompt) is None


@given(prompt=anything | latin, texts=st.lists(latin | anything, max_size=5))
def test_what_is_said_is_always_in_the_language(prompt: str, texts: list[str]) -> None:
    try:
        phrased = phrase(asked(prompt, *texts))
    except CannotDraw as refusal:
        assert "A-Z, 0-9" in str(refusal)
    else:
        assert parse(phrased.prompt) is not None
        assert phrase(asked(phrased.prompt)).prompt == phrased.prompt


@given(texts=st.lists(latin, min_size=1, max_size=3), prompt=latin)
def test_nothing_is_written_that_was_not_asked_for_and_no_loss_is_silent(
    texts: list[str], prompt: str
) -> None:
    try:
        phrased = phrase(asked(prompt, *texts))
    except CannotDraw:
        return
    poster = parse(phrased.prompt)
    assert poster is not None
    assert set(poster.title + poster.second) <= set(f"{ALPHABET} ")
    if [poster.title, *filter(None, [poster.second])] != texts:
        assert phrased.reason


@given(prompt=anything)
def test_the_same_prompt_always_looks_the_same(prompt: str) -> None:
    spec = asked(prompt, "SAME")
    assert phrase(spec) == phrase(spec)


def test_prompts_that_name_no_look_get_different_ones() -> None:
    looks = {look_of("", f"prompt {number}") for number in range(200)}
    assert len(looks) > 180
    assert {look.shape for look in looks} == set(SHAPES)
    assert {look.ground for look in looks} == set(GROUNDS)
    assert all(look.colour not in look.ground for look in looks)


def test_the_headline_is_the_title_wherever_it_stands() -> None:
    poster = said("a poster", Text("MAY 2027", "date"), Text("ORBIT 9", "headline"), Text("MORE", "body"))
    assert (poster.title, poster.second) == ("ORBIT 9", "MAY 2027")


def test_without_texts_the_prompts_quotes_are_written() -> None:
    poster = said('Poster, price "50 OFF", headline "SALE"')
    assert (poster.title, poster.second) == ("SALE", "50 OFF")


@pytest.mark.parametrize(
    ("text", "title", "lost"),
    [
        ("ORBIT 9", "ORBIT 9", ""),
        ("Orbit 9", "ORBIT 9", '"Orbit 9" is written "ORBIT 9"'),
        ("RUN THE CITY", "RUN THE", 'without "CITY", for which there is no room'),
        ("Harbour Jazz", "HARBOUR", 'without "JAZZ"'),
        ("La Traviata", "LA TRAVIAT", 'without "A"'),
        ("Buchmessezeit", "BUCHMESSEZ", 'without "EIT"'),
        ("CAFÉ ŁÓDŹ", "CAFE LODZ", "without accents"),
        ("Straße", "STRASSE", 'is written "STRASSE"'),
        ("50% OFF", "50 OFF", "without the signs %"),
        ("ROCK'N'ROLL", "ROCKNROLL", "without the signs '"),
        ("SELF-MADE", "SELF MADE", "without the signs -"),
        ("ＷＩＤＥ", "WIDE", ""),
        ("ΜΑΗ ΑΒ", "MAH AB", ""),
        ("  TWO\tWORDS ", "TWO WORDS", ""),
    ],
)
def test_a_title_is_written_as_near_as_the_letters_allow(text: str, title: str, lost: str) -> None:
    phrased = phrase(asked("a poster", text))
    poster = parse(phrased.prompt)
    assert poster is not None
    assert poster.title == title
    assert lost in phrased.reason


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ((), "texts: the prompt asks for no words; quote the title"),
        (("春茶上市", "SALE"), 'text: "春茶上市" has 春茶上市, which it cannot spell'),
        (("SALE", "限时八折"), "has 限时八折, which it cannot spell"),
        (("ΝΥΧΤΕΣ",), "has Σ, which it cannot spell"),
        (("TOKYO 東京",), "has 東京"),
        (("٥٠ OFF",), "has ٥٠"),
        (("GO",), 'title: "GO" is too short'),
        (("?!",), 'title: "?!" is too short'),
    ],
    ids=["no words", "Chinese", "Chinese below", "Greek", "mixed", "digits", "short", "signs"],
)
def test_what_cannot_be_spelled_is_refused_with_what_can(texts: Sequence[str], told: str) -> None:
    with pytest.raises(CannotDraw) as refusal:
        phrase(asked("a poster", *texts))
    assert told in str(refusal.value)
    assert "a title of 3 to 10 characters" in str(refusal.value)


def test_texts_without_a_place_are_named() -> None:
    phrased = phrase(asked("a poster", "MENU", "TEA", "CAKE", "5€"))
    assert phrased.reason == '"CAKE" is left out; "5€" is left out'
    short = phrase(asked("a poster", "MENU", "5€"))
    assert short.reason == '"5€" is left out'
    assert said("a poster", "MENU", "5€").second == ""


def test_a_prompt_of_the_language_gives_way_to_other_texts() -> None:
    spec = asked(ORBIT, "MARS")
    assert said(ORBIT, "MARS").title == "MARS"
    assert said(prompt_for(spec), "MARS") == Poster("circle", "red", "deep blue", "bold", "MARS")


@pytest.mark.parametrize(
    ("words", "look"),
    [
        ("one blue square on white, a serif", Look("square", "blue", "white", "serif")),
        ("A Golden SUN on navy, rounded letters", Look("circle", "yellow", "deep blue", "round")),
        ("an amber moon at night, bold", Look("circle", "orange", "black", "bold")),
        ("crimson stars, dark green background, sans serif", Look("star", "red", "deep green", "plain")),
        ("a white page with a pink kite on blue, condensed", Look("diamond", "pink", "deep blue", "tall")),
        ("teal rings on a yellow wall, thin letters", Look("ring", "teal", "pale yellow", "narrow")),
        ("green pyramid, soft blue backdrop, elegant", Look("triangle", "green", "pale blue", "elegant")),
        ("a violet box, light pink, loud", Look("square", "purple", "pale pink", "heavy")),
    ],
)
def test_the_look_is_what_the_prompt_names(words: str, look: Look) -> None:
    assert look_of(words, "any") == look
    assert look_of(words, "other") == look


def test_the_words_to_be_written_name_no_look() -> None:
    looks = {said(f'poster {number}, title "RED STAR"') for number in range(40)}
    assert len({poster.colour for poster in looks}) > 1
    assert len({poster.shape for poster in looks}) > 1


def test_phrasing_loads_no_model_no_fonts_and_no_pictures() -> None:
    heavy = "{'torch', 'diffusers', 'transformers', 'tokenizers', 'skia', 'PIL', 'scipy'}"
    code = f"import sys, inference.sd3.tiny.phrasing\nsys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")
