"""The tiny model's language, read: a prompt back to the poster it says. Nothing here needs torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from inference.sd3.defaults import TINY_LANGUAGE
from inference.sd3.tiny.words import COLOURS, FACES, GROUNDS, SECOND_LENGTHS, SHAPES, TITLE_LENGTHS, Poster

# What a checkpoint of this language names itself in its `glyphstream.json`.
LANGUAGE: Final = TINY_LANGUAGE


def _one_of(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, words))


_TEXT: Final = r"[A-Z0-9]+(?: [A-Z0-9]+)*"
_PROMPT: Final = re.compile(
    rf"an? (?P<colour>{_one_of(COLOURS)}) (?P<shape>{_one_of(SHAPES)}) on (?P<ground>{_one_of(GROUNDS)}), "
    rf'(?P<face>{_one_of(FACES)}) title "(?P<title>{_TEXT})"(?:, below "(?P<second>{_TEXT})")?'
)


def parse(prompt: str) -> Poster | None:
    """The poster whose `prompt` this is to the letter; None where it is no prompt of the language."""
    found = _PROMPT.fullmatch(prompt)
    if found is None:
        return None
    poster = Poster(**found.groupdict(default=""))
    fits = _within(poster.title, TITLE_LENGTHS) and (
        not poster.second or _within(poster.second, SECOND_LENGTHS)
    )
    return poster if fits and poster.prompt == prompt else None


def _within(text: str, lengths: tuple[int, int]) -> bool:
    return lengths[0] <= len(text) <= lengths[1]
