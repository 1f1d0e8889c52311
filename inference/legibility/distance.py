"""Edit distances that grow a character at a time."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

State: TypeAlias = tuple[int, int, int]
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Pattern:
    """Edit distance from one text to every prefix of another, a character at a time.

    Myers, "A fast bit-vector algorithm for approximate string matching" (1999), in the form of Hyyrö
    (2003) for whole strings; Python's integers serve as words of any width. `alike` holds for a character
    of this text those of the other that count as equal to it.
    """

    __slots__ = ("_full", "_last", "_where", "length")

    def __init__(self, text: str, alike: Mapping[str, str] = _NONE) -> None:
        self.length = len(text)
        self._full = (1 << len(text)) - 1
        self._last = 1 << max(len(text) - 1, 0)
        self._where: dict[str, int] = {}
        for place, character in enumerate(text):
            for equal in character + alike.get(character, ""):
                self._where[equal] = self._where.get(equal, 0) | 1 << place

    def start(self) -> State:
        """The state before the first character; its last entry is the distance."""
        return self._full, 0, self.length

    def feed(self, state: State, text: str) -> State:
        """The state after `text`."""
        up, down, distance = state
        for character in text:
            equal = self._where.get(character, 0)
            vertical = equal | down
            horizontal = (((equal & up) + up) ^ up) | equal
            rise = (down | ~(horizontal | up)) & self._full
            fall = up & horizontal
            distance += bool(rise & self._last) - bool(fall & self._last)
            rise = (rise << 1 | 1) & self._full
            up = (fall << 1 | ~(vertical | rise)) & self._full
            down = rise & vertical
        return up, down, distance
