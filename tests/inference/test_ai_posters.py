"""The bench's prompts: `prompts/ai_posters.txt` holds what `prompts/README.md` says of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import regex

from inference.legibility.expected import expected_texts
from inference.legibility.folding import readable
from inference.legibility.readers import reader_entry
from inference.typography.bidirectional import base_direction
from inference.typography.blocks import CUTS
from inference.typography.fonts import dominant_script, script_of
from inference.typography.shaping import NoGlyph, normalise, paragraph
from inference.typography.styles import STYLES, Style, chain
from schemas.events import PromptEvent, Text
from streams.commands.documents import Checked, check, read_documents

PROMPTS = Path(__file__).parents[2] / "prompts"
FILE = PROMPTS / "ai_posters.txt"

OTHER_SCRIPTS = {
    "el": "Greek", "zh-CN": "Chinese, simplified", "zh-TW": "Chinese, traditional", "ja": "Japanese",
    "ru": "Cyrillic", "uk": "Cyrillic", "bg": "Cyrillic", "ar": "Arabic", "fa": "Arabic",
    "he": "Hebrew", "hi": "Devanagari", "th": "Thai", "ko": "Hangul",
}  # fmt: skip
CODES = {
    "Latin": {"Latn"}, "Greek": {"Grek"}, "Chinese, simplified": {"Hani"}, "Chinese, traditional": {"Hani"},
    "Japanese": {"Hani", "Hira", "Kana"}, "Cyrillic": {"Cyrl"}, "Arabic": {"Arab"}, "Hebrew": {"Hebr"},
    "Devanagari": {"Deva"}, "Thai": {"Thai"}, "Hangul": {"Hang"},
}  # fmt: skip
DECLARED = ("Latin", "Greek", "Chinese, simplified", "Chinese, traditional", "Japanese")
TO_THE_LETTER = {"headline", "brand", "price", "date"}

CURRENCY = regex.compile(r"NT\$|R\$|[$€£₺₹円元원]|CHF|Rp(?=\d)")
CLOCK = regex.compile(r"\d:[0-5]\d(?!\d)")


@pytest.fixture(scope="module")
def checked() -> Checked:
    return check(read_documents(FILE))


@pytest.fixture(scope="module")
def events(checked: Checked) -> tuple[PromptEvent, ...]:
    return tuple(placed.event for placed in checked.prompts)


@pytest.fixture(scope="module")
def alphabet() -> frozenset[str]:
    return reader_entry("rapidocr").characters()


def script(event: PromptEvent) -> str:
    return OTHER_SCRIPTS.get(event.locale, "Latin")


def mixes_scripts(texts: Sequence[Text]) -> bool:
    codes = {script_of(character) for text in texts for character in text.text}
    return "Latn" in codes and bool(codes - {"Latn", "Zyyy", "Zinh"})


def counts(events: Sequence[PromptEvent], alphabet: frozenset[str]) -> Counter[str]:
    """The rows of the README's table, counted from the file."""

    def some(test: Callable[[str], object]) -> int:
        return sum(any(test(text.text) for text in event.texts) for event in events)

    def where(test: Callable[[PromptEvent], object]) -> int:
        return sum(bool(test(event)) for event in events)

    words = [text.text for event in events for text in event.texts]
    counted = Counter({"prompts": len(events), "languages": len({e.locale.split("-")[0] for e in events})})
    counted["English"] = where(lambda event: event.locale == "en")
    counted.update(script(event) for event in events)
    counted["inside the bundled reader's alphabet"] = where(lambda event: is_covered(event, alphabet))
    counted.update(f"{len(event.texts)} {'text' if len(event.texts) == 1 else 'texts'}" for event in events)
    counted["a digit"] = some(lambda text: regex.search(r"\p{Nd}", text))
    counted["a percent sign"] = some(lambda text: regex.search("[%٪]", text))
    counted["a price in a currency"] = some(CURRENCY.search)
    counted["different currencies"] = len({mark for text in words for mark in CURRENCY.findall(text)})
    counted["a date or opening hours"] = where(lambda event: any(text.role == "date" for text in event.texts))
    counted["a clock time, as 18:15"] = some(CLOCK.search)
    counted["a brand or a person's name"] = where(
        lambda event: any(text.role in ("brand", "credits") for text in event.texts)
    )
    counted["a text all in capitals"] = some(str.isupper)
    counted["a text all in small letters"] = some(str.islower)
    counted["two scripts at once"] = where(lambda event: mixes_scripts(event.texts))
    counted["texts of 1 to 4 characters"] = sum(len(text) <= 4 for text in words)
    counted["texts of 45 to 60 characters"] = sum(45 <= len(text) <= 60 for text in words)
    counted["portrait"] = where(lambda event: event.height > event.width)
    counted["landscape"] = where(lambda event: event.width > event.height)
    counted["square"] = where(lambda event: event.width == event.height)
    counted["`fast_preview`"] = where(lambda event: event.fast_preview)
    counted["`requires_typography_precision`"] = where(lambda event: event.requires_typography_precision)
    counted.update(f"tag `{tag}`" for event in events for tag in event.tags)
    return counted


def is_covered(event: PromptEvent, alphabet: frozenset[str]) -> bool:
    return all(readable(text.text, alphabet) for text in event.texts)


def stated() -> dict[str, tuple[int, int]]:
    """Each row of the README's table: how many there are, and the floor under that."""
    row = re.compile(r"^\| (.+?) \| (\d+) \| (\d+) \|$", re.MULTILINE)
    readme = (PROMPTS / "README.md").read_text("utf-8")
    return {name: (int(count), int(floor)) for name, count, floor in row.findall(readme)}


def test_every_line_is_a_sound_prompt_with_an_id_of_its_own(checked: Checked) -> None:
    assert not checked.faults
    assert not checked.warnings
    lines = [line for line in FILE.read_text("utf-8").splitlines() if line.strip()]
    events = [placed.event for placed in checked.prompts]
    assert len({event.id for event in events}) == len(events) == len(lines)
    assert {event.source for event in events} == {"ai-posters"}


def test_the_texts_are_what_the_prompt_quotes_and_in_its_order(events: tuple[PromptEvent, ...]) -> None:
    differing = {
        event.id: (quoted, given)
        for event in events
        if (quoted := [text.text for text in expected_texts(event.prompt, ())])
        != (given := [text.text for text in event.texts])
    }
    assert not differing


def test_titles_names_prices_and_dates_must_match_to_the_letter(events: tuple[PromptEvent, ...]) -> None:
    lax = [
        f"{event.id}: {text.text}"
        for event in events
        for text in event.texts
        if text.role in TO_THE_LETTER and not text.critical
    ]
    assert not lax


def test_every_prompt_is_written_in_the_script_of_its_locale(events: tuple[PromptEvent, ...]) -> None:
    strange = [
        event.id
        for event in events
        if dominant_script("".join(text.text for text in event.texts)) not in CODES[script(event)]
    ]
    assert not strange


def test_the_readme_counts_the_file_and_its_floors_hold(
    events: tuple[PromptEvent, ...], alphabet: frozenset[str]
) -> None:
    table = stated()
    assert {name: count for name, (count, _) in table.items()} == dict(counts(events, alphabet))
    assert not {name: row for name, row in table.items() if row[0] < row[1]}


def test_at_least_half_of_the_latin_prompts_are_english_and_one_in_eight_has_no_reader(
    events: tuple[PromptEvent, ...],
) -> None:
    scripts = Counter(script(event) for event in events)
    assert sum(event.locale == "en" for event in events) >= scripts["Latin"] / 2
    unread = sum(count for name, count in scripts.items() if name not in DECLARED)
    assert len(events) / 9 <= unread <= len(events) / 7


def test_95_percent_of_the_latin_greek_chinese_and_japanese_prompts_are_in_the_readers_alphabet(
    events: tuple[PromptEvent, ...], alphabet: frozenset[str]
) -> None:
    declared = [event for event in events if script(event) in DECLARED]
    covered = [event.id for event in declared if is_covered(event, alphabet)]
    assert len(covered) >= 0.95 * len(declared)


def test_no_prompt_of_another_script_is_in_the_readers_alphabet(
    events: tuple[PromptEvent, ...], alphabet: frozenset[str]
) -> None:
    outside = [event for event in events if script(event) not in DECLARED]
    assert not [text.text for event in outside for text in event.texts if readable(text.text, alphabet)]


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_the_layout_engine_has_a_glyph_for_every_text(style: Style, events: tuple[PromptEvent, ...]) -> None:
    unset = []
    for event in events:
        for text in event.texts:
            words = normalise(text.text)
            faces = chain(style, CUTS[text.role].voice, words)
            direction = base_direction(words, event.locale)
            try:
                paragraph(words, faces, direction=direction, locale=event.locale)
            except NoGlyph as error:
                unset.append((event.id, text.text, error.characters))
    assert not unset
