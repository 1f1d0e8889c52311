"""The preview stage with a model of this machine, on Apache Kafka."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from inference.sd3.checkpoint import Checkpoint
from inference.sd3.service import ModelService
from schemas.events import Render
from schemas.wire import decode
from streams.line import run_line
from streams.settings import Settings
from tests.inference.sd3.small import save_small
from tests.support.kafka import produce, read_until


@pytest.fixture
def settings(topics: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Settings(
        bootstrap=topics.bootstrap,
        topic_prefix=topics.prefix,
        assets=str(tmp_path / "assets"),
        sd3_medium=str(save_small(tmp_path / "small")),
        sd3_local="none",
        drain_seconds=5.0,
    )


async def test_a_preview_is_the_local_models_picture_and_no_emulation(
    topics: Any, settings: Settings
) -> None:
    prompt = {"id": "1", "source": "s", "prompt": 'sign "SALE"', "width": 64, "height": 64, "steps": 2}
    stop = asyncio.Event()
    line = asyncio.create_task(run_line(settings, ("route", "preview"), stop=stop))
    body = json.dumps({**prompt, "fast_preview": True}).encode()
    produce(topics.bootstrap, topics.name("prompts"), [(None, body, [])])
    (message,) = await asyncio.to_thread(
        read_until, topics.bootstrap, topics.name("renders"), lambda found: len(found) >= 1, timeout_s=180
    )
    stop.set()
    await line
    render = decode(Render, message.value())
    assert (render.outcome, render.emulated, render.reason) == ("rendered", False, "")
    assert render.model.startswith("small@")
    assert (render.resolved_engine, render.usd > 0) == ("sd3.5_medium", True)


async def test_the_stage_joins_while_its_model_is_still_loading_and_stops_all_the_same(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ready, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def for_ever(_service: ModelService, _checkpoint: Checkpoint) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(ModelService, "warm", for_ever)
    line = asyncio.create_task(run_line(settings, ("preview",), stop=stop, ready=ready.set))
    async with asyncio.timeout(60):
        await ready.wait()
        await begun.wait()
        stop.set()
        await line
