"""Embedding levels and visual order of mixed-direction text (UAX #9), on python-bidi's rules.

python-bidi's level engine predates bracket pairs (rule N0), without which "(2025)" at the end of a
Hebrew line loses its closing bracket to the other side; that rule is added here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any, Literal

from bidi import algorithm

Direction = Literal["ltr", "rtl"]

_OPENING = {
    "(": ")",
    "[": "]",
    "{": "}",
    "（": "）",
    "「": "」",
    "『": "』",
    "【": "】",
    "［": "］",
    "〈": "〉",
    "《": "》",
}
_STRONG = {"L": 0, "R": 1, "AL": 1, "EN": 1, "AN": 1}
_RTL_LANGUAGES = frozenset({"ar", "he", "iw", "fa", "ur", "ps", "yi", "ckb", "dv", "sd", "ug"})

_Character = dict[str, Any]


def base_direction(text: str, locale: str = "") -> Direction:
    """The first strong character decides (rules P2, P3); the locale where there is none."""
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind in ("L", "R", "AL"):
            return "ltr" if kind == "L" else "rtl"
    return "rtl" if locale.replace("_", "-").split("-")[0].lower() in _RTL_LANGUAGES else "ltr"


def levels(text: str, base: Direction) -> tuple[int, ...]:
    """One embedding level a character; odd runs right to left.

    Explicit embeddings and isolates are not looked for: `compose` takes them out beforehand.
    """
    storage = algorithm.get_empty_storage()
    storage["base_level"] = int(base == "rtl")
    storage["base_dir"] = "R" if base == "rtl" else "L"
    algorithm.get_embedding_levels(text, storage)
    characters: list[_Character] = list(storage["chars"])
    algorithm.explicit_embed_and_overrides(storage)
    algorithm.resolve_weak_types(storage)
    _resolve_brackets(list(storage["chars"]), storage["base_level"])
    algorithm.resolve_neutral_types(storage, False)
    algorithm.resolve_implicit_levels(storage, False)
    kept = {id(character) for character in storage["chars"]}
    resolved: list[int] = []
    for character in characters:
        previous = resolved[-1] if resolved else storage["base_level"]
        resolved.append(int(character["level"]) if id(character) in kept else previous)
    return tuple(resolved)


def runs(line_levels: Sequence[int]) -> list[tuple[int, int, int]]:
    """Level runs (start, end, level) of one line in visual order, left to right (rule L2)."""
    logical: list[tuple[int, int, int]] = []
    for index, level in enumerate(line_levels):
        if logical and logical[-1][2] == level:
            logical[-1] = (logical[-1][0], index + 1, level)
        else:
            logical.append((index, index + 1, level))
    for threshold in range(max(line_levels, default=0), 0, -1):
        logical = _reverse_from(logical, threshold)
    return logical


def _reverse_from(sequence: list[tuple[int, int, int]], threshold: int) -> list[tuple[int, int, int]]:
    done: list[tuple[int, int, int]] = []
    pending: list[tuple[int, int, int]] = []
    for run in sequence:
        if run[2] >= threshold:
            pending.append(run)
        else:
            done += [*reversed(pending), run]
            pending = []
    return done + list(reversed(pending))


def _resolve_brackets(characters: list[_Character], base_level: int) -> None:
    """Rule N0: a bracket pair takes the direction of what it holds, or of what stands before it."""
    for start, end in _pairs(characters):
        inside = {_STRONG[each["type"]] for each in characters[start + 1 : end] if each["type"] in _STRONG}
        if not inside:
            continue
        if base_level in inside:
            side = base_level
        else:
            before = (
                _STRONG[each["type"]] for each in reversed(characters[:start]) if each["type"] in _STRONG
            )
            side = next(before, base_level)
        for index in (start, end):
            characters[index]["type"] = "R" if side else "L"


def _pairs(characters: list[_Character]) -> list[tuple[int, int]]:
    stack: list[tuple[str, int]] = []
    found: list[tuple[int, int]] = []
    for index, character in enumerate(characters):
        letter = character["ch"]
        if letter in _OPENING:
            stack.append((_OPENING[letter], index))
        elif any(closing == letter for closing, _ in stack):
            while stack and stack[-1][0] != letter:
                stack.pop()
            found.append((stack.pop()[1], index))
    return sorted(found)
