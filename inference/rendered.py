"""What became of a job, as the event that says so."""

from __future__ import annotations

from dataclasses import replace

from inference.engines.base import Picture
from inference.engines.ledger import Row, dollars
from inference.keeping import Work
from inference.manifest import Manifest
from schemas.events import Outcome, Render


def ended(work: Work, outcome: Outcome, reason: str, row: Row | None = None) -> Render:
    """No picture, and why; `row` is the call for it, where one was made."""
    return Render(
        job=work.job,
        outcome=outcome,
        resolved_engine=work.resolved.entry.name,
        model=work.resolved.model,
        render_id=work.id,
        usd=0.0 if row is None else dollars(row.settled or 0),
        usd_unknown=0.0 if row is None or row.settled is not None else dollars(row.call.reserve),
        emulated=work.resolved.emulated,
        reason=joined(work.resolved.reason, reason),
    )


def of_manifest(work: Work, manifest: Manifest, why: str, *, cached: bool) -> Render:
    """A picture that was drawn before."""
    return Render(
        job=work.job,
        outcome="rendered",
        resolved_engine=manifest.resolved_engine,
        model=manifest.model,
        render_id=manifest.render_id,
        pictures=manifest.pictures,
        emulated=manifest.emulated,
        cached=cached,
        by_construction=manifest.by_construction,
        reason=joined(work.resolved.reason, why),
    )


def paid_before(work: Work, manifest: Manifest, row: Row) -> Render:
    """The job's own picture: its price is this render's, which nobody may have seen."""
    found = of_manifest(work, manifest, "drawn and paid for before", cached=False)
    usd = manifest.usd if row.settled is None else dollars(row.settled)
    return replace(found, usd=usd, seconds=manifest.seconds)


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
