"""Budgets are held in one ledger, or nothing is paid."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from inference.assets import AssetStore
from streams.drawing import ledger_of, live_keys, spending_of
from streams.settings import Settings, SettingsError

KEYS = {"OPENAI_API_KEY": "sk-secret"}
BUCKET = Settings(assets="s3://posters/summer")


@pytest.mark.parametrize(
    ("assets", "ledger"),
    [
        ("out/assets", "out/ledger.db"),
        ("/srv/posters/assets", "/srv/posters/ledger.db"),
        ("file:///srv/my%20posters/assets", "/srv/my posters/ledger.db"),
        ("memory://", "out/ledger.db"),
    ],
)
def test_the_ledger_lies_beside_a_folder_of_assets(assets: str, ledger: str) -> None:
    assert ledger_of(Settings(assets=assets), KEYS) == ledger


async def test_machines_that_share_assets_and_have_keys_need_a_ledger_that_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="several machines may share these assets") as refused:
        async with spending_of(BUCKET, AssetStore.open("memory://"), environ=KEYS):
            raise AssertionError("opened")
    assert "OPENAI_API_KEY" in str(refused.value)
    assert "sk-secret" not in str(refused.value)
    named = dataclasses.replace(BUCKET, ledger=str(tmp_path / "l.db"))
    async with spending_of(named, AssetStore.open("memory://"), environ=KEYS):
        assert (tmp_path / "l.db").exists()


@pytest.mark.parametrize(
    ("settings", "environ"),
    [(BUCKET, {}), (dataclasses.replace(BUCKET, hosted=False), KEYS)],
    ids=["no key", "hosted off"],
)
def test_where_no_provider_can_be_called_the_default_ledger_will_do(
    settings: Settings, environ: dict[str, str]
) -> None:
    assert live_keys(settings, environ) == ()
    assert ledger_of(settings, environ) == "out/ledger.db"
