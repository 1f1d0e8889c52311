"""What a text reader sees in pictures of posters."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from PIL import Image

from inference.legibility.distance import Pattern
from inference.legibility.folding import tolerant
from inference.legibility.rapid import RapidReader
from inference.sd3.tiny.words import Poster
from inference.typography.canvas import Pixels

_ENLARGED: Final = 512
_UPPER: Final = 0.42
_LOWER: Final = 0.72


class Texts(NamedTuple):
    """The two lines of a poster as read, folded as the score folds them; empty where nothing was read."""

    title: str
    second: str


def read(pictures: Pixels) -> list[Texts]:
    """Reads (count, height, width, 3), each enlarged to 512 pixels; what lies low is the second line."""
    return [_texts(picture) for picture in pictures]


def is_exact(poster: Poster, texts: Texts) -> bool:
    """Whether both lines were read without a fault, and no second line where none belongs."""
    return texts == (tolerant(poster.title), tolerant(poster.second))


def letters_right(poster: Poster, texts: Texts) -> float:
    """1 - edit distance / length of the title, not below 0."""
    wanted = Pattern(tolerant(poster.title))
    distance = wanted.feed(wanted.start(), texts.title)[-1]
    return max(0.0, 1 - distance / wanted.length)


def _texts(picture: Pixels) -> Texts:
    image = Image.fromarray(np.ascontiguousarray(picture))
    buffer = io.BytesIO()
    image.resize((_ENLARGED, _ENLARGED), Image.Resampling.BICUBIC).save(buffer, "PNG", compress_level=1)
    found = [
        (sum(y for _, y in line.box) / 4 / _ENLARGED, min(x for x, _ in line.box), line.text)
        for line in _reader().read(buffer.getvalue())
    ]
    found.sort(key=lambda each: each[1])
    title = "".join(text for y, _, text in found if y < _UPPER)
    second = "".join(text for y, _, text in found if y > _LOWER)
    return Texts(tolerant(title), tolerant(second))


@lru_cache(maxsize=1)
def _reader() -> RapidReader:
    return RapidReader(threads=1)
