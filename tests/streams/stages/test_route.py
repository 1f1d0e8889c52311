import datetime as dt
from typing import Any

from schemas.events import Attempt, PromptEvent, PromptRef, Render, RenderJob, Text
from streams.routing.policy import HYBRID, LOCAL_FIRST, POLICIES
from streams.routing.verdict import decide_verdict
from streams.stages.route import RouteDeps, route, route_stage, undrawable


def prompt(**fields: Any) -> PromptEvent:
    return PromptEvent(id="p", source="shop", prompt='a poster that says "SALE"', **fields)


def jobs(emits: Any) -> list[RenderJob]:
    return [emit.event for emit in emits if isinstance(emit.event, RenderJob)]


async def test_previews_go_to_the_preview_topic_and_all_else_to_polish() -> None:
    async def topic(**fields: Any) -> str:
        (emit,) = route(prompt(**fields), RouteDeps(HYBRID))
        return emit.topic.name

    assert await topic(fast_preview=True) == "preview"
    assert await topic() == "polish"
    assert await topic(tags=("layout-only",)) == "polish"


async def test_a_job_carries_why_it_was_sent_there_and_what_bounds_it() -> None:
    deadline = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    event = prompt(fast_preview=True, deadline=deadline, budget_usd=0.2, campaign="winter")
    (job,) = jobs(route(event, RouteDeps(HYBRID)))
    assert (job.route, job.reason, job.policy) == ("local-sd_medium", "fast_preview", "hybrid-1")
    assert (job.deadline, job.budget_usd, job.campaign, job.ordinal) == (deadline, 0.2, "winter", 0)
    assert [text.text for text in job.spec.texts] == ["SALE"]


async def test_each_variant_and_locale_has_a_job_and_a_final_of_its_own() -> None:
    event = prompt(variants=3, locales=("en", "fr"), texts=(Text("SALE"),))
    made = jobs(route(event, RouteDeps(LOCAL_FIRST)))
    assert [job.ref.variant for job in made] == [0, 1, 2, 3, 4, 5]
    assert {job.ref.run for job in made} == {"live"}


def test_a_prompt_given_up_owes_a_failed_attempt_for_each_of_its_finals() -> None:
    stage = route_stage(RouteDeps(HYBRID))
    given_up = stage.give_up(prompt(variants=2, locales=("en", "fr")), RuntimeError("no disk"))
    assert given_up.dead_letter
    renders = [emit.event for emit in given_up.emits if isinstance(emit.event, Render)]
    assert [render.job.ref.variant for render in renders] == [0, 1, 2, 3]
    assert {(render.outcome, render.reason) for render in renders} == {("failed", "route: no disk")}


def test_a_prompt_that_cannot_be_routed_ends_failed_and_at_once() -> None:
    """No engine stands behind it, so the verdict has nothing to try."""
    emit = undrawable(PromptRef("shop", "p"), "width: 5 is too small", HYBRID.label)
    assert isinstance(emit.event, Render)
    attempt = Attempt(ordinal=0, purpose="final", engine="", outcome="failed", reason=emit.event.reason)
    for policy in POLICIES.values():
        verdict = decide_verdict(emit.event.job, (attempt,), policy, lambda _engine: 0.0)
        assert (verdict.status, verdict.reason) == ("failed", "width: 5 is too small")
