"""Results as consumers see them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from schemas.events import Attempt, PromptEvent, PromptRef, RenderJob, Result, Status
from schemas.ids import prompt_key, result_id
from schemas.topics import RESULTS
from streams.runtime.stage import Emit


def attempt_identity(job: RenderJob) -> bytes:
    """Names one attempt for one final: what a producer's resend repeats."""
    return _named(job.ref, "attempt", job.ordinal)


def final_identity(ref: PromptRef) -> bytes:
    """Names one final: what runs one by one."""
    return _named(ref, "final")


def unread_identity(ref: PromptRef) -> bytes:
    """Names the one failed final that records of a prompt make together when none can be read."""
    return _named(ref, "unread")


def prompt_identity(event: PromptEvent | PromptRef) -> bytes:
    """Names a prompt, readable or not."""
    return hashlib.blake2b(prompt_key(event.source, event.id), digest_size=16).digest()


def _named(ref: PromptRef, *what: object) -> bytes:
    name = repr((ref.source, ref.id, ref.variant, ref.run, *what))
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def failed_final(ref: PromptRef, reason: str) -> Sequence[Emit]:
    """The final of a prompt whose job or render can no longer be read."""
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
    """A result over `attempts`, showing `chosen`'s picture; final where it has a status.

    An attempt without an engine stands for a prompt that never reached one and is not shown.
    """
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
        attempts=tuple(attempt for attempt in attempts if attempt.engine),
        usd=sum(attempt.usd for attempt in attempts),
        usd_unknown=sum(attempt.usd_unknown for attempt in attempts),
        seconds=sum(attempt.seconds for attempt in attempts),
        campaign=job.campaign,
    )
