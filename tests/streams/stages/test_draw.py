import datetime as dt
from typing import Any

import pytest

from inference.assets import AssetStore
from inference.engines.registry import Engines, load_registry
from inference.render import RenderService
from schemas.events import Attempt, PromptRef, Render, RenderJob, Spec, Text
from streams.runtime.errors import Permanent, Retryable
from streams.stages.draw import DrawDeps, draw, draw_stage
from streams.stages.preview import preview_stage

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
NOBODY = "http://127.0.0.1:9"


class StoppedClock:
    def now(self) -> dt.datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"slept {seconds} s")


def deps(emulator_url: str | None = None) -> DrawDeps:
    engines = Engines(load_registry(), today=lambda: NOW.date(), emulator_url=emulator_url)
    service = RenderService(engines, AssetStore.open("memory://"))
    return DrawDeps(
        service, StoppedClock(), lambda engine, _width, _height: 0.0 if engine == "layout" else 0.1
    )


def job(engine: str = "layout", **fields: Any) -> RenderJob:
    spec = Spec(
        prompt="a poster",
        texts=(Text("SALE"),),
        negative_prompt="",
        width=256,
        height=256,
        sampler="euler",
        steps=None,
        guidance=None,
        seed=1,
        locale="en",
    )
    defaults: dict[str, Any] = {
        "purpose": "final",
        "ordinal": 0,
        "route": "r",
        "reason": "",
        "policy": "hybrid-1",
    }
    return RenderJob(ref=PromptRef("s", "p"), spec=spec, engine=engine, **(defaults | fields))


async def render(made: RenderJob, using: DrawDeps) -> Render:
    (emit,) = await draw(made, using)
    assert emit.topic.name == "renders"
    assert isinstance(emit.event, Render)
    return emit.event


async def test_a_job_becomes_a_stored_picture() -> None:
    made = await render(job(), deps())
    assert made.outcome == "rendered"
    assert made.pictures is not None
    assert (made.pictures.image.width, made.pictures.image.height) == (256, 256)


async def test_the_same_job_again_draws_nothing_and_costs_nothing() -> None:
    using = deps()
    first, again = await render(job(), using), await render(job(), using)
    assert (again.cached, again.usd) == (True, 0.0)
    assert again.pictures == first.pictures
    assert again.render_id == first.render_id


async def test_nothing_starts_after_its_deadline() -> None:
    late = await render(job(deadline=NOW), deps())
    assert late.outcome == "expired"
    assert late.pictures is None
    assert "deadline" in late.reason
    in_time = await render(job(deadline=NOW + dt.timedelta(seconds=1)), deps())
    assert in_time.outcome == "rendered"


@pytest.mark.parametrize("charged", ["usd", "usd_unknown"])
async def test_nothing_starts_that_the_budget_does_not_cover(charged: str) -> None:
    money: dict[str, Any] = {charged: 0.15}
    spent = Attempt(ordinal=0, purpose="final", engine="imagen4_remote", outcome="rendered", **money)
    refused = await render(job("imagen4_ultra", budget_usd=0.2, history=(spent,)), deps())
    assert refused.outcome == "failed"
    assert "budget_usd 0.2" in refused.reason
    free = await render(job("layout", budget_usd=0.2, history=(spent,)), deps())
    assert free.outcome == "rendered"


async def test_an_engine_that_does_not_answer_is_tried_again_later() -> None:
    with pytest.raises(Retryable):
        await draw(job("sd3.5_medium", purpose="preview"), deps(NOBODY))


def test_an_engine_that_stays_away_is_a_failed_attempt_for_the_verdict() -> None:
    stage = preview_stage(deps())
    given_up = stage.give_up(job("sd3.5_medium"), Retryable("no answer"))
    assert not given_up.dead_letter
    (emit,) = given_up.emits
    assert isinstance(emit.event, Render)
    assert (emit.event.outcome, emit.event.reason) == ("failed", "sd3.5_medium: no answer")


def test_a_fault_of_ours_is_kept_as_a_dead_letter_besides() -> None:
    assert preview_stage(deps()).give_up(job(), Permanent("broken")).dead_letter


def test_a_resend_of_a_job_is_known_by_its_final_and_its_attempt() -> None:
    identity = draw_stage("polish", preview_stage(deps()).topic, deps()).identity
    assert identity is not None
    assert identity(job(reason="a")) == identity(job(reason="b"))
    assert identity(job(ordinal=1)) != identity(job(ordinal=0))
