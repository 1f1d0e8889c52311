"""Words written otherwise than they were asked for."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

import regex

from inference.legibility.calibration.flaws import Flaw
from inference.legibility.folding import tolerant

_LETTER: Final = regex.compile(r"[\p{L}\p{Nd}]")
# Swapped, these would look as before.
_LOOKALIKES: Final = ("Il1i|", "O0oΟ", "S5", "ノソンツシ", "ロ口", "ー一")
_NONSENSE: Final = {
    "Latin": "BCDFGHJKLMNPQRSTVWXZaeiou",
    "Greek": "ΒΓΔΖΘΚΛΜΞΠΡΣΦΨΩΑΕΟ",
    "Chinese": "仅付仗代令以仰仲件任份企伏伐休众优伙",
    "Japanese": "ケモヌヘホムメヤユヨルレろわをぬねのは",
}
_WORDS_A_LINE: Final = 3


def misprint(texts: Sequence[str], flaw: Flaw, rng: random.Random) -> tuple[str, ...]:
    """The texts with so many letters dropped or doubled, or neighbours swapped; one text a time takes one.

    Raises:
        ValueError: the texts have too few letters for it, or the flaw changes no words.
    """
    change = _CHANGES.get(flaw.kind)
    if change is None:
        raise ValueError(f"flaw: {flaw.name} changes no words; use one of {', '.join(_CHANGES)}")
    free = [_places(text, pairs=flaw.kind == "swapped") for text in texts]
    hit: list[list[int]] = [[] for _ in texts]
    for _ in range(round(flaw.amount)):
        open_ = [index for index, places in enumerate(free) if places]
        if not open_:
            raise ValueError(f"flaw: {flaw.name} needs more letters than {list(texts)} have")
        index = rng.choice(open_)
        place = rng.choice(free[index])
        hit[index].append(place)
        free[index] = [each for each in free[index] if abs(each - place) > 1]
    written = []
    for text, places in zip(texts, hit, strict=True):
        for place in sorted(places, reverse=True):
            text = change(text, place)
        written.append(text)
    return tuple(written)


def nonsense(script: str, words: int, rng: random.Random) -> tuple[str, ...]:
    """Lines of words that no language has."""
    letters, spaced = _NONSENSE[script], script in ("Latin", "Greek")
    made = ["".join(rng.choices(letters, k=rng.randint(4, 7) if spaced else 4)) for _ in range(words)]
    return tuple(" ".join(made[at : at + _WORDS_A_LINE]) for at in range(0, words, _WORDS_A_LINE))


def _places(text: str, *, pairs: bool) -> list[int]:
    letters = [place for place, letter in enumerate(text) if _LETTER.match(letter)]
    if not pairs:
        return letters
    return [place for place in letters if place + 1 in letters and not _alike(text[place], text[place + 1])]


def _alike(one: str, other: str) -> bool:
    return tolerant(one) == tolerant(other) or any(one in group and other in group for group in _LOOKALIKES)


_CHANGES: Final[dict[str, Callable[[str, int], str]]] = {
    "dropped": lambda text, at: text[:at] + text[at + 1 :],
    "doubled": lambda text, at: text[: at + 1] + text[at:],
    "swapped": lambda text, at: text[:at] + text[at + 1] + text[at] + text[at + 2 :],
}
