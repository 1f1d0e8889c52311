"""Engines that end are seen from afar, and so is what their successors cost."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from inference.engines.entries import Entry, Price, Registry, UnknownEngine, load_registry
from inference.engines.expiry import Ending, Level, endings, level_of

LAST = dt.date(2026, 11, 30)


def entry(name: str, *, usd: float = 0.04, **changes: Any) -> Entry:
    price = Price(priced_on=dt.date(2026, 1, 1), usd=usd)
    fields: dict[str, Any] = {"adapter": "fake", "model": name, "title": name, "roles": ("final",)}
    return Entry(**{"name": name, "price": price, **fields, **changes})


def registry(*entries: Entry) -> Registry:
    return Registry({one.name: one for one in entries})


def on(day: dt.date, *entries: Entry) -> dict[str, Ending]:
    return {ending.engine: ending for ending in endings(registry(*entries), today=day)}


@pytest.mark.parametrize(
    ("days", "level"),
    [
        (61, "far"), (60, "note"), (31, "note"), (30, "warning"), (8, "warning"), (7, "urgent"),
        (0, "urgent"), (-1, "ended"), (-400, "ended"),
    ],
)  # fmt: skip
def test_warnings_come_60_30_and_7_days_ahead(days: int, level: Level) -> None:
    assert level_of(days) == level


def test_the_last_day_is_a_day_on_which_it_is_called() -> None:
    old, new = entry("old", not_after=LAST, successor="new"), entry("new", usd=0.06)
    today = on(LAST, old, new)["old"]
    assert (today.days_left, today.level) == (0, "urgent")
    assert str(today) == "old is called today for the last time; new follows it, $0.0200 a picture dearer"
    after = on(LAST + dt.timedelta(days=1), old, new)["old"]
    assert (after.days_left, after.level) == (-1, "ended")
    assert str(after) == "old ended on 2026-11-30, 1 day ago; new follows it, $0.0200 a picture dearer"


def test_a_cheaper_successor_is_said_to_be_cheaper_and_one_of_our_own_has_no_price_to_compare() -> None:
    old, cheap = entry("old", not_after=LAST, successor="new"), entry("new", usd=0.01)
    assert on(LAST, old, cheap)["old"].adds_usd == pytest.approx(-0.03)
    assert str(on(LAST, old, cheap)["old"]).endswith("new follows it, $0.0300 a picture cheaper")
    ours = entry("new", price=Price(priced_on=dt.date(2026, 1, 1), per="gpu_second"))
    assert on(LAST, old, ours)["old"].adds_usd is None


def test_a_successor_that_ends_first_is_passed_over() -> None:
    first = entry("first", not_after=LAST, successor="second")
    second = entry("second", not_after=LAST - dt.timedelta(days=1), successor="third", usd=0.01)
    third = entry("third", usd=0.05)
    found = on(LAST - dt.timedelta(days=20), first, second, third)["first"]
    assert (found.followers, found.successor) == (("second", "third"), "third")
    assert str(found) == (
        "first ends in 20 days, on 2026-11-30; third follows it (by way of second), $0.0100 a picture dearer"
    )


def test_what_has_ended_is_followed_by_whoever_lives_today() -> None:
    first = entry("first", not_after=LAST, successor="second")
    second = entry("second", not_after=LAST + dt.timedelta(days=50), successor="third")
    entries = (first, second, entry("third"))
    assert on(LAST + dt.timedelta(days=50), *entries)["first"].followers == ("second",)
    assert on(LAST + dt.timedelta(days=51), *entries)["first"].followers == ("second", "third")


@pytest.mark.parametrize("successor", [None, "dead"])
def test_an_engine_that_nobody_living_follows_is_stranded_once_it_has_ended(successor: str | None) -> None:
    old = entry("old", not_after=LAST, successor=successor)
    dead = entry("dead", not_after=LAST - dt.timedelta(days=9))
    before, after = on(LAST, old, dead)["old"], on(LAST + dt.timedelta(days=1), old, dead)["old"]
    assert (before.successor, before.is_stranded) == (None, False)
    assert after.is_stranded
    assert "nobody follows it: name a successor in the registry" in str(after)


def test_only_engines_that_may_come_to_draw_are_told() -> None:
    entries = registry(
        entry("asked", not_after=LAST, successor="heir"),
        entry("heir", not_after=LAST + dt.timedelta(days=300), successor="last"),
        entry("last"),
        entry("lasting", successor="unreached"),
        entry("unreached", not_after=LAST),
        entry("unasked", not_after=LAST),
    )
    found = endings(entries, today=LAST, asked=("asked", "lasting"))
    assert [ending.engine for ending in found] == ["asked", "heir"]
    assert [ending.engine for ending in endings(entries, today=LAST)] == [
        "asked",
        "heir",
        "unreached",
        "unasked",
    ]
    with pytest.raises(UnknownEngine):
        endings(entries, today=LAST, asked=("nobody",))


def test_every_engine_of_the_registry_that_has_ended_is_followed() -> None:
    found = endings(load_registry(), today=dt.date(2026, 11, 24))
    ended = {ending.engine for ending in found if ending.level == "ended"}
    assert {"imagen4_remote", "imagen4_ultra", "dalle3_hd"} <= ended
    assert not any(ending.is_stranded for ending in found)
