"""The sizes that a picture is delivered in, as a reader meets them there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import regex
from PIL import Image

_SIZE: Final = regex.compile(r"(?P<pixels>[1-9]\d{1,3})px|(?P<times>[1-9](?:\.\d)?)x")
# What the brief asks for: a thumbnail, and a screen of twice the density.
USUAL: Final = ("320px", "2x")


@dataclass(frozen=True, slots=True)
class Size:
    """`name` is "320px", the longest side, or "2x", times the size it was made in."""

    name: str
    pixels: int = 0
    times: float = 1.0

    def of(self, picture: Image.Image) -> tuple[Image.Image, float]:
        """What is shown to a reader, and how much it shall enlarge it."""
        if not self.pixels:
            return picture, self.times
        factor = self.pixels / max(picture.size)
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        return picture.resize(size, Image.Resampling.LANCZOS), 1.0


def size_named(name: str) -> Size:
    """The size of that name.

    Raises:
        ValueError: it is no size.
    """
    match = _SIZE.fullmatch(name)
    if match is None:
        raise ValueError(f'size: {name!r} is none; write "320px" for the longest side or "2x" for a factor')
    if match["pixels"]:
        return Size(name, pixels=int(match["pixels"]))
    return Size(name, times=float(match["times"]))
