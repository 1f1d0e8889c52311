"""What is known of a prompt before anything is drawn, and the bucket of prompts that it is counted with."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal, get_args

from schemas.events import Text
from streams.routing.table import DENSE_CHARACTERS, DENSE_REGIONS

Load = Literal["light", "middle", "dense"]

LIGHT_REGIONS: Final = 2
# Imagen's own advice is at most 25 characters a text.
LIGHT_CHARACTERS: Final = 40


@dataclass(frozen=True, slots=True)
class Features:
    """`readable` says whether a reader here knows every script of the texts: else no score can judge them."""

    regions: int
    characters: int
    latin: bool
    critical_digits: bool
    tags: frozenset[str] = frozenset()
    readable: bool = True

    @property
    def load(self) -> Load:
        """How much type there is; published rates fall with the number of regions."""
        if self.regions >= DENSE_REGIONS or self.characters > DENSE_CHARACTERS:
            return "dense"
        if self.regions <= LIGHT_REGIONS and self.characters <= LIGHT_CHARACTERS:
            return "light"
        return "middle"

    @property
    def bucket(self) -> Bucket:
        return Bucket(self.load, self.latin, self.critical_digits)


@dataclass(frozen=True, slots=True, order=True)
class Bucket:
    """Prompts whose results are counted together: few enough that each is met often."""

    load: Load
    latin: bool
    digits: bool

    def __str__(self) -> str:
        script = "Latin" if self.latin else "other script"
        return f"{self.load}, {script}, {'critical digits' if self.digits else 'no critical digits'}"

    @property
    def key(self) -> str:
        """A name for files and labels, such as `light/latin/digits`."""
        return f"{self.load}/{'latin' if self.latin else 'other'}/{'digits' if self.digits else 'plain'}"


BUCKETS: Final = tuple(
    Bucket(load, latin, digits)
    for load, latin, digits in product(get_args(Load), (True, False), (False, True))
)


def features_of(texts: Sequence[Text], tags: Sequence[str] = (), *, readable: bool = True) -> Features:
    """The features of one variant's expected texts."""
    return Features(
        regions=len(texts),
        characters=sum(len(text.text) for text in texts),
        latin=all(_is_latin(text.text) for text in texts),
        critical_digits=any(text.critical and any(map(str.isdigit, text.text)) for text in texts),
        tags=frozenset(tags),
        readable=readable,
    )


def _is_latin(text: str) -> bool:
    return all(not letter.isalpha() or unicodedata.name(letter, "").startswith("LATIN") for letter in text)
