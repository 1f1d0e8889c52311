"""Saying the same thing seldom."""

from __future__ import annotations

from collections.abc import Callable


class Seldom:
    """Lets `most` messages through in each `per_s` seconds and counts those it holds back."""

    def __init__(self, monotonic: Callable[[], float], *, most: int = 5, per_s: float = 1.0) -> None:
        self._monotonic = monotonic
        self._most = most
        self._per_s = per_s
        self._began = float("-inf")
        self._passed = 0
        self._held = 0

    def passes(self) -> bool:
        """Whether the next message may be said; asked once for each."""
        now = self._monotonic()
        if now - self._began >= self._per_s:
            self._began, self._passed = now, 0
        if self._passed == self._most:
            self._held += 1
            return False
        self._passed += 1
        return True

    def held_back(self) -> str:
        """` (7 before it held back)`, or nothing where none were; counts anew from here."""
        held, self._held = self._held, 0
        return f" ({held} before it held back)" if held else ""
