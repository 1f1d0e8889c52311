"""A client that repeats itself does not drown the log."""

from __future__ import annotations

import logging

from streams.commands.logs import RateLimit


class Log:
    """A handler behind the filter, on a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lines: list[str] = []
        self._limit = RateLimit("aiokafka", most=2, per_s=1.0, monotonic=lambda: self.now)

    def say(self, text: str, *, name: str = "aiokafka.conn", level: int = logging.ERROR) -> None:
        record = logging.LogRecord(name, level, __file__, 1, "%s", (text,), None)
        if self._limit.filter(record):
            self.lines.append(record.getMessage())


def test_the_next_second_says_how_many_were_held_back() -> None:
    log = Log()
    for number in range(5):
        log.say(f"refused {number}")
    assert log.lines == ["refused 0", "refused 1"]
    log.now = 1.0
    log.say("100% refused")
    log.say("again")
    assert log.lines[2:] == ["100% refused (3 before it held back)", "again"]


def test_each_logger_and_level_has_a_limit_of_its_own() -> None:
    log = Log()
    for _ in range(3):
        log.say("conn")
        log.say("client", name="aiokafka.client")
        log.say("warning", level=logging.WARNING)
    assert sorted(log.lines) == ["client", "client", "conn", "conn", "warning", "warning"]


def test_loggers_of_others_are_never_held_back() -> None:
    log = Log()
    for _ in range(9):
        log.say("ours", name="streams.line")
        log.say("alike", name="aiokafkaesque")
    assert len(log.lines) == 18
