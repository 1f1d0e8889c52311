"""Which ledger a bench writes into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import inference.bench.command
from streams.commands.bench import command
from streams.commands.verb import App
from streams.settings import SettingsError

KEYS = {"OPENAI_API_KEY": "k"}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ledgers of benches that were begun."""
    ledgers: list[str] = []

    def bench(_asked: object, house: Any, *_rest: object, **_options: object) -> int:
        ledgers.append(house.ledger)
        assert house.shared is not house.ledger.startswith(str(Path(house.assets).parent))
        return 0

    monkeypatch.setattr(inference.bench.command, "bench", bench)
    return ledgers


@pytest.mark.parametrize(
    ("models", "env", "of_the_line"),
    [
        ("layout,policy:hybrid", KEYS, True),
        ("gpt-image-2", KEYS, True),
        ("layout, local-sd3.5", KEYS, False),
        ("gpt-image-2", {}, False),
        ("gpt-image-2", {**KEYS, "GLYPHSTREAM_HOSTED": "false"}, False),
    ],
    ids=["a policy", "a provider", "our own", "no key", "hosted off"],
)
def test_real_money_goes_into_the_ledger_of_the_line(
    models: str, env: dict[str, str], of_the_line: bool, tmp_path: Path, opened: list[str]
) -> None:
    assets = tmp_path / "line" / "assets"
    options = ("--models", models, "--prompt", "p", "--out", str(tmp_path / "bench"))
    app = App(env={**env, "GLYPHSTREAM_ASSETS": str(assets)})
    CliRunner().invoke(command, options, obj=app, catch_exceptions=False)
    where = assets.parent if of_the_line else tmp_path / "bench"
    assert opened == [str(where / "ledger.db")]


def test_a_bench_that_may_pay_is_refused_where_the_ledger_is_not_known(
    tmp_path: Path, opened: list[str]
) -> None:
    options = ("--models", "policy:hybrid", "--prompt", "p", "--out", str(tmp_path))
    app = App(env={**KEYS, "GLYPHSTREAM_ASSETS": "s3://posters"})
    with pytest.raises(SettingsError, match="set GLYPHSTREAM_LEDGER"):
        CliRunner().invoke(command, options, obj=app, catch_exceptions=False)
    assert opened == []
