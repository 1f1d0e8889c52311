"""The moment when a request that is paid for leaves: written down right before, in its engine's place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from inference.engines.base import Engine, Keyed, Transient
from inference.engines.ledger import (
    AsyncLedger,
    Beginning,
    Begun,
    Busy,
    Held,
    Known,
    NotOpen,
    OverBudget,
    Row,
)
from schemas.ids import digest

# A row is given up when its job waits long for a place; right after it was begun anew that is past belief.
BEGINNINGS: Final = 3


class NotBegun(Exception):
    """The row was given up while its job waited for a place, and the job is not to be sent: see `found`."""

    def __init__(self, found: Known | Busy | Held | OverBudget) -> None:
        super().__init__(f"not begun: {found}")
        self.found = found


class Leave:
    """Writes that a request leaves, at the moment when it does. `row` is then as it was written."""

    def __init__(
        self, ledger: AsyncLedger, row: Row, begin: Callable[[], Awaitable[Beginning]], within_s: float
    ) -> None:
        self.row = row
        self.left = row.state != "intended"
        self._ledger = ledger
        self._begin = begin
        self._within_s = within_s

    async def now(self) -> None:
        """Raises:
        NotBegun: the row was given up while its job waited, and the job is not to be sent any more.
        LedgerUnavailable: nothing may be sent.
        """
        for _ in range(BEGINNINGS):
            try:
                self.row = await self._ledger.sent(self.row, self._within_s)
            except NotOpen:
                begun = await self._begin()
                if not isinstance(begun, Begun):
                    raise NotBegun(begun) from None
                self.row = begun.row
            else:
                self.left = True
                return
        raise Transient(f"call {self.row.name}: given up {BEGINNINGS} times before it could be sent")


async def keyed_by(engine: Engine, leave: Leave) -> Engine:
    """`engine`, which says when the request leaves; of another, that is written down beforehand."""
    if isinstance(engine, Keyed):
        row = leave.row
        return engine.keyed(digest("request", row.job, row.call.render_id), leave.now)
    await leave.now()
    return engine


def is_repeatable(engine: Engine) -> bool:
    """Whether a request whose outcome is unknown may simply be made again: its server knows it by name."""
    return isinstance(engine, Keyed) and engine.honours_key


class Progress:
    """How far a render has come: from when on it must be finished."""

    def __init__(self) -> None:
        self.leave: Leave | None = None
        self.paid = False

    def must_finish(self) -> bool:
        return self.paid or (self.leave is not None and self.leave.left)
