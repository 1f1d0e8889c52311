"""What a reader is: pictures in, lines of text out, with the characters it can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from PIL import Image

Side: TypeAlias = Literal["left", "top", "right", "bottom"]
Corners: TypeAlias = tuple[tuple[float, float], ...]
# A place in a line's text, a character that may stand there instead, and its probability.
Alternative: TypeAlias = tuple[int, str, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One line as read. `box` is its four corners in pixels, clockwise from the top left.

    `near` are the edges of the picture that the box comes close to, `cut` those its letters run through;
    both are empty until `edges.marked` has looked. `unseen` is type too faint or too small for a person, as
    `visibility.marked` finds it. `alternatives` are what a reader that tells them took into account for
    single characters of the text; one that is not among them it held for all but impossible.
    """

    text: str
    confidence: float
    box: Corners
    reader: str = ""
    near: tuple[Side, ...] = ()
    cut: tuple[Side, ...] = ()
    unseen: bool = False
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader saw: the lines it read, and those it holds for text but doubts too much to read."""

    lines: tuple[Line, ...]
    doubtful: tuple[Line, ...] = ()


class Reader(Protocol):
    """Reads pictures in this process, blocking. `name` says which weights read, with their version."""

    name: str

    def characters(self) -> frozenset[str]:
        """Every character this reader can output, from its own model's metadata."""
        ...

    def look(self, picture: Image.Image, *, zoom: float = 1.0) -> Seen:
        """What stands in an RGB picture that is enlarged `zoom` times first; boxes are in its own pixels."""
        ...
