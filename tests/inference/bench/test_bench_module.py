"""`python -m inference.bench`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from inference.bench.alone import LOCAL, command, house_of, main
from inference.bench.baseline import decode
from inference.bench.contestant import NotAtHand
from inference.engines.registry import load_registry


def test_the_layout_engine_over_two_prompts(tmp_path: Path) -> None:
    (tmp_path / "p").write_text('a poster: "OPEN LATE"\nposter layout\n', "utf-8")
    options = ("--prompts", str(tmp_path / "p"), "--samples", "1", "--width", "256", "--height", "256")
    files = (
        "--out",
        str(tmp_path / "out"),
        "--json",
        str(tmp_path / "r.json"),
        "--html",
        str(tmp_path / "r.html"),
    )
    done = subprocess.run(
        [sys.executable, "-m", "inference.bench", "--model-list", "layout", *options, *files],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2 prompts x 1, seed 0" in done.stdout
    report = decode((tmp_path / "r.json").read_bytes(), "r.json")
    assert [sample.accepted for sample in report.engines[0].samples] == [True, True, True]
    assert report.command.startswith("python -m inference.bench --model-list layout ")
    assert "<html" in (tmp_path / "r.html").read_text("utf-8")


def test_a_policy_is_sent_to_the_other_command_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--models", "policy:hybrid", "--prompt", "poster layout"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "policies are compared by `glyphstream bench`" in capsys.readouterr().err


def test_its_help_names_the_briefs_options() -> None:
    told = CliRunner().invoke(command, ["--help"]).output
    assert "--models, --model-list" in told
    assert "--prompt TEXT" in told


def test_settings_come_from_the_environment() -> None:
    env = {
        "GLYPHSTREAM_EMULATOR_URL": "http://127.0.0.1:1",
        "GLYPHSTREAM_RENDER_URL": "http://127.0.0.1:2",
        "GLYPHSTREAM_USD_PER_GPU_HOUR": "2.5",
        "GLYPHSTREAM_SD3_MEDIUM": "none",
        "GLYPHSTREAM_SD3_LOCAL": "none",
    }
    house = house_of(env, "pictures")
    assert (house.emulator_url, house.render_url) == ("http://127.0.0.1:1", "http://127.0.0.1:2")
    assert (house.usd_per_gpu_hour, house.usd_per_cpu_hour) == (2.5, 0.05)
    models = house.models(load_registry(), None)
    assert set(LOCAL) <= set(models.names)
    assert all(models.missing(name) for name in LOCAL)


@pytest.mark.parametrize("value", ["x", "-1", "nan", "1e9"])
def test_a_price_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(NotAtHand, match=f"GLYPHSTREAM_USD_PER_CPU_HOUR is '{value}'; give dollars from 0"):
        house_of({"GLYPHSTREAM_USD_PER_CPU_HOUR": value}, "pictures")


@pytest.mark.parametrize(("said", "calls"), [("", True), ("true", True), ("false", False), ("No", False)])
def test_providers_are_not_called_where_hosted_engines_are_off(said: str, calls: bool) -> None:
    assert house_of({"GLYPHSTREAM_HOSTED": said}, "out/pictures").calls_hosted is calls


def test_budgets_hold_in_a_ledger_that_is_named() -> None:
    env = {"GLYPHSTREAM_BUDGETS": "day=20, total=100"}
    with pytest.raises(NotAtHand, match="set GLYPHSTREAM_LEDGER to the ledger of the line"):
        house_of(env, "out/pictures")
    house = house_of({**env, "GLYPHSTREAM_LEDGER": "out/ledger.db"}, "out/pictures")
    assert (house.budgets, house.ledger) == (("day=20", "total=100"), "out/ledger.db")
    with pytest.raises(NotAtHand, match="GLYPHSTREAM_HOSTED is 'maybe'; give true or false"):
        house_of({"GLYPHSTREAM_HOSTED": "maybe"}, "out/pictures")
