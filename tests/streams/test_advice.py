"""The advisor as the settings make it."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.engines.registry import load_registry
from schemas.events import PromptRef, Spec, Text
from streams.advice import advising
from streams.drawing import engines_of
from streams.models import local_models
from streams.routing.expected.policyfile import load_policy
from streams.settings import Settings, SettingsError

SPEC = Spec(
    prompt="a poster", texts=(Text("SALE"),), negative_prompt="", width=1024, height=1024, sampler="euler",
    steps=None, guidance=None, seed=1, locale="en",
)  # fmt: skip


def given(tmp_path: Path, policy: str) -> Settings:
    return Settings(
        policy=policy, ledger=str(tmp_path / "ledger.db"), emulator_url="http://127.0.0.1:9",
        sd3_medium="none", sd3_text="none", sd3_local="none",
    )  # fmt: skip


def is_made(settings: Settings) -> bool:
    return Path(settings.ledger).exists()


async def decided(settings: Settings) -> str:
    registry = load_registry()
    engines = engines_of(settings, registry, local_models(settings, registry), {})
    try:
        async with advising(settings, engines) as advisor:
            assert is_made(settings) == (settings.policy == "expected")
            route = await advisor.first(PromptRef("shop", "p"), SPEC, None)
    finally:
        await engines.aclose()
    assert route is not None
    return route.engine


@pytest.mark.parametrize("policy", ["expected", "hybrid"])
async def test_it_decides_over_what_can_be_called_and_connects_when_it_must(
    tmp_path: Path, policy: str
) -> None:
    known = load_policy()
    assert await decided(given(tmp_path, policy)) in {*known.engines, known.compose.engine}


async def test_a_ledger_that_cannot_be_used_is_told_before_anything_is_routed(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(SettingsError, match="ledger, GLYPHSTREAM_LEDGER"):
        await decided(given(tmp_path, "expected"))
