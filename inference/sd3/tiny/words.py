"""The tiny model's language: what a poster shows, the prompt that says so, and how both are drawn by lot."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.typography.oklab import Rgb

ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
TITLE_LENGTHS: Final = (3, 10)
SECOND_LENGTHS: Final = (3, 8)

COLOURS: Final[dict[str, Rgb]] = {
    "red": (222, 44, 44),
    "orange": (245, 134, 28),
    "yellow": (247, 205, 44),
    "green": (52, 168, 83),
    "teal": (28, 160, 160),
    "blue": (52, 110, 235),
    "purple": (140, 70, 200),
    "pink": (240, 110, 165),
}
GROUNDS: Final[dict[str, Rgb]] = {
    "deep blue": (18, 32, 92),
    "deep green": (14, 62, 40),
    "deep red": (96, 16, 24),
    "deep purple": (52, 20, 88),
    "deep teal": (8, 62, 70),
    "black": (18, 18, 22),
    "pale blue": (204, 224, 250),
    "pale green": (208, 238, 212),
    "pale pink": (252, 218, 228),
    "pale yellow": (252, 242, 200),
    "pale teal": (200, 238, 236),
    "white": (246, 246, 242),
}
SHAPES: Final = ("circle", "square", "triangle", "star", "ring", "diamond")
# The first four are set on a fixed pitch, as condensed poster type often is; the others by their own widths.
FIXED_PITCH: Final = ("bold", "heavy", "tall", "narrow")
PROPORTIONAL: Final = ("plain", "round", "serif", "elegant")
FACES: Final = FIXED_PITCH + PROPORTIONAL

_FIXED_SHARE: Final = 0.65
_SPACE_SHARE: Final = 0.2
_HELD_OUT_OF_256: Final = 8


@dataclass(frozen=True, slots=True)
class Poster:
    """What one picture shows. Texts are of `ALPHABET`, with single spaces inside; `second` may be empty."""

    shape: str
    colour: str
    ground: str
    face: str
    title: str
    second: str = ""

    @property
    def prompt(self) -> str:
        """The words the model is given for this poster."""
        article = "an" if self.colour[0] in "aeiou" else "a"
        below = f', below "{self.second}"' if self.second else ""
        thing = f"{article} {self.colour} {self.shape} on {self.ground}"
        return f'{thing}, {self.face} title "{self.title}"{below}'


def is_held_out(text: str) -> bool:
    """Whether the text is never trained on: one in 32, decided by its letters alone."""
    letters = text.replace(" ", "").upper()
    return hashlib.sha256(letters.encode()).digest()[0] < _HELD_OUT_OF_256


def draw_posters(rng: np.random.Generator, count: int, *, second_share: float) -> list[Poster]:
    """Posters for training: no text of theirs is held out. `second_share` of them have a second line."""
    return [_poster(rng, second_share, held_out=False) for _ in range(count)]


def draw_held_out(
    rng: np.random.Generator, count: int, *, lengths: tuple[int, int] = (3, 8), second_share: float = 0.0
) -> list[Poster]:
    """Posters whose texts are never trained on, their titles without spaces, `lengths` inclusive."""
    return [_poster(rng, second_share, held_out=True, lengths=lengths, spaces=False) for _ in range(count)]


def _poster(
    rng: np.random.Generator,
    second_share: float,
    *,
    held_out: bool,
    lengths: tuple[int, int] = TITLE_LENGTHS,
    spaces: bool = True,
) -> Poster:
    fixed = rng.random() < _FIXED_SHARE
    second = rng.random() < second_share
    return Poster(
        shape=_one(rng, SHAPES),
        colour=_one(rng, tuple(COLOURS)),
        ground=_one(rng, tuple(GROUNDS)),
        face=_one(rng, FIXED_PITCH if fixed else PROPORTIONAL),
        title=_text(rng, lengths, held_out=held_out, spaces=spaces),
        second=_text(rng, SECOND_LENGTHS, held_out=held_out, spaces=spaces) if second else "",
    )


def _one(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _text(rng: np.random.Generator, lengths: tuple[int, int], *, held_out: bool, spaces: bool) -> str:
    while True:
        count = int(rng.integers(lengths[0], lengths[1] + 1))
        letters = [ALPHABET[int(index)] for index in rng.integers(len(ALPHABET), size=count)]
        if spaces and count >= 5 and rng.random() < _SPACE_SHARE:
            letters[int(rng.integers(2, count - 1))] = " "
        text = "".join(letters)
        if is_held_out(text) == held_out:
            return text
