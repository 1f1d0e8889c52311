"""Logs that stay readable when a client repeats itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from streams.runtime.seldom import Seldom


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
        self._said: dict[tuple[str, int], Seldom] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not super().filter(record):
            return True
        key = (record.name, record.levelno)
        said = self._said.get(key)
        if said is None:
            said = self._said[key] = Seldom(self._monotonic, most=self._most, per_s=self._per_s)
        if not said.passes():
            return False
        if held := said.held_back():
            record.msg, record.args = record.getMessage() + held, None
        return True
