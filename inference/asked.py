"""What is known of a job that was asked before, whatever engine its name stands for by now."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from inference.assets import AssetStore, StoreFailed
from inference.engines.base import Transient
from inference.engines.ledger import ANSWERABLE, Call, LedgerUnavailable, Row, spelled
from inference.manifest import find_manifest
from inference.rendered import ended_before, paid_before
from inference.spending import Spending, receipt_id, waiting_in_words
from schemas.events import Outcome, Render, RenderJob


class AskedBefore:
    """The ledger and the store, asked for one job."""

    def __init__(self, spending: Spending, store: AssetStore) -> None:
        self._spending = spending
        self._store = store

    async def find(self, job: RenderJob, *, emulated: bool | None) -> Row | None:
        """The call that binds `job`: one that ended, or may have been charged. A stand-in's call binds only
        where one would draw now too (`emulated`), or nobody would (None).

        Raises:
            LedgerUnavailable
        """
        for is_emulated in (False,) if emulated is False else (False, True):
            row = await self._spending.last(_identity(job, emulated=is_emulated))
            if row is not None and row.state != "intended" and not row.may_be_sent_again:
                return row
        return None

    async def told(self, job: RenderJob, row: Row) -> Render | None:
        """What `row` came to, with what it cost; None where nobody knows, or a stand-in's picture is gone.

        Raises:
            StoreFailed
        """
        if row.state in ANSWERABLE:
            # Its worker may have left between storing the picture and saying so.
            mine = await find_manifest(self._store, receipt_id(row))
            return paid_before(job, mine, await self._spending.settle_by(row, mine)) if mine else None
        if row.state != "image":
            outcome: Outcome = "refused" if row.state == "refused" else "failed"
            return ended_before(job, row, outcome, f"{row.reason} (asked before)")
        manifest = await find_manifest(self._store, row.drawn_id)
        if manifest is not None:
            return paid_before(job, manifest, row)
        gone = (
            f"call {row.name} was drawn for {spelled(row.committed)}, and its picture {row.asset_uri} is "
            "gone from the store; it is not paid for again: send the prompt under a new id"
        )
        return None if row.call.emulated else ended_before(job, row, "failed", gone)

    async def ended(self, job: RenderJob, *, emulated: bool | None) -> Render | None:
        """What was paid for `job`, or may have been; None where nothing was."""
        row = await self.find(job, emulated=emulated)
        if row is None:
            return None
        return await self.told(job, row) or ended_before(job, row, "failed", waiting_in_words(row))


def _identity(job: RenderJob, *, emulated: bool) -> Call:
    return Call.of(job, render_id="", engine=job.engine, model="", reserve=0, emulated=emulated)


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Raises:
    Transient: the store or the ledger did not answer.
    """
    try:
        yield
    except StoreFailed as error:
        raise Transient(f"asset store: {error}") from error
    except LedgerUnavailable as error:
        raise Transient(str(error)) from error
