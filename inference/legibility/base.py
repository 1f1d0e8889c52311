"""What a reader is: pictures in, lines of text out, with the characters it can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Line:
    """One line as read. `box` is its four corners in pixels, clockwise from the top left."""

    text: str
    confidence: float
    box: tuple[tuple[float, float], ...]
    reader: str = ""


class Reader(Protocol):
    """Reads pictures in this process, blocking. `name` says which weights read, with their version."""

    name: str

    def characters(self) -> frozenset[str]:
        """Every character this reader can output, from its own model's metadata."""
        ...

    def read(self, png: bytes) -> tuple[Line, ...]:
        """The lines of one picture.

        Raises:
            ValueError: the bytes are no picture.
        """
        ...
