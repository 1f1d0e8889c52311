"""What RapidOCR's recogniser reads of the letters it lists, as it was measured: see `letters.json`.

The table is written by `python -m tests.bench.calibration_letters`: every letter in words, in the tuning
fonts of `calibration`, how often it was read right and what was read instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Final

import msgspec
import regex

# A letter that is told less often than this is not covered. With 0.8 ten of the 128 prompts of
# `prompts/ai_posters.txt` in declared scripts would be left out, with anything from 0.3 to 0.6 six (4.7 %).
COVERED: Final = 0.5
# Met so seldom, a letter's share says nothing.
_ENOUGH: Final = 8
# Read for a letter so many times, another is no accident.
_PAIR: Final = 2
# A letter's other case is what a reader prints for it, if it does so for this share.
_MOSTLY: Final = 0.5
_LETTER: Final = regex.compile(r"\p{L}")


class _Row(msgspec.Struct, frozen=True):
    """`instead` says of each other character how often it was printed, and how often this one was weighed."""

    set: int
    right: int
    instead: dict[str, tuple[int, int]] = {}


class _Table(msgspec.Struct, frozen=True):
    reader: str
    measured: str
    letters: dict[str, _Row]


@lru_cache(maxsize=1)
def _table() -> _Table:
    text = resources.files(__package__).joinpath("letters.json").read_bytes()
    return msgspec.json.decode(text, type=_Table)


@lru_cache(maxsize=1)
def unread() -> frozenset[str]:
    """Letters that it lists and does not read: printed right, or told by `misreadings`, below `COVERED`.

    No sign of currency is among them, though it reads no ₺: a sum that is misread is refused, never taken,
    and with that sign left out too 121 of 128 prompts would be covered, less than the 95 % promised.
    """
    return frozenset(letter for letter, _, _ in unread_counts())


def unread_counts() -> tuple[tuple[str, int, int], ...]:
    """Each letter of `unread`, how often it was set, and how often it was told."""
    rows = ((letter, row.set, _told(letter, row)) for letter, row in _table().letters.items())
    return tuple(
        (letter, count, told)
        for letter, count, told in rows
        if count >= _ENOUGH and _LETTER.fullmatch(letter) and told < COVERED * count
    )


def measured_when() -> tuple[str, str]:
    """The day of the measurement, and the reader with its version."""
    return _table().measured, _table().reader


@lru_cache(maxsize=1)
def confused() -> Mapping[str, frozenset[str]]:
    """For a letter those that it reads in its place on type that is right.

    The letter's other case is among them only where it is read more often than the letter itself.
    """
    found = {letter: _confused(letter, row) for letter, row in _table().letters.items()}
    return MappingProxyType({letter: said for letter, said in found.items() if said})


def _confused(letter: str, row: _Row) -> frozenset[str]:
    if not _LETTER.fullmatch(letter):
        return frozenset()
    return frozenset(
        said
        for said, (count, _) in row.instead.items()
        if _LETTER.fullmatch(said)
        and count >= (_MOSTLY * row.set if said.casefold() == letter.casefold() else _PAIR)
    )


def _told(letter: str, row: _Row) -> int:
    others = _confused(letter, row)
    return row.right + sum(
        count if said.casefold() == letter.casefold() else weighed
        for said, (count, weighed) in row.instead.items()
        if said in others
    )
