"""What became of a job, as the event that says so."""

from __future__ import annotations

from dataclasses import replace

from inference.engines.base import Picture
from inference.engines.ledger import Row, dollars
from inference.keeping import Work
from inference.manifest import Manifest
from schemas.events import Outcome, Render, RenderJob


def ended(work: Work, outcome: Outcome, reason: str, row: Row | None = None) -> Render:
    """No picture, and why; `row` is the call for it, where one was made."""
    render = Render(
        job=work.job,
        outcome=outcome,
        resolved_engine=work.resolved.entry.name,
        model=work.resolved.model,
        render_id=work.id,
        emulated=work.resolved.emulated,
        reason=joined(work.resolved.reason, reason),
    )
    return render if row is None else priced(render, row)


def ended_before(job: RenderJob, row: Row, outcome: Outcome, reason: str) -> Render:
    """No picture from the call that was made for `job`, whatever engine would be asked now."""
    render = Render(
        job=job,
        outcome=outcome,
        resolved_engine=row.call.engine,
        model=row.call.model,
        render_id=row.call.render_id,
        emulated=row.call.emulated,
        reason=reason,
    )
    return priced(render, row)


def of_manifest(job: RenderJob, manifest: Manifest, why: str, *, cached: bool) -> Render:
    """A picture that was drawn before."""
    return Render(
        job=job,
        outcome="rendered",
        resolved_engine=manifest.resolved_engine,
        model=manifest.model,
        render_id=manifest.render_id,
        pictures=manifest.pictures,
        emulated=manifest.emulated,
        cached=cached,
        by_construction=manifest.by_construction,
        reason=why,
    )


def paid_before(job: RenderJob, manifest: Manifest, row: Row) -> Render:
    """The job's own picture: its price is this render's, which nobody may have seen."""
    found = of_manifest(job, manifest, "drawn and paid for before", cached=False)
    usd = manifest.usd if row.settled is None else dollars(row.settled)
    return replace(found, usd=usd, seconds=manifest.seconds)


def priced(render: Render, row: Row) -> Render:
    """`render` with what its call has cost, or may have."""
    if row.settled is not None:
        return replace(render, usd=dollars(row.settled))
    return replace(render, usd_unknown=dollars(row.call.reserve))


def signed(render: Render, work: Work, picture: Picture) -> Render:
    """`render` with who drew, at what cost."""
    return replace(
        render,
        resolved_engine=work.resolved.entry.name,
        model=picture.model,
        usd=picture.usd,
        seconds=picture.seconds,
        emulated=picture.emulated,
    )


def joined(*parts: str) -> str:
    """Those that say something, as one reason."""
    return "; ".join(filter(None, parts))
