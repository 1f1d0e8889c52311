"""score: read the picture back, then apply the verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from inference.assets import AssetCorrupt, AssetMissing, AssetStore, StoreFailed
from inference.legibility.acceptance import DEFAULT, Acceptance, passes
from inference.legibility.service import ReaderFailed
from schemas.events import Asset, Attempt, Legibility, Purpose, Render, RenderJob, Spec, Status, Text
from schemas.topics import RENDERS, RESULTS
from streams.routing.expected.advising import Advisor
from streams.routing.policy import POLICIES, Policy
from streams.routing.verdict import Verdict, best_attempt, decide_verdict
from streams.runtime.errors import Permanent, Retryable
from streams.runtime.stage import Emit, GivenUp, Stage
from streams.stages.draw import ListPrice
from streams.stages.finals import (
    attempt_identity,
    failed_final,
    final_identity,
    result_of,
    unread_identity,
)
from streams.stages.route import job_topic


class Judge(Protocol):
    """What the stage asks of the OCR service."""

    async def judge(
        self, png: bytes, texts: Sequence[Text], *, by_construction: bool = False
    ) -> Legibility: ...


@dataclass(frozen=True, slots=True)
class ScoreDeps:
    """`advisor` judges what was routed by expected cost; without it, that is of an unknown policy."""

    ocr: Judge
    store: AssetStore
    price: ListPrice
    policy_of: Callable[[RenderJob], Policy]
    advisor: Advisor | None = None


def recorded_policy(job: RenderJob) -> Policy:
    """The policy that routed the job; a job outlives no policy version, so an unknown one is a fault.

    Raises:
        LookupError: no policy of this process has that label.
    """
    for policy in POLICIES.values():
        if policy.label == job.policy:
            return policy
    known = ", ".join(sorted(policy.label for policy in POLICIES.values()))
    raise LookupError(f"policy {job.policy!r} is unknown here; known: {known}")


async def score(render: Render, deps: ScoreDeps) -> Sequence[Emit]:
    """Reads `render`, publishes what consumers may know, and the next job where there is one.

    Raises:
        Retryable: the reader, the asset store, or what is known of the engines did not answer.
        Permanent: the picture is gone from the store, or no longer what it was.
    """
    legibility = await _read(render, deps)
    attempts = (*render.job.history, _attempt(render, legibility))
    verdict = await _verdict(render.job, attempts, deps)
    last = dataclasses.replace(attempts[-1], verdict=verdict.action)
    attempts = (*attempts[:-1], last)
    if verdict.status is not None:
        chosen = _shown(attempts, verdict)
        final = result_of(render.job, attempts, chosen, status=verdict.status, reason=verdict.reason)
        return (Emit(RESULTS, final),)
    job = _next_job(render.job, attempts, verdict)
    emits = [Emit(job_topic(job.engine), job)]
    if last.purpose == "preview" and last.pictures is not None:
        preview = result_of(render.job, attempts, last, status=None, reason=verdict.reason)
        emits.append(Emit(RESULTS, preview))
    return emits


async def _verdict(job: RenderJob, attempts: Sequence[Attempt], deps: ScoreDeps) -> Verdict:
    if deps.advisor is not None and deps.advisor.decides(job):
        return await deps.advisor.verdict(job, attempts)
    return decide_verdict(job, attempts, deps.policy_of(job), _price_for(job.spec, deps))


def _accepted_by(job: RenderJob, deps: ScoreDeps) -> Acceptance:
    if deps.advisor is not None and deps.advisor.decides(job):
        return DEFAULT
    return deps.policy_of(job).accept


def _shown(attempts: Sequence[Attempt], verdict: Verdict) -> Attempt | None:
    """A person is shown the last picture, or the best of those before where it brought none."""
    last = attempts[-1]
    if verdict.action == "stop" or (verdict.action == "person" and last.pictures is None):
        return best_attempt(attempts)
    return last


def _price_for(spec: Spec, deps: ScoreDeps) -> Callable[[str], float]:
    return lambda engine: deps.price(engine, spec.width, spec.height)


async def _read(render: Render, deps: ScoreDeps) -> Legibility | None:
    if render.pictures is None:
        return None
    try:
        png = await deps.store.get(render.pictures.image)
        return await deps.ocr.judge(png, render.job.spec.texts, by_construction=render.by_construction)
    except (AssetMissing, AssetCorrupt) as error:
        raise Permanent(str(error), code="asset-lost") from error
    except (StoreFailed, ReaderFailed) as error:
        raise Retryable(f"cannot read {render.pictures.image.uri}: {error}") from error


def _attempt(render: Render, legibility: Legibility | None) -> Attempt:
    job = render.job
    return Attempt(
        ordinal=job.ordinal,
        purpose=job.purpose,
        engine=job.engine,
        outcome=render.outcome,
        resolved_engine=render.resolved_engine,
        model=render.model,
        render_id=render.render_id,
        seed=job.spec.seed,
        pictures=render.pictures,
        legibility=legibility,
        usd=render.usd,
        usd_unknown=render.usd_unknown,
        seconds=render.seconds,
        emulated=render.emulated,
        cached=render.cached,
        reason=render.reason or job.reason,
    )


def _next_job(job: RenderJob, attempts: Sequence[Attempt], verdict: Verdict) -> RenderJob:
    return dataclasses.replace(
        job,
        spec=_next_spec(job.spec, verdict.purpose),
        engine=verdict.engine,
        purpose=verdict.purpose,
        ordinal=job.ordinal + 1,
        reason=verdict.reason,
        history=tuple(attempts),
        background=_background(attempts) if verdict.action == "compose" else None,
    )


def _next_spec(spec: Spec, purpose: Purpose) -> Spec:
    if purpose != "reroll":
        return spec
    return dataclasses.replace(spec, seed=(spec.seed + 1) % 2**32)


def _background(attempts: Sequence[Attempt]) -> Asset | None:
    """A text-free background where an engine delivered one, else the best picture there is."""
    best = best_attempt(attempts)
    if best is None or best.pictures is None:
        return None
    return best.pictures.background or best.pictures.image


def _give_up(render: Render, error: Exception, deps: ScoreDeps) -> GivenUp:
    job = render.job
    attempts = (*job.history, _attempt(render, None))
    chosen = best_attempt(attempts)
    status: Status = "failed" if chosen is None else "best_effort"
    if (
        chosen is not None
        and chosen.legibility is not None
        and passes(chosen.legibility, _accepted_by(job, deps))
    ):
        status = "accepted"
    final = result_of(job, attempts, chosen, status=status, reason=f"score: {error}")
    return GivenUp((Emit(RESULTS, final),))


def score_stage(deps: ScoreDeps) -> Stage[Render]:
    async def handle(render: Render) -> Sequence[Emit]:
        return await score(render, deps)

    return Stage(
        "score",
        RENDERS,
        Render,
        handle,
        lambda render, error: _give_up(render, error, deps),
        failed_final,
        identity=lambda render: attempt_identity(render.job),
        identity_unread=unread_identity,
        order=lambda render: final_identity(render.job.ref),
    )
