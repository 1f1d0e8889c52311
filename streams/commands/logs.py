"""Logs that stay readable when a client repeats itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Window:
    began: float
    passed: int = 0
    held: int = 0


class RateLimit(logging.Filter):
    """Lets `most` records of one logger and level through in each `per_s` seconds.

    Only loggers at or below `name` are limited. The first record of a later window says how many were
    held back before it. Belongs on a handler: a logger's filter does not see its children's records.
    """

    def __init__(
        self,
        name: str,
        *,
        most: int = 5,
        per_s: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name)
        self._most = most
        self._per_s = per_s
        self._monotonic = monotonic
        self._windows: dict[tuple[str, int], _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not super().filter(record):
            return True
        window = self._window(record)
        if window.passed == self._most:
            window.held += 1
            return False
        window.passed += 1
        if window.held:
            record.msg, record.args = f"{record.getMessage()} ({window.held} before it held back)", None
            window.held = 0
        return True

    def _window(self, record: logging.LogRecord) -> _Window:
        """The one that `record` falls into; a new one takes over the count of those held back."""
        key, now = (record.name, record.levelno), self._monotonic()
        window = self._windows.get(key)
        if window is None or now - window.began >= self._per_s:
            held = window.held if window is not None else 0
            window = self._windows[key] = _Window(now, held=held)
        return window
