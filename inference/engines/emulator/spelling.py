"""Spelling mistakes as image models make them: a letter lost, doubled, swapped or taken for a lookalike."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from random import Random

import regex

LOOKALIKES = {
    "a": "oe", "b": "dh", "c": "eo", "d": "bcl", "e": "aco", "f": "t", "g": "qy", "h": "bn", "i": "lj",
    "j": "i", "k": "x", "l": "it", "m": "nw", "n": "mur", "o": "ace", "p": "qb", "q": "gp", "r": "nv",
    "s": "z", "t": "fl", "u": "vn", "v": "uy", "w": "vm", "x": "k", "y": "vg", "z": "s",
    "A": "RH", "B": "RP", "C": "GO", "D": "OB", "E": "FB", "F": "EP", "G": "CO", "H": "NA", "I": "LT",
    "J": "I", "K": "XR", "L": "I", "M": "NW", "N": "MH", "O": "QCD", "P": "RF", "Q": "O", "R": "PB",
    "S": "B", "T": "IF", "U": "VO", "V": "UY", "W": "MV", "X": "K", "Y": "V", "Z": "S",
    "0": "86", "1": "74", "2": "75", "3": "85", "4": "91", "5": "36", "6": "58", "7": "12", "8": "36",
    "9": "48",
}  # fmt: skip

# Letters of one kind, first to last: another of the same range is the mistake of such a script.
RANGES = (
    (0x00E0, 0x00F6), (0x00C0, 0x00D6), (0x03B1, 0x03C1), (0x0391, 0x03A1), (0x0430, 0x044F),
    (0x0410, 0x042F), (0x05D0, 0x05EA), (0x0628, 0x063A), (0x0641, 0x064A), (0x0915, 0x0939),
    (0x0995, 0x09A8), (0x0B95, 0x0BB9), (0x0E01, 0x0E2E), (0x3042, 0x3093), (0x30A2, 0x30F3),
    (0x4E00, 0x9FA5), (0xAC00, 0xD7A3),
)  # fmt: skip
NEAR = 12

_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
_GRAPHEME = regex.compile(r"\X")
_WORD = regex.compile(r"(\s+)")
UNSPACED_RUN = 4

Fault = Callable[[list[str], int, Random], list[str]]


def misspell(text: str, rate: float, dice: Random) -> str:
    """`text` with each word misspelt with chance `rate`; spaces, and words without letters, stay.

    Where a script writes no spaces, every run of four graphemes counts as a word.
    """
    return "".join(
        part if part.isspace() else "".join(_maybe(word, rate, dice) for word in words_of(part))
        for part in _WORD.split(text)
    )


def words_of(part: str) -> list[str]:
    """The units that are misspelt one by one, which joined are `part` again."""
    if not _UNSPACED.search(part):
        return [part] if part else []
    graphemes = _GRAPHEME.findall(part)
    return ["".join(graphemes[at : at + UNSPACED_RUN]) for at in range(0, len(graphemes), UNSPACED_RUN)]


def _maybe(word: str, rate: float, dice: Random) -> str:
    return fault(word, dice) if dice.random() < rate else word


def fault(word: str, dice: Random) -> str:
    """`word` with one mistake in it; unchanged only where it holds no letter or digit."""
    graphemes: list[str] = _GRAPHEME.findall(word)
    places = [index for index, grapheme in enumerate(graphemes) if grapheme[0].isalnum()]
    if not places:
        return word
    at = dice.choice(places)
    kinds: list[Fault] = [_drop, _double, _swap, _substitute]
    # Half of all mistakes are lookalikes, and a word of one letter must not vanish.
    order = (
        [_substitute, *dice.sample(kinds, len(kinds))]
        if dice.random() < 0.5
        else dice.sample(kinds, len(kinds))
    )
    for kind in order:
        changed = "".join(kind(graphemes, at, dice))
        if changed and changed != word:
            return changed
    return word


def _drop(graphemes: list[str], at: int, _dice: Random) -> list[str]:
    return graphemes[:at] + graphemes[at + 1 :]


def _double(graphemes: list[str], at: int, _dice: Random) -> list[str]:
    return graphemes[: at + 1] + graphemes[at:]


def _swap(graphemes: list[str], at: int, _dice: Random) -> list[str]:
    other = at + 1 if at + 1 < len(graphemes) else at - 1
    swapped = list(graphemes)
    swapped[at], swapped[other] = swapped[other], swapped[at]
    return swapped


def _substitute(graphemes: list[str], at: int, dice: Random) -> list[str]:
    base, marks = graphemes[at][0], graphemes[at][1:]
    return [*graphemes[:at], _lookalike(base, dice) + marks, *graphemes[at + 1 :]]


def _lookalike(char: str, dice: Random) -> str:
    """Another character of the same script, near in shape or at least in code; itself if none is known."""
    if char in LOOKALIKES:
        return dice.choice(LOOKALIKES[char])
    code = ord(char)
    for first, last in RANGES:
        if first <= code <= last:
            near = range(max(first, code - NEAR), min(last, code + NEAR) + 1)
            others = [
                chr(c)
                for c in near
                if c != code and unicodedata.category(chr(c)) == unicodedata.category(char)
            ]
            return dice.choice(others) if others else char
    return char
