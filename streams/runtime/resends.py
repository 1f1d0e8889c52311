"""A producer's resend of the same work is dropped, also after a crash and a rebalance.

The input log is the memory: a new owner of a partition reads the last records below its committed offset
again and notes whose they were. So nothing is stored apart, and nothing can disagree with the log.
"""

from __future__ import annotations

from collections import OrderedDict

# Records of one partition that a resend may lie apart. About 150 bytes each in memory.
HORIZON = 5_000


class Resends:
    """Remembers the first offset of each identity over the last `horizon` identities."""

    def __init__(self, horizon: int = HORIZON) -> None:
        self._horizon = horizon
        self._first: OrderedDict[bytes, int] = OrderedDict()

    def is_resend(self, identity: bytes, offset: int) -> bool:
        """Notes `identity`; True when a record at a lower offset had it: none is a resend of itself."""
        first = self._first.setdefault(identity, offset)
        if len(self._first) > self._horizon:
            self._first.popitem(last=False)
        return first < offset
