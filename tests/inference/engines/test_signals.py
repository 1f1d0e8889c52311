from __future__ import annotations

import pytest

from inference.engines.http_errors import LONGEST_S
from inference.engines.signals import (
    header_delay_s,
    longest_duration_s,
    until_pacific_midnight_s,
)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "9" * 400}, LONGEST_S),
        ({"retry-after-ms": "-1", "retry-after": "9"}, 9.0),
        ({"retry-after": "99999999999"}, LONGEST_S),
        ({"retry-after": "1e999"}, None),
    ],
)
def test_no_header_makes_us_wait_longer_than_a_day(headers: dict[str, str], seconds: float | None) -> None:
    assert header_delay_s(headers) == seconds


def test_no_duration_in_a_body_makes_us_wait_longer_than_a_day() -> None:
    assert longest_duration_s(["17s", "3.5s", "later"]) == 17.0
    assert longest_duration_s(["9" * 400 + "s"]) == LONGEST_S
    assert longest_duration_s(["soon", "17"]) is None


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Mon, 23 Nov 2026 07:00:00 GMT", 3600.0),
        # the night in which clocks are set back
        ("Sun, 01 Nov 2026 07:00:01 GMT", LONGEST_S),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("no date", None),
        ("", None),
    ],
)
def test_a_day_s_quota_begins_anew_at_midnight_in_the_pacific(date: str, seconds: float | None) -> None:
    assert until_pacific_midnight_s({"date": date}) == seconds
