"""Results as consumers see them."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.events import Attempt, PromptRef, RenderJob, Result, Status
from schemas.ids import result_id
from schemas.topics import RESULTS
from streams.runtime.stage import Emit


def failed_final(ref: PromptRef, reason: str) -> Sequence[Emit]:
    """The final of a prompt that went wrong before anything was drawn."""
    result = Result(id=result_id(ref, 0, True), ref=ref, final=True, status="failed", reason=reason)
    return (Emit(RESULTS, result),)


def result_of(
    job: RenderJob,
    attempts: Sequence[Attempt],
    chosen: Attempt | None,
    *,
    status: Status | None,
    reason: str,
) -> Result:
    """A result over `attempts`, showing `chosen`'s picture; final where it has a status."""
    shown = chosen if chosen is not None else attempts[-1]
    return Result(
        id=result_id(job.ref, attempts[-1].ordinal, status is not None),
        ref=job.ref,
        final=status is not None,
        status=status,
        locale=job.spec.locale,
        pictures=shown.pictures,
        legibility=shown.legibility,
        engine=shown.engine,
        resolved_engine=shown.resolved_engine,
        model=shown.model,
        render_id=shown.render_id,
        emulated=shown.emulated,
        route=job.route,
        policy=job.policy,
        reason=reason,
        attempts=tuple(attempts),
        usd=sum(attempt.usd for attempt in attempts),
        seconds=sum(attempt.seconds for attempt in attempts),
        campaign=job.campaign,
    )
