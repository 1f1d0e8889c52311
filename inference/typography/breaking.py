"""Where a line may end: spaces, phrases, kinsoku; never inside a grapheme.

Phrases come from BudouX, Thai words from PyThaiNLP's dictionary.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import budoux

from inference.typography.fonts import script_of
from inference.typography.shaping import graphemes

NOT_AT_START = frozenset(
    "、。，．・：；？！゛゜ヽヾゝゞ々ー）］｝〉》」』】〕〗〙〛’”…‥ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ％‰℃!),.:;?]}%ๆฯ›»"
)
NOT_AT_END = frozenset("（［｛〈《「『【〔〖〘〚‘“￥＄£([{$«‹")
_PHRASED = {"Thai": "th", "Hira": "ja", "Kana": "ja", "Hani": "zh-hans"}

Kind = Literal["must", "may", "poor"]


@dataclass(frozen=True, slots=True)
class Break:
    """A line may end before `index`. `must`: it has to; `poor`: allowed, but it splits a phrase."""

    index: int
    kind: Kind


def breaks(text: str, locale: str = "en") -> tuple[Break, ...]:
    """Every place a line may end, in order, the end of the text last.

    Latin breaks at spaces and after hyphens between letters; Chinese and Japanese between
    graphemes within kinsoku, best at BudouX phrases; Thai at BudouX words; Hangul at spaces, and
    between syllables where nothing else fits.
    """
    phrases = _phrase_ends(text, locale)
    found: list[Break] = []
    spans = graphemes(text)
    for (_, here), (start, end) in pairwise(spans):
        kind = _kind(text, here, text[start:end], phrases)
        if kind is not None:
            found.append(Break(here, kind))
    return (*found, Break(len(text), "may"))


def _kind(text: str, at: int, following: str, phrases: frozenset[int]) -> Kind | None:
    before, after = text[at - 1], following[0]
    if before == "\n":
        return "must"
    if after in " \n" or after in NOT_AT_START or before in NOT_AT_END:
        return None
    if before in " \u200b\u3000":
        return "may"
    if before in "-–—/" and at > 1:
        return "may" if text[at - 2].isalpha() and after.isalpha() else None
    wide, wide_after = _wide(_base(text, at)), _wide(after)
    if before.isdigit() and wide_after:
        return None
    if at in phrases:
        return "may"
    if (wide and (wide_after or after.isalnum())) or (wide_after and before.isalpha()):
        return "poor"
    return None


def _wide(character: str) -> bool:
    """Ideographs, kana, Hangul and their punctuation (UAX #11)."""
    return unicodedata.east_asian_width(character) in "WF"


def _base(text: str, at: int) -> str:
    """The last character before `at` that is no mark."""
    for index in range(at - 1, -1, -1):
        if unicodedata.category(text[index])[0] != "M":
            return text[index]
    return text[at - 1]


def _phrase_ends(text: str, locale: str) -> frozenset[int]:
    language = _language(text, locale)
    if language is None:
        return frozenset()
    ends, position = set(), 0
    boundaries = {end for _, end in graphemes(text)}
    for line in text.split("\n"):
        for phrase in _phrases(line, language) if line else ():
            position += len(phrase)
            ends.add(position)
        position += 1
    return frozenset(ends & boundaries)


def _language(text: str, locale: str) -> str | None:
    seen = {script_of(ch) for ch in text}
    for script, language in _PHRASED.items():
        if script in seen:
            traditional = any(
                tag in locale.replace("_", "-").lower() for tag in ("hant", "-tw", "-hk", "-mo")
            )
            if script == "Hani" and locale[:2].lower() == "ja":
                return "ja"
            return "zh-hant" if script == "Hani" and traditional else language
    return None


def _phrases(line: str, language: str) -> list[str]:
    if language == "th":
        return list(_thai_words()(line, safe_mode=True))
    return list(_parser(language).parse(line))


@lru_cache(maxsize=1)
def _thai_words() -> Callable[..., list[str]]:
    """PyThaiNLP's maximal matching; without these two settings it makes a folder at home when it loads."""
    os.environ.setdefault("PYTHAINLP_READ_ONLY", "1")
    os.environ.setdefault("PYTHAINLP_OFFLINE", "1")
    from pythainlp.tokenize import newmm

    segment: Callable[..., list[str]] = newmm.segment
    return segment


@lru_cache(maxsize=4)
def _parser(language: str) -> budoux.Parser:
    load = {
        "ja": budoux.load_default_japanese_parser,
        "zh-hans": budoux.load_default_simplified_chinese_parser,
        "zh-hant": budoux.load_default_traditional_chinese_parser,
    }
    return load[language]()
