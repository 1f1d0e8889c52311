"""When a provider says to come back: in a header, or in the body. Seconds from its answer on."""

from __future__ import annotations

import datetime as dt
import email.utils
import re
from collections.abc import Iterable, Mapping
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from inference.engines.http_errors import LONGEST_S, retry_after_s

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)s")
# For a machine without time zone data: in summer an hour late, which is better than early.
_PACIFIC: Final = dt.timezone(dt.timedelta(hours=-8))


def header_delay_s(headers: Mapping[str, str]) -> float | None:
    """By `retry-after-ms` (OpenAI), else by Retry-After: seconds, or a date against the answer's own."""
    text = headers.get("retry-after-ms", "").strip()
    if re.fullmatch(r"\d+(?:\.\d+)?", text, re.ASCII):
        return min(float(text) / 1000, LONGEST_S)
    return retry_after_s(headers)


def longest_duration_s(texts: Iterable[str]) -> float | None:
    """Google's durations ("17s", "3.5s"; protobuf's JSON form): the longest of them, or None."""
    found = [float(match[1]) for match in map(_DURATION.fullmatch, texts) if match]
    return min(max(found), LONGEST_S) if found else None


def until_pacific_midnight_s(headers: Mapping[str, str]) -> float | None:
    """Until Google's daily quotas begin anew, by the answer's own Date; None without one.

    https://ai.google.dev/gemini-api/docs/rate-limits: requests per day reset at midnight Pacific time.
    """
    try:
        now = email.utils.parsedate_to_datetime(headers.get("date", ""))
        here = now.astimezone(_zone())
        midnight = dt.datetime.combine(here.date() + dt.timedelta(days=1), dt.time(), tzinfo=_zone())
        left = midnight.astimezone(dt.UTC) - now.astimezone(dt.UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    # On the one day of the year that has 25 hours, an hour early.
    return min(max(0.0, left.total_seconds()), LONGEST_S)


def _zone() -> dt.tzinfo:
    try:
        return ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:
        return _PACIFIC
