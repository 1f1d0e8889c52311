"""Where a setting comes from, and what it may be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streams.settings import BOUNDS, FIELDS, Settings, SettingsError, load_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "glyphstream.toml"
    path.write_text('concurrency = 2\nreaders = ["rapidocr", "easyocr"]\n')
    return path


@pytest.mark.parametrize(
    ("flags", "env", "expected"),
    [
        ({"concurrency": 4}, {"GLYPHSTREAM_CONCURRENCY": "3"}, 4),
        ({"concurrency": None}, {"GLYPHSTREAM_CONCURRENCY": "3"}, 3),
        ({}, {"GLYPHSTREAM_CONCURRENCY": ""}, 2),
    ],
    ids=["flag", "environment", "file"],
)
def test_flags_win_over_the_environment_and_that_over_the_file(
    flags: dict[str, object], env: dict[str, str], expected: int, file: Path
) -> None:
    assert load_settings(flags, env, file=file).concurrency == expected


def test_what_nobody_sets_has_its_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings({}, {}) == Settings()


def test_readers_are_names_separated_by_commas_or_a_list(file: Path) -> None:
    assert load_settings({}, {}, file=file).readers == ("rapidocr", "easyocr")
    assert load_settings({"readers": "tesseract, rapidocr"}, {}, file=file).readers == (
        "tesseract",
        "rapidocr",
    )


def test_every_number_has_bounds_and_its_default_keeps_them() -> None:
    numbers = {name for name, field in FIELDS.items() if type(field.default) in (int, float)}
    assert BOUNDS.keys() == numbers
    for name, (least, most) in BOUNDS.items():
        assert least <= FIELDS[name].default <= most


@pytest.mark.parametrize("name", BOUNDS)
def test_both_ends_are_allowed_and_what_lies_beyond_is_refused(name: str, file: Path) -> None:
    least, most = BOUNDS[name]
    variable = f"GLYPHSTREAM_{name.upper()}"
    for allowed in (least, most):
        assert getattr(load_settings({}, {variable: str(allowed)}, file=file), name) == allowed
    for beyond in (least - 1, most + 1):
        told = f"{variable} is '{beyond}'; give a .*number from {least:g} to {most:g}, such as"
        with pytest.raises(SettingsError, match=told):
            load_settings({}, {variable: str(beyond)}, file=file)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "soon", "true"])
def test_a_duration_is_a_finite_number(value: str, file: Path) -> None:
    told = f"GLYPHSTREAM_DRAIN_SECONDS is '{value}'; give a number from 0 to 3600, such as 30"
    with pytest.raises(SettingsError, match=re.escape(told)):
        load_settings({}, {"GLYPHSTREAM_DRAIN_SECONDS": value}, file=file)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("concurrency = 0", "concurrency is 0; give a whole number from 1 to 1024, such as 8"),
        ("concurrency = true", "concurrency is True; give a whole number"),
        ("drain_seconds = nan", "drain_seconds is nan; give a number from 0 to 3600"),
        ("usd_per_gpu_hour = -0.5", "usd_per_gpu_hour is -0.5; give a number from 0 to 1000"),
        ('readers = ["rapidocr", ""]', "give names separated by commas, such as rapidocr"),
        ("readers = []", "readers is []; give names separated by commas"),
        ('no_cache = "maybe"', "no_cache is 'maybe'; give true or false"),
        ("assets = 3", "assets is 3; give text such as 'out/assets'"),
        ("topic_prefix = 3", "topic_prefix is 3; give text"),
        (
            'policy = "bold"',
            "policy: policy 'bold' is unknown; known: expected, hosted-first, hybrid, local-first",
        ),
        ("concurency = 3", "unknown setting 'concurency'; known: assets, "),
        ("concurrency =", "is not TOML"),
    ],
)
def test_a_fault_in_the_file_names_file_setting_value_and_fix(line: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "glyphstream.toml"
    path.write_text(f"{line}\n")
    with pytest.raises(SettingsError) as raised:
        load_settings({}, {}, file=path)
    assert str(raised.value).startswith(str(path))
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"concurrency": 0}, "--concurrency is 0; give a whole number from 1"),
        ({"drain_seconds": float("nan")}, "--drain-seconds is nan; give a number"),
        ({"policy": "bold"}, "--policy: policy 'bold' is unknown"),
        ({"readers": "rapidocr,"}, "--readers is 'rapidocr,'; give names"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_flags_are_held_to_the_same_bounds(flags: dict[str, object], told: str, file: Path) -> None:
    with pytest.raises(SettingsError, match=re.escape(told)):
        load_settings(flags, {}, file=file)


def test_a_checkpoint_is_text_and_empty_unless_it_is_named(file: Path) -> None:
    assert load_settings({}, {}, file=file).sd3_medium == ""
    named = "owner/model@main+lora*0.5"
    assert load_settings({}, {"GLYPHSTREAM_SD3_LOCAL": named}, file=file).sd3_local == named


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        load_settings({}, {}, file=tmp_path / "none.toml")


def test_no_budgets_may_be_said_in_the_file_and_no_readers_may_not(tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text("budgets = []\n")
    assert load_settings({}, {}, file=file).budgets == ()
    file.write_text('budgets = ["day=20"]\n')
    assert load_settings({}, {"GLYPHSTREAM_BUDGETS": ""}, file=file).budgets == ("day=20",)
    file.write_text("readers = []\n")
    with pytest.raises(SettingsError, match=r"readers is \[\]; give names"):
        load_settings({}, {}, file=file)
