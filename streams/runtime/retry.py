"""When to try again: exponential back-off with full jitter, bounded by time."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Delays in seconds. A record is tried for at most `total_s` or until its deadline: a longer wait
    would freeze the partition's low-water mark. `unknown_errors` bounds errors no stage foresaw.
    """

    first_s: float = 0.2
    factor: float = 2.0
    longest_s: float = 30.0
    total_s: float = 300.0
    unknown_errors: int = 3

    def delay(
        self,
        failures: int,
        *,
        elapsed_s: float,
        rng: random.Random,
        after_s: float | None = None,
        until_deadline_s: float | None = None,
    ) -> float | None:
        """Seconds to wait after the `failures`-th failure; None when the time is up.

        Full jitter: uniform between 0 and the exponential bound, but never before `after_s`.
        """
        bound = min(self.longest_s, self.first_s * self.factor ** min(failures - 1, 32))
        wait = rng.uniform(0.0, bound)
        if after_s is not None:
            wait = max(wait, after_s)
        left = self.total_s - elapsed_s
        if until_deadline_s is not None:
            left = min(left, until_deadline_s)
        return wait if wait < left else None


def seconds_until(deadline: dt.datetime | None, now: dt.datetime) -> float | None:
    return None if deadline is None else (deadline - now).total_seconds()
