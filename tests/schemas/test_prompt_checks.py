"""What holds between the fields of a prompt."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from schemas.checks import prompt_faults
from schemas.events import PromptEvent, Text


def faults(**fields: Any) -> list[tuple[str, str]]:
    event = PromptEvent(**{"id": "a", "source": "s", "prompt": "p", **fields})
    return [(fault.field, fault.message) for fault in prompt_faults(event)]


def fields_at_fault(**fields: Any) -> list[str]:
    return [field for field, _ in faults(**fields)]


MANY = tuple(f"en-{number:03}" for number in range(50))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"variants": 200},
        {"variants": 20, "locales": MANY},
        {"width": 3840, "height": 2160},
        {"width": 2160, "height": 3840},
        {"prompt": "two\nlines,\ta tab, \u200dja\u200dner, \U0001f3b7 and العربية"},
        {"deadline": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)},
        {"texts": (Text("A"), Text("B", locale="en"))},
        {"locales": ("en", "de"), "texts": (Text("A"),)},
        {"locales": ("en", "pt_BR"), "texts": (Text("A", locale="EN"), Text("B", locale="pt-br"))},
        {"locales": ("en", "de"), "texts": (Text("A", locale="en"), Text("B"))},
        {"locale": "th", "texts": (Text("ราตรี", locale="th"),)},
    ],
)
def test_a_sound_prompt_passes(fields: dict[str, Any]) -> None:
    assert faults(**fields) == []


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"variants": 21, "locales": MANY}, ["variants"]),
        ({"width": 3840, "height": 2176}, ["width"]),
        ({"deadline": dt.datetime(2019, 12, 31, tzinfo=dt.UTC)}, ["deadline"]),
        ({"deadline": dt.datetime(2200, 1, 1, tzinfo=dt.UTC)}, ["deadline"]),
        ({"locales": ("en", "EN")}, ["locales[1]"]),
        ({"locales": ("en", "de"), "texts": (Text("A", locale="en"),)}, ["locales[1]"]),
        ({"locales": ("en",), "texts": (Text("A"), Text("B", locale="fr"))}, ["texts[1].locale"]),
        ({"texts": (Text("A", locale="fr"),)}, ["texts[0].locale"]),
        ({"prompt": " \n"}, ["prompt"]),
        ({"texts": (Text("A"), Text("\u3000"))}, ["texts[1].text"]),
        ({"prompt": "a\x00b"}, ["prompt"]),
        ({"negative_prompt": "\x1b[0m"}, ["negative_prompt"]),
        ({"id": "a\nb"}, ["id"]),
        ({"source": "s\r"}, ["source"]),
        ({"campaign": "\x7f"}, ["campaign"]),
        ({"locale": "en\n"}, ["locale"]),
        ({"tags": ("ultra", "a\tb")}, ["tags[1]"]),
        ({"locales": ("en\n",)}, ["locales[0]"]),
        ({"texts": (Text("A", locale="en\n"),)}, ["texts[0].locale", "texts[0].locale"]),
    ],
)
def test_a_prompt_that_contradicts_itself_is_told_where(fields: dict[str, Any], at_fault: list[str]) -> None:
    assert fields_at_fault(**fields) == at_fault


def test_all_contradictions_are_told_at_once() -> None:
    at_fault = fields_at_fault(
        id="\n",
        prompt=" ",
        width=3840,
        height=3840,
        variants=200,
        locales=MANY,
        texts=(Text("A", locale="x"),),
    )
    assert at_fault[:4] == ["id", "prompt", "variants", "texts[0].locale"]
    assert at_fault[-1] == "width"


def test_words_that_no_locale_would_draw_are_refused_with_the_reason() -> None:
    assert faults(texts=(Text("A", locale="fr"),)) == [
        ("texts[0].locale", "is not among `locales` (by default ['en']), so these words would never be drawn")
    ]
