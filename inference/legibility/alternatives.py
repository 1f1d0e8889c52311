"""What RapidOCR's recogniser took into account for each character, before it chose.

Its network says for every step along a line how probable each of 18,710 classes is, the first of which is
"no character here" (CTC: Graves and others, ICML 2006). RapidOCR takes the likeliest class of each step,
joins equal neighbours into one character and throws the rest away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.legibility.base import Alternative

# Of letters that were read right, on clean type, a quarter has a rival with so much.
LEAST: Final = 0.002
MOST: Final = 8
_DIGITS: Final = 4


class Spoken(str):
    """A line's text, with what else its characters may be. RapidOCR passes texts on untouched."""

    __slots__ = ("alternatives",)

    alternatives: tuple[Alternative, ...]

    def __new__(cls, text: str, alternatives: tuple[Alternative, ...]) -> Spoken:
        self = super().__new__(cls, text)
        self.alternatives = alternatives
        return self


class Telling:
    """RapidOCR's decoder, whose texts tell their alternatives."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._characters: Sequence[str] = decoder.character

    def __call__(self, steps: NDArray[np.float32], *args: Any, **options: Any) -> tuple[list[Any], list[Any]]:
        lines, words = self._decoder(steps, *args, **options)
        told = [
            (Spoken(text, alternatives(each, self._characters)), confidence)
            for each, (text, confidence) in zip(steps, lines, strict=True)
        ]
        return told, words


def alternatives(steps: NDArray[np.float32], characters: Sequence[str]) -> tuple[Alternative, ...]:
    """The rivals of each character in a line of (steps, classes) probabilities, at most `MOST`, best first.

    A character may take several steps; a rival's probability is the highest it has at any of them.
    """
    chosen = steps.argmax(axis=1)
    begins = np.flatnonzero(np.diff(chosen, prepend=-1))
    ends = np.append(begins[1:], len(chosen))
    found: list[Alternative] = []
    place = 0
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        own = int(chosen[begin])
        if not own:
            continue
        peaks = steps[begin:end].max(axis=0)
        peaks[[0, own]] = 0.0
        rivals = np.flatnonzero(peaks >= LEAST)
        for rival in rivals[np.argsort(-peaks[rivals], kind="stable")][:MOST].tolist():
            found.append((place, characters[rival], round(float(peaks[rival]), _DIGITS)))
        place += len(characters[own])
    return tuple(found)
