from __future__ import annotations

import time

import pytest

from inference.legibility.expected import MAX_CHARACTERS, MAX_TEXTS, expected_texts
from schemas.events import Text

QUOTED = {
    "straight": ('A poster that says "SUMMER SALE" and "50% OFF"', ["SUMMER SALE", "50% OFF"]),
    "typographic": ("saying “Grand Opening”, then “Free Entry”", ["Grand Opening", "Free Entry"]),
    "german": ("ein Plakat: „Sommerfest“ und „Freier Eintritt“", ["Sommerfest", "Freier Eintritt"]),
    "polish": ("plakat „Wielka wyprzedaż”", ["Wielka wyprzedaż"]),
    "swedish": ("affisch med ”Rea”", ["Rea"]),
    "french": ("une affiche «Grand Soldes» et « Prix cassés »", ["Grand Soldes", "Prix cassés"]),
    "danish": ("plakat »Stort udsalg«", ["Stort udsalg"]),
    "single": ("a sign ‘OPEN’ beside ‘Don’t stop’", ["OPEN", "Don’t stop"]),
    "single straight": ("a sign 'OPEN' beside 'Don't stop'", ["OPEN", "Don't stop"]),
    "corner": ("海报上写着「大減價」和『全場五折』", ["大減價", "全場五折"]),
    "double angle": ("海报《流浪地球》标题", ["流浪地球"]),
    "chinese typographic": ("海报写着“限时特价”，日期“6月1日”", ["限时特价", "6月1日"]),
    "straight after a letter without space": ('海报上写着"大减价"字样', ["大减价"]),
    "backticks": ("a card with `HELLO` and ``GOOD BYE``", ["HELLO", "GOOD BYE"]),
    "latex": ("a card with ``HELLO''", ["HELLO"]),
    "spaces inside": ('the words " SALE " in red', ["SALE"]),
    "one inside another": ("“THE ‘BIG’ SALE”", ["THE ‘BIG’ SALE"]),
    "ornamental": ("a card ❝Stay wild❞", ["Stay wild"]),
    "low and low": ("en affisch ”Rea” och ‚Nu‘", ["Rea", "Nu"]),
    "japanese double prime": ("看板に〝営業中〟", ["営業中"]),
    "single angle": ("une affiche ‹Soldes›", ["Soldes"]),
    "entities": ("&quot;FISH &amp; CHIPS&quot;", ["FISH & CHIPS"]),
}

ESCAPED = {
    "quote inside": (r'"He said \"HI\" today"', ['He said "HI" today']),
    "all escaped": (r"a banner \"BIG SALE\" here", ["BIG SALE"]),
    "line break": (r'"SUMMER\nSALE"', ["SUMMER SALE"]),
    "backslash": (r'"C:\\TEMP"', [r"C:\TEMP"]),
}

NOT_QUOTES = {
    "apostrophe": ("it's the dogs' park, don't run", []),
    "decade": ("the '90s sign that says 'OPEN'", ["OPEN"]),
    "elision": ("rock 'n' roll night, 'LIVE MUSIC'", ["LIVE MUSIC"]),
    "inches": ('a 24"x36" print with "SALE"', ["SALE"]),
    "feet and inches": ("a 5'10\" man holding 'OPEN'", ["OPEN"]),
    "unclosed": ('a poster "SALE', []),
    "punctuation only": ('a face with "..." above', []),
}

UNWANTED = {
    "no text": ('a beach, no text "LOREM IPSUM"', []),
    "without": ('poster "SALE" without the word "FREE"', ["SALE"]),
    "without a list": ('without the words "FREE", "CHEAP" or "NEW", headline "NOW"', ["NOW"]),
    "do not": ('a card "YES", do not write "NO"', ["YES"]),
    "does not say": ('the sign does not say "CLOSED"', []),
    "instead of": ('"OPEN" instead of "CLOSED"', ["OPEN"]),
    "no text except": ('no text except "SALE"', ["SALE"]),
    "no other text than": ('no other text than "SALE"', ["SALE"]),
    "negation of something else": ('a street without people and the title "SALE"', ["SALE"]),
    "clause before": ('no watermark, title "SALE"', ["SALE"]),
    "no doubt": ('there is no doubt: the sign reads "OPEN"', ["OPEN"]),
    "style of": ('in the style of "Saul Bass", title "VERTIGO"', ["VERTIGO"]),
    "style after": ('a "Bauhaus" style poster reading "FORM"', ["FORM"]),
    "font": ('set in the font "Anton": "SALE"', ["SALE"]),
}

KEYWORDS = {
    "title": ("title: SUMMER SALE, a beach", ["SUMMER SALE"]),
    "title and tagline": ("title: Big Sur\ntagline: Feel it", ["Big Sur", "Feel it"]),
    "reading, with a colon": ("a wooden sign reading: Fresh Bread, on a wall", ["Fresh Bread"]),
    "capitals": ("a neon sign saying OPEN NOW in the rain", ["OPEN NOW"]),
    "no capitals": ("a man reading a book", []),
    "quotes win": ('title: ignored, "SALE"', ["SALE"]),
}


def _cases(*tables: dict[str, tuple[str, list[str]]]) -> list[object]:
    return [pytest.param(*case, id=name) for table in tables for name, case in table.items()]


@pytest.mark.parametrize(("prompt", "texts"), _cases(QUOTED, ESCAPED))
def test_every_quoting_convention_is_understood_in_order(prompt: str, texts: list[str]) -> None:
    assert [text.text for text in expected_texts(prompt, ())] == texts


@pytest.mark.parametrize(("prompt", "texts"), _cases(NOT_QUOTES, UNWANTED))
def test_what_is_not_to_be_written_is_not_expected(prompt: str, texts: list[str]) -> None:
    assert [text.text for text in expected_texts(prompt, ())] == texts


@pytest.mark.parametrize(("prompt", "texts"), _cases(KEYWORDS))
def test_keywords_count_only_where_nothing_is_quoted(prompt: str, texts: list[str]) -> None:
    assert [text.text for text in expected_texts(prompt, ())] == texts


def test_explicit_texts_win_over_the_prompt() -> None:
    explicit = (Text("ONLY THIS", critical=True),)
    assert expected_texts('a poster "SALE"', explicit) == explicit


def test_a_second_mention_of_the_same_words_is_the_same_text() -> None:
    assert [text.text for text in expected_texts('"SALE" in red, the word "Sale" glows', ())] == ["SALE"]


def test_roles_come_from_the_word_before_the_quote() -> None:
    prompt = 'subtitle "One night", headline "JAZZ", price "$5", date: "June 5", button "BUY", logo "ACME"'
    assert [text.role for text in expected_texts(prompt, ())] == [
        "subtitle",
        "headline",
        "price",
        "date",
        "cta",
        "brand",
    ]


def test_without_a_cue_the_first_text_is_the_headline() -> None:
    assert [t.role for t in expected_texts('"A1" "B2" "C3"', ())] == ["headline", "subtitle", "body"]


def test_the_bounds_of_an_event_are_kept() -> None:
    many = " ".join(f'"text {i}"' for i in range(MAX_TEXTS + 20)) + ' "' + "x" * (MAX_CHARACTERS + 1) + '"'
    texts = expected_texts(many, ())
    assert len(texts) == MAX_TEXTS
    assert all(len(text.text) <= MAX_CHARACTERS for text in texts)


@pytest.mark.parametrize(
    "prompt",
    [
        "“a " * 3333,
        "‘a b’c " * 1428,
        "`" * 10_000,
        "\\" * 10_000,
        '\\"' * 5_000,
        "says " + "A! B" * 2_498,
        "no the " * 1_428 + '"A"',
    ],
    ids=lambda prompt: prompt[:8],
)
def test_a_hostile_prompt_costs_less_than_a_second(prompt: str) -> None:
    before = time.process_time()
    expected_texts(prompt, ())
    assert time.process_time() - before < 1
