"""Two forms in which texts are compared, and what a reader can be asked to read.

`tolerant` forgives what a designer may choose (case, width, kind of quote or dash). `strict` keeps case
and marks. Neither has spaces: a space is no ink, and readers drop and add them with the tracking of the
type, so a correct picture must not fail by them. Quotes, dashes, width and the Greek capitals that look
like Latin ones are folded in both, because a reader prints the one its alphabet has, whichever was drawn.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Set
from functools import lru_cache
from typing import Final

import regex

_ALIKE: Final = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′´ʼ`", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−－", "-"),
        # Japanese writes "7:00〜11:00" with a wave dash or a wide tilde; its keyboards have either.
        **dict.fromkeys("〜∼", "~"),
        **{chr(0xFF01 + i): chr(0x21 + i) for i in range(94)},
        "…": "...",
    }
)
# One ink, two letters: from the picture alone nobody can tell them apart.
_ONE_INK: Final = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEZHIKMNOPTYXo")
_SPACE: Final = regex.compile(r"[\s\p{Z}\p{Cf}\p{Cc}]+")
# A comma before three digits groups thousands; any other ends the number.
_NUMBER: Final = regex.compile(r"\d+(?:,\d{3}(?!\d))*(?:[.:/'\-]\d+)*|[\p{Sc}%‰]")
_GRAPHEME: Final = regex.compile(r"\X")
# Characters of each private plane (15 and 16), without the two that are none.
_PLANE: Final = 0xFFFE
_MUST_BE_KNOWN: Final = regex.compile(r"[\p{L}\p{M}\p{N}\p{Sc}%‰]")


@lru_cache(maxsize=4096)
def strict(text: str) -> str:
    """NFC, quotes, dashes, width and one-ink letters folded, no spaces."""
    return str(_SPACE.sub("", unicodedata.normalize("NFC", text).translate(_ALIKE).translate(_ONE_INK)))


@lru_cache(maxsize=4096)
def tolerant(text: str) -> str:
    """NFKC, full case folding, quotes, dashes and one-ink letters folded, no spaces."""
    # Folded as capitals: Ν and N are one ink, their small forms ν and n are not. İ is a capital i (status T
    # of Unicode's CaseFolding.txt); without Turkish in mind casefold would give it a mark of its own.
    folded = (
        unicodedata.normalize("NFKC", text)
        .replace("İ", "i")
        .casefold()
        .upper()
        .translate(_ONE_INK)
        .casefold()
    )
    return strict(unicodedata.normalize("NFKC", folded))


@lru_cache(maxsize=4096)
def units(text: str) -> str:
    """The tolerant form with one character for each grapheme (Unicode's UAX 29), for lengths and edits.

    A grapheme of several code points, such as a Thai consonant with its vowel and tone, becomes a private
    character by its checksum: two of them meet by chance once in 130,000.
    """
    folded = tolerant(text)
    if folded.isascii():
        return folded
    return str(_GRAPHEME.sub(lambda match: _unit(match[0]), folded))


def _unit(grapheme: str) -> str:
    if len(grapheme) == 1:
        return grapheme
    place = zlib.crc32(grapheme.encode()) % (2 * _PLANE)
    return chr(0xF0000 + place if place < _PLANE else 0x100000 + place - _PLANE)


def numbers(text: str) -> tuple[str, ...]:
    """Numbers, percent and currency signs of a text, in their order: "from $5, 50% OFF" is $ 5 50 %."""
    return tuple(_NUMBER.findall(strict(text)))


def readable(text: str, characters: Set[str]) -> str:
    """What of `text` a reader with these characters can be asked for; empty if it cannot read the text.

    One letter, mark, digit, currency or percent sign it does not know makes the whole text unreadable.
    Punctuation and symbols it does not know are left out, since it could never print them.
    """
    text = unicodedata.normalize("NFC", text)
    kept = "".join(c for c in text if c.isspace() or _knows(c, characters))
    if len(kept) < len(text) and any(_MUST_BE_KNOWN.match(c) and not _knows(c, characters) for c in text):
        return ""
    return kept if strict(kept) else ""


def _knows(character: str, characters: Set[str]) -> bool:
    """Whether a reader prints this character, or its compatible form."""
    if character in characters:
        return True
    forms = (character.translate(_ALIKE), unicodedata.normalize("NFKC", character))
    return any(form != character and all(c in characters for c in form) for form in forms)


def in_both_cases(characters: Set[str]) -> frozenset[str]:
    """With the other case of each: a reader that lists one reads the other, if by the wrong name."""
    forms = (form for c in characters for form in (c, c.lower(), c.upper()))
    return frozenset(form for form in forms if len(form) == 1)
