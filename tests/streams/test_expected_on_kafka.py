"""The whole line by expected cost on Apache Kafka: finals, and what was learned on the way."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

from inference.engines.emulator.serving import emulator_process
from schemas.events import PromptEvent, RenderJob, Result
from schemas.topics import POLISH, PROMPTS, RESULTS
from schemas.wire import decode, encode, key_for
from streams.line import STAGES, run_line
from streams.routing.expected.keeping import Kept
from streams.routing.expected.policyfile import load_policy
from streams.settings import Settings
from tests.support.kafka import produce, read_all, read_until

PROMPT = PromptEvent(id="", source="shop", prompt='a poster, "OPEN LATE"', width=512, height=512)
COUNT = 4


async def test_prompts_are_drawn_judged_and_learned_from(topics: Any, tmp_path: Path) -> None:
    policy = load_policy()
    with emulator_process(pace=0.0) as url:
        settings = Settings(
            bootstrap=topics.bootstrap,
            topic_prefix=topics.prefix,
            assets=str(tmp_path / "assets"),
            policy="expected",
            emulator_url=url,
            sd3_medium="none",
            sd3_local="none",
            sd3_text="none",
            drain_seconds=10.0,
        )
        prompts = [dataclasses.replace(PROMPT, id=str(number)) for number in range(COUNT)]
        stop, ready = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(run_line(settings, STAGES, stop=stop, ready=ready.set))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        try:
            produce(
                topics.bootstrap, topics.name(PROMPTS.name), [(key_for(p), encode(p), []) for p in prompts]
            )
            found = await asyncio.to_thread(
                read_until,
                topics.bootstrap,
                topics.name(RESULTS.name),
                lambda messages: sum(decode(Result, each.value()).final for each in messages) >= COUNT,
            )
        finally:
            stop.set()
            await running
    finals = [final for final in (decode(Result, each.value()) for each in found) if final.final]
    assert {final.ref.id for final in finals} == {prompt.id for prompt in prompts}
    assert {final.policy for final in finals} == {policy.label}
    assert all(final.attempts for final in finals)
    for message in read_all(topics.bootstrap, topics.name(POLISH.name)):
        assert f"({policy.label}, rates " in decode(RenderJob, message.value()).reason
    kept = Kept(settings.ledger_address)
    engines = {attempt.resolved_engine: attempt.emulated for final in finals for attempt in final.attempts}
    seen = kept.snapshot(policy, engines).seen
    kept.close()
    judged = [attempt for final in finals for attempt in final.attempts if attempt.outcome == "rendered"]
    assert 0 < sum(seen.values()) <= len(judged)
