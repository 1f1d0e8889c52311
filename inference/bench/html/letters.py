"""Which letters of a text were read otherwise."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import groupby
from typing import Final

import regex

from inference.legibility.folding import strict, tolerant

_GRAPHEME: Final = regex.compile(r"\X")
# Two texts less alike than this share letters by chance alone; marking single ones would mislead.
ALIKE: Final = 0.4

Run = tuple[bool, str]


def differences(expected: str, read: str, *, exact: bool) -> tuple[list[Run], list[Run]]:
    """Both texts as runs of (is the same in the other, letters), as the score compares them.

    `exact` compares case and marks too. Letters are graphemes; spaces are no difference.
    """
    ours, theirs = _GRAPHEME.findall(expected), _GRAPHEME.findall(read)
    fold = strict if exact else tolerant
    keys = [[fold(letter) for letter in letters] for letters in (ours, theirs)]
    places = [[at for at, key in enumerate(each) if key] for each in keys]
    matcher = SequenceMatcher(
        None,
        [keys[0][at] for at in places[0]],
        [keys[1][at] for at in places[1]],
        autojunk=False,
    )
    if matcher.ratio() < ALIKE:
        return [(False, expected)] if expected else [], [(False, read)] if read else []
    same: tuple[set[int], set[int]] = (set(), set())
    for first, second, size in matcher.get_matching_blocks():
        same[0].update(places[0][first : first + size])
        same[1].update(places[1][second : second + size])
    return _runs(ours, keys[0], same[0]), _runs(theirs, keys[1], same[1])


def _runs(letters: list[str], keys: list[str], same: set[int]) -> list[Run]:
    flags = [at in same for at in range(len(keys))]
    # A space is no ink: it is marked only between letters that are.
    for at, key in enumerate(keys):
        if not key:
            flags[at] = (at == 0 or flags[at - 1]) or (
                at + 1 == len(keys) or not keys[at + 1] or flags[at + 1]
            )
    pairs = groupby(zip(flags, letters, strict=True), key=lambda pair: pair[0])
    return [(flag, "".join(letter for _, letter in run)) for flag, run in pairs]
