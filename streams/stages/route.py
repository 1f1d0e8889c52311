"""route: a prompt becomes one job for each of its finals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from schemas.events import LIVE_RUN, PromptEvent, PromptRef, Render, RenderJob, Spec
from schemas.topics import POLISH, PREVIEW, PROMPTS, RENDERS, Topic
from streams.routing.expected.advising import Advisor
from streams.routing.fanout import specs
from streams.routing.policy import LOCAL_ENGINES, Policy
from streams.routing.table import Route, decide_route
from streams.runtime.stage import Emit, GivenUp, Stage
from streams.stages.finals import prompt_identity

BLANK: Final = Spec(
    prompt="", texts=(), negative_prompt="", width=64, height=64, sampler="euler", steps=None, guidance=None,
    seed=0, locale="und",
)  # fmt: skip
# Also where the one way that would be left is a person, who could only look at a blank sheet.
NOBODY_DRAWS: Final = "no engine that can be called here may draw it, and it cannot be set in type"


@dataclass(frozen=True, slots=True)
class RouteDeps:
    policy: Policy


def job_topic(engine: str) -> Topic:
    return PREVIEW if engine in LOCAL_ENGINES else POLISH


def route(event: PromptEvent, deps: RouteDeps) -> Sequence[Emit]:
    """Decides, for each variant and locale, where it is drawn first."""
    policy = deps.policy
    return [
        _sent(event, variant, spec, decide_route(event, spec.texts, policy), policy.label)
        for variant, spec in specs(event)
    ]


async def route_by(event: PromptEvent, advisor: Advisor) -> Sequence[Emit]:
    """The same by expected cost.

    Raises:
        Retryable: what is known of the engines cannot be read; nothing was decided.
    """
    emits = []
    for variant, spec in specs(event):
        ref = PromptRef(event.source, event.id, variant, LIVE_RUN)
        chosen = await advisor.first(ref, spec, event.budget_usd)
        if chosen is None:
            emits.append(undrawable(ref, NOBODY_DRAWS, advisor.label, spec))
        else:
            emits.append(_sent(event, variant, spec, chosen, advisor.label))
    return emits


def _sent(event: PromptEvent, variant: int, spec: Spec, chosen: Route, label: str) -> Emit:
    job = RenderJob(
        ref=PromptRef(event.source, event.id, variant, LIVE_RUN),
        spec=spec,
        engine=chosen.engine,
        purpose=chosen.purpose,
        ordinal=0,
        route=chosen.name,
        reason=chosen.reason,
        policy=label,
        deadline=event.deadline,
        budget_usd=event.budget_usd,
        campaign=event.campaign,
    )
    return Emit(job_topic(chosen.engine), job)


def undrawable(ref: PromptRef, reason: str, label: str, spec: Spec = BLANK) -> Emit:
    """Sends a prompt that cannot be routed to `score`, as an attempt that failed. `label` is the policy's.

    A prompt's finals come from `score`, which drops resends: so a spoilt resend of a prompt that is under
    way makes no second final.
    """
    job = RenderJob(
        ref=ref, spec=spec, engine="", purpose="final", ordinal=0, route="", reason=reason, policy=label
    )
    return Emit(RENDERS, Render(job=job, outcome="failed", reason=reason))


def route_stage(deps: RouteDeps | Advisor) -> Stage[PromptEvent]:
    """A table decides in place; by expected cost it takes a look into the database."""
    label = deps.policy.label
    at_once = partial(route, deps=deps) if isinstance(deps, RouteDeps) else None

    async def handle(event: PromptEvent) -> Sequence[Emit]:
        return route(event, deps) if isinstance(deps, RouteDeps) else await route_by(event, deps)

    def give_up(event: PromptEvent, error: Exception) -> GivenUp:
        finals = event.variants * max(1, len(event.locales))
        refs = [PromptRef(event.source, event.id, variant, LIVE_RUN) for variant in range(finals)]
        return GivenUp([undrawable(ref, f"route: {error}", label) for ref in refs])

    def give_up_on_unreadable(ref: PromptRef, reason: str) -> Sequence[Emit]:
        return (undrawable(ref, reason, label),)

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
