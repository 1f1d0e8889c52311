"""What preview and polish share: a job becomes a render, or a reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from inference.engines.base import Transient
from inference.render import RenderService
from schemas.events import Outcome, Render, RenderJob
from schemas.topics import RENDERS, Topic
from streams.routing.verdict import gone
from streams.runtime.clock import Clock
from streams.runtime.errors import Retryable
from streams.runtime.stage import Emit, GivenUp, Stage
from streams.stages.finals import attempt_identity, failed_final, final_identity, unread_identity

# Dollars for one picture by (logical engine, width, height); 0 where our own machine's time is the cost.
ListPrice = Callable[[str, int, int], float]


@dataclass(frozen=True, slots=True)
class DrawDeps:
    service: RenderService
    clock: Clock
    price: ListPrice


async def draw(job: RenderJob, deps: DrawDeps) -> Sequence[Emit]:
    """Renders `job` unless its deadline or its budget forbids it.

    Raises:
        Retryable: the engine may answer later.
    """
    refusal = _not_worth_starting(job, deps)
    try:
        if refusal is not None:
            # A redelivered job may be paid for already, and then its picture counts, late or not.
            return (Emit(RENDERS, await deps.service.known(job) or refusal),)
        render = await deps.service.render(job)
    except Transient as error:
        raise Retryable(str(error), after_s=error.after_s) from error
    return (Emit(RENDERS, render),)


def _not_worth_starting(job: RenderJob, deps: DrawDeps) -> Render | None:
    if job.deadline is not None and deps.clock.now() >= job.deadline:
        return _undrawn(
            job, "expired", f"deadline {job.deadline.isoformat()} passed before {job.engine} began"
        )
    if job.budget_usd is None:
        return None
    spent = gone(job.history)
    try:
        price = deps.price(job.engine, job.spec.width, job.spec.height)
    except LookupError:
        # The service says what is wrong with the engine.
        return None
    if spent + price > job.budget_usd:
        why = f"budget_usd {job.budget_usd:g}: {spent:.4f} spent, {job.engine} costs {price:.4f}"
        return _undrawn(job, "failed", why)
    return None


def _undrawn(job: RenderJob, outcome: Outcome, reason: str) -> Render:
    return Render(job=job, outcome=outcome, reason=reason)


def _give_up(job: RenderJob, error: Exception) -> GivenUp:
    """An engine that stays away is a failed attempt: the verdict finds its successor.

    Any other fault is one of ours: the record is kept as a dead letter besides.
    """
    cause = error.__cause__
    doubtful = cause.usd_unknown if isinstance(cause, Transient) else 0.0
    render = replace(_undrawn(job, "failed", f"{job.engine}: {error}"), usd_unknown=doubtful)
    return GivenUp((Emit(RENDERS, render),), dead_letter=not isinstance(error, Retryable))


def draw_stage(name: str, topic: Topic, deps: DrawDeps) -> Stage[RenderJob]:
    async def handle(job: RenderJob) -> Sequence[Emit]:
        return await draw(job, deps)

    return Stage(
        name,
        topic,
        RenderJob,
        handle,
        _give_up,
        failed_final,
        deadline=lambda job: job.deadline,
        identity=attempt_identity,
        identity_unread=unread_identity,
        order=lambda job: final_identity(job.ref),
    )
