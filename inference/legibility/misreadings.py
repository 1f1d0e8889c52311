"""Letters that a reader takes for others on type that is right, told from misprints by what it weighed.

A reader that prints TIOPTH for ΓΙΟΡΤΗ held the Γ for possible; over a T that is a T it does not. So a letter
counts as read where the text has it though another was printed, if both are letters (no digit, sign or mark
is ever excused, none may be missing and none too many), if no more than one letter in `APART` is misread
such, or one in a shorter text, the same letter twice being one, and if the reader gave it a probability of
  - `LEAST` or more, where the pair is in the measured table (`measured.confused`), or
  - `LEAST_ALIKE` or more, where the two differ in their marks alone, or are single stems (I, l, i, ı).

Measured on the sheets of `calibration.letters`: of 1,347 letters read as others 710 were among the rivals.
How often a misprint by just such a letter would pass is how often a letter that was read right has this
rival: 2.7 % in the mean of 64 pairs of the table (never for 50 of them, always for Ș drawn as Ş), and 1.8 %
in that of 558 pairs that differ in marks or are stems (Ž drawn as Ż nearly always: no scorer could tell). Of
168 tuning posters with a letter dropped, doubled, swapped, malformed, tumbled or covered 23 were accepted
without this and 23 with it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final

from inference.legibility.measured import confused

LEAST: Final = 0.01
LEAST_ALIKE: Final = 0.1
APART: Final = 8
# A text with such a letter ranks below one without; of the least probable letter a tenth of an edit is taken.
DEAREST: Final = 0.1

_STEMS: Final = frozenset("Iilı")

Weighed = Mapping[tuple[int, str], float]


def misread(meant: str, read: str, weighed: Weighed, *, any_case: bool) -> float | None:
    """What such letters cost in edits; None if the two (strict forms) are one, or differ in anything else.

    `weighed` are the reader's alternatives by their place in `read`. With `any_case` no letter's case counts.
    """
    places = differing(meant, read, any_case=any_case)
    if not places:
        return None
    cost = 0.0
    for place in places:
        letter, said = meant[place], read[place]
        if _never_told_apart(letter, said):
            continue
        probability = _probability(weighed, place, letter)
        if probability < _least(letter, said):
            return None
        cost += DEAREST * (1 - probability)
    return cost


def is_doubted(meant: str, read: str, weighed: Weighed, *, any_case: bool) -> bool:
    """Whether the two differ in such letters, of any pair, each of which the reader held for possible."""
    places = differing(meant, read, any_case=any_case)
    return bool(places) and all(_probability(weighed, place, meant[place]) >= LEAST for place in places)


def differing(meant: str, read: str, *, any_case: bool) -> list[int]:
    """The places where two texts have other letters; none if they differ in anything else, or in too many."""
    if len(meant) != len(read):
        return []
    places = [
        place
        for place, (letter, said) in enumerate(zip(meant, read, strict=True))
        if letter != said and not (any_case and letter.casefold() == said.casefold())
    ]
    if len({meant[place] for place in places}) > max(1, len(meant) // APART):
        return []
    return places if all(meant[place].isalpha() and read[place].isalpha() for place in places) else []


def _probability(weighed: Weighed, place: int, letter: str) -> float:
    """The letter's own, and that of its other case where the reader prints this in its stead."""
    other = letter.swapcase()
    instead = weighed.get((place, other), 0.0) if _never_told_apart(letter, other) else 0.0
    return max(weighed.get((place, letter), 0.0), instead)


def _least(letter: str, said: str) -> float:
    """How probable the letter must have been where another was printed; more than 1: never enough."""
    if said in confused().get(letter, ()) and letter.casefold() != said.casefold():
        return LEAST
    one, other = _bare(letter), _bare(said)
    return LEAST_ALIKE if one == other or (one in _STEMS and other in _STEMS) else 2.0


def _never_told_apart(letter: str, said: str) -> bool:
    """Whether the reader prints the other case of this letter more often than its own."""
    return letter.casefold() == said.casefold() and said in confused().get(letter, ())


def _bare(letter: str) -> str:
    return unicodedata.normalize("NFD", letter)[0]
