from __future__ import annotations

import datetime as dt
import json
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from inference.engines.adapters import HostedEngines
from inference.engines.entries import Registry
from inference.engines.registry import Engines, load_registry
from streams.commands.engines import Row, command, rows
from streams.commands.verb import App

TODAY = dt.date(2026, 11, 23)


def listed(
    env: dict[str, str], *, emulator_url: str | None = None, registry: Registry | None = None, **options: Any
) -> dict[str, Row]:
    registry = registry or load_registry()
    engines = Engines(
        registry,
        today=lambda: TODAY,
        emulator_url=emulator_url,
        environ=env,
        hosted=HostedEngines(registry),
        **options,
    )
    return {row.name: row for row in rows(engines, TODAY, env)}


def ending(name: str, left: int) -> Registry:
    """The registry, with an end for one engine of it."""
    last = TODAY + dt.timedelta(days=left)
    return Registry(
        {
            entry.name: msgspec.structs.replace(entry, not_after=last) if entry.name == name else entry
            for entry in load_registry()
        }
    )


def test_every_engine_of_the_registry_has_a_row() -> None:
    assert list(listed({})) == list(load_registry().names)


def test_an_ended_engine_shows_its_successor_and_since_when() -> None:
    row = listed({})["imagen4_ultra"]
    assert (row.resolves_to, row.days_left, row.level) == ("gemini-3-pro-image", -99, "ended")
    assert row.adds_usd == pytest.approx(0.0744)


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


def test_a_key_that_is_set_makes_its_engines_callable_and_is_not_shown() -> None:
    found = listed({"GEMINI_API_KEY": "hunter2"})
    row = found["imagen4_remote"]
    assert (row.callable, row.emulated, row.key, row.key_set) == (True, False, "GEMINI_API_KEY", True)
    assert row.model == "gemini-3.1-flash-image"
    assert not found["dalle3_hd"].key_set
    assert "hunter2" not in str(found)


def test_with_hosted_engines_off_a_key_calls_nobody() -> None:
    row = listed({"GEMINI_API_KEY": "k"}, calls_hosted=False)["imagen4_remote"]
    assert (row.callable, row.key_set) == (False, True)
    assert "GLYPHSTREAM_HOSTED" in row.why


def test_prices_are_by_the_picture_and_by_the_token_where_answers_count_them() -> None:
    found = listed({})
    flash = found["gemini-3.1-flash-image"]
    assert flash.price_usd == pytest.approx(0.0672)
    assert flash.usd_per_million_tokens is not None
    assert flash.usd_per_million_tokens["image_out"] == 60
    assert flash.usd_per_million_tokens.keys() == {"text_in", "image_in", "image_out", "text_out"}
    assert flash.most_usd == pytest.approx(0.0672 + 32_768 * 3e-6 + 1000 * 0.5e-6)
    assert found["imagen4_remote"].usd_per_million_tokens == flash.usd_per_million_tokens
    assert found["ideogram-4.5"].usd_per_million_tokens is None
    assert found["layout"].price_usd is None


@pytest.mark.parametrize(
    ("left", "level"), [(61, "far"), (60, "note"), (30, "warning"), (7, "urgent"), (-1, "ended")]
)
def test_days_to_the_end_come_with_how_near_that_is_and_who_follows(left: int, level: str) -> None:
    row = listed({}, registry=ending("ideogram_v2a_turbo", left))["ideogram_v2a_turbo"]
    assert (row.days_left, row.level, row.followed_by) == (left, level, "ideogram-4.5")
    assert row.adds_usd == pytest.approx(0.035)
    assert row.resolves_to == ("ideogram-4.5" if left < 0 else "ideogram_v2a_turbo")


def test_an_engine_without_an_end_has_neither_days_nor_a_level() -> None:
    row = listed({})["ideogram_v2a_turbo"]
    assert (row.days_left, row.level, row.followed_by) == (None, None, None)


@pytest.fixture
def env() -> dict[str, str]:
    return {"GEMINI_API_KEY": "hunter2", "GLYPHSTREAM_SD3_MEDIUM": "none", "GLYPHSTREAM_SD3_LOCAL": "none"}


def test_the_table_tells_ends_keys_and_prices_by_the_token(env: dict[str, str]) -> None:
    result = CliRunner().invoke(command, obj=App(env=env))
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "imagen4_remote ended on 2026-08-16" in text
    assert "gemini-3.1-flash-image follows it, $0.0272 a picture dearer" in text
    assert "GEMINI_API_KEY for gemini-3.1-flash-image, gemini-3-pro-image;" in text
    assert "Where answers count tokens, by the million ENGINE TEXT IN IMAGE IN IMAGE OUT" in text
    by_name = {line.split()[0]: line for line in result.output.splitlines() if line.split()}
    assert by_name["gemini-3-pro-image"].count("$120.00") == 1
    assert "hunter2" not in result.output


def test_json_has_a_line_for_each_engine_with_all_that_the_table_tells(env: dict[str, str]) -> None:
    result = CliRunner().invoke(command, ["--json"], obj=App(env=env))
    found = {row["name"]: row for row in map(json.loads, result.output.splitlines())}
    assert list(found) == list(load_registry().names)
    told = found["dalle3_hd"]
    assert (told["level"], told["followed_by"], told["key_set"]) == ("ended", "gpt-image-2.5-flare", False)
    assert told["usd_per_million_tokens"]["image_out"] == 30
    assert "hunter2" not in result.output
