"""What a stage may raise, and what stops one.

Retryable       the same record may work later: tried again in place, blocking only its key
Permanent       it never will: a dead letter, and whatever final the stage owes for it
StageStopped    the stage cannot go on; the process leaves with `exit_code`
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
EXIT_DEAD_LETTER_LIMIT = 4


class Retryable(Exception):
    """`after_s`: the earliest sensible moment to try again, where the far side named one."""

    def __init__(self, message: str, *, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class Permanent(Exception):
    """`code` is stable and goes into the dead letter's headers."""

    def __init__(self, message: str, *, code: str = "permanent") -> None:
        super().__init__(message)
        self.code = code


class StageStopped(Exception):
    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
