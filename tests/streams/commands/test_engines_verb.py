from __future__ import annotations

import datetime as dt

from inference.engines.registry import Engines, load_registry
from streams.commands.engines import Row, rows

TODAY = dt.date(2026, 11, 23)


def listed(env: dict[str, str], *, emulator_url: str | None = None) -> dict[str, Row]:
    engines = Engines(load_registry(), today=lambda: TODAY, emulator_url=emulator_url, environ=env)
    return {row.name: row for row in rows(engines, TODAY, env)}


def test_every_engine_of_the_registry_has_a_row() -> None:
    assert list(listed({})) == list(load_registry().names)


def test_an_ended_engine_shows_its_successor_and_since_when() -> None:
    row = listed({})["imagen4_ultra"]
    assert (row.resolves_to, row.days_left) == ("gemini-3-pro-image", -99)


def test_the_emulator_stands_in_and_is_said_to() -> None:
    row = listed({}, emulator_url="http://127.0.0.1:1")["imagen4_remote"]
    assert (row.emulated, row.callable) == (True, True)
    assert row.model.startswith("emulator:")


def test_without_key_and_emulator_the_reason_names_the_way_out() -> None:
    row = listed({})["imagen4_remote"]
    assert not row.callable
    assert "GLYPHSTREAM_EMULATOR_URL" in row.why


def test_the_other_names_of_an_engine_are_shown() -> None:
    assert listed({})["sd3.5_local"].aliases == ("local-sd3.5",)
