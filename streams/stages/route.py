"""route: a prompt becomes one job for each of its finals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.events import LIVE_RUN, PromptEvent, PromptRef, RenderJob
from schemas.topics import POLISH, PREVIEW, PROMPTS, Topic
from streams.routing.fanout import specs
from streams.routing.policy import LOCAL_ENGINES, Policy
from streams.routing.table import decide_route
from streams.runtime.stage import Emit, GivenUp, Stage
from streams.stages.finals import failed_final


@dataclass(frozen=True, slots=True)
class RouteDeps:
    policy: Policy


def job_topic(engine: str) -> Topic:
    return PREVIEW if engine in LOCAL_ENGINES else POLISH


async def route(event: PromptEvent, deps: RouteDeps) -> Sequence[Emit]:
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


def _give_up(event: PromptEvent, error: Exception) -> GivenUp:
    emits: list[Emit] = []
    for variant in range(event.variants * max(1, len(event.locales))):
        emits += failed_final(PromptRef(event.source, event.id, variant, LIVE_RUN), f"route: {error}")
    return GivenUp(emits)


def route_stage(deps: RouteDeps) -> Stage[PromptEvent]:
    async def handle(event: PromptEvent) -> Sequence[Emit]:
        return await route(event, deps)

    return Stage("route", PROMPTS, PromptEvent, handle, _give_up, failed_final, lambda event: event.deadline)
