"""route: a prompt becomes one job for each of its finals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.events import LIVE_RUN, PromptEvent, PromptRef, Render, RenderJob, Spec
from schemas.topics import POLISH, PREVIEW, PROMPTS, RENDERS, Topic
from streams.routing.fanout import specs
from streams.routing.policy import LOCAL_ENGINES, Policy
from streams.routing.table import decide_route
from streams.runtime.stage import Emit, GivenUp, Stage
from streams.stages.finals import prompt_identity


@dataclass(frozen=True, slots=True)
class RouteDeps:
    policy: Policy


def job_topic(engine: str) -> Topic:
    return PREVIEW if engine in LOCAL_ENGINES else POLISH


def route(event: PromptEvent, deps: RouteDeps) -> Sequence[Emit]:
    """Decides, for each variant and locale, where it is drawn first."""
    emits = []
    for variant, spec in specs(event):
        chosen = decide_route(event, spec.texts, deps.policy)
        job = RenderJob(
            ref=PromptRef(event.source, event.id, variant, LIVE_RUN),
            spec=spec,
            engine=chosen.engine,
            purpose=chosen.purpose,
            ordinal=0,
            route=chosen.name,
            reason=chosen.reason,
            policy=deps.policy.label,
            deadline=event.deadline,
            budget_usd=event.budget_usd,
            campaign=event.campaign,
        )
        emits.append(Emit(job_topic(chosen.engine), job))
    return emits


def undrawable(ref: PromptRef, reason: str, deps: RouteDeps) -> Emit:
    """Sends a prompt that cannot be routed to `score`, as an attempt that failed.

    A prompt's finals come from `score`, which drops resends: so a spoilt resend of a prompt that is under
    way makes no second final.
    """
    spec = Spec(
        prompt="", texts=(), negative_prompt="", width=64, height=64, sampler="euler", steps=None,
        guidance=None, seed=0, locale="und",
    )  # fmt: skip
    job = RenderJob(
        ref=ref, spec=spec, engine="", purpose="final", ordinal=0, route="", reason=reason,
        policy=deps.policy.label,
    )  # fmt: skip
    return Emit(RENDERS, Render(job=job, outcome="failed", reason=reason))


def route_stage(deps: RouteDeps) -> Stage[PromptEvent]:
    def at_once(event: PromptEvent) -> Sequence[Emit]:
        return route(event, deps)

    async def handle(event: PromptEvent) -> Sequence[Emit]:
        return route(event, deps)

    def give_up(event: PromptEvent, error: Exception) -> GivenUp:
        finals = event.variants * max(1, len(event.locales))
        refs = [PromptRef(event.source, event.id, variant, LIVE_RUN) for variant in range(finals)]
        return GivenUp([undrawable(ref, f"route: {error}", deps) for ref in refs])

    def give_up_on_unreadable(ref: PromptRef, reason: str) -> Sequence[Emit]:
        return (undrawable(ref, reason, deps),)

    return Stage(
        "route",
        PROMPTS,
        PromptEvent,
        handle,
        give_up,
        give_up_on_unreadable,
        deadline=lambda event: event.deadline,
        identity=prompt_identity,
        identity_unread=prompt_identity,
        at_once=at_once,
    )
