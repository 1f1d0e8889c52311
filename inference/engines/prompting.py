"""The prompt an engine is sent: hosted models see nothing of a job but its prompt."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import regex

from inference.legibility.expected import expected_texts
from schemas.events import Spec

QUOTES = (('"', '"'), ("“", "”"), ("«", "»"), ("「", "」"), ("『", "』"))

_BREAK: Final = regex.compile(r"\r\n|[\r\v\f\x85\u2028\u2029]")
_SPACES: Final = regex.compile(r"[\t\p{Zs}]+")
# Not the joiners U+200C and U+200D, which Persian and emoji are spelt with.
_UNSEEN: Final = regex.compile(
    r"[\p{Cc}\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff--\n]", regex.V1
)
_ROUND_BREAKS: Final = re.compile(r" ?\n ?")
_EMPTY_LINES: Final = re.compile(r"\n{3,}")
# Pairs without marks inside, so that nothing is left to do a second time. „“ goes before “”.
_MARKS: Final = "„“”«»＂❝❞"
_QUOTED: Final = regex.compile(
    "|".join(
        rf'{opening}([^{_MARKS}"\n]+)[{closing}]'
        for opening, closing in (
            ("„", "“”"),
            ("“", "”"),
            ("”", "”"),
            ("«", "»"),
            ("»", "«"),
            ("＂", "＂"),
            ("❝", "❞"),
        )
    )
)


def normalised(prompt: str) -> str:
    """`prompt` as every engine is sent it: NFC, plain spaces and line breaks, straight double quotes.

    Two spellings of one prompt are then one request, one bill and one render id. Quotation marks are kept as
    they are where straight ones would name other texts. Applying it twice changes nothing more.
    """
    text = _BREAK.sub("\n", unicodedata.normalize("NFC", prompt))
    text = _UNSEEN.sub("", _SPACES.sub(" ", text))
    text = _EMPTY_LINES.sub("\n\n", _ROUND_BREAKS.sub("\n", _SPACES.sub(" ", text))).strip()
    straight = _QUOTED.sub(lambda found: f'"{next(filter(None, found.groups())).strip()}"', text)
    return straight if straight == text or _names(straight) == _names(text) else text


def prompt_for(spec: Spec) -> str:
    """`spec.prompt`, normalised, with every expected text in quotes; those it lacks are appended in order.

    Applying it twice changes nothing more.
    """
    prompt = normalised(spec.prompt)
    named = {_folded(text.text) for text in expected_texts(prompt, ())}
    lacking = [
        _in_quotes(text.text)
        for text in spec.texts
        if _folded(text.text) not in named and _in_quotes(text.text) not in prompt
    ]
    if not lacking:
        return prompt
    return f"{prompt}\nSet in the picture, large and clear: {', '.join(dict.fromkeys(lacking))}."


def _names(prompt: str) -> list[str]:
    return [text.text for text in expected_texts(prompt, ())]


def _in_quotes(text: str) -> str:
    text = _plain(text)
    free = (pair for pair in QUOTES if pair[0] not in text and pair[1] not in text)
    opening, closing = next(free, QUOTES[0])
    return f"{opening}{text}{closing}"


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _folded(text: str) -> str:
    return _plain(text).casefold()
