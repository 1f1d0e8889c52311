"""A producer's resend of the same work is dropped, also after a crash and a rebalance.

The input log is the memory: a new owner of a partition reads the last records below its committed offset
again and notes whose they were. So nothing is stored apart, and nothing can disagree with the log.
"""

from __future__ import annotations

from collections import OrderedDict

# Records of one partition that a resend may lie apart, unless the settings say otherwise.
HORIZON = 5_000
# Transaction markers take offsets too: at worst there is one for each record.
OFFSETS_A_RECORD = 2


class Resends:
    """Remembers the first offset of each identity over the last `horizon` identities.

    An identity takes about 200 bytes, so the default horizon takes 1 MB a partition.
    """

    def __init__(self, horizon: int = HORIZON) -> None:
        self._horizon = horizon
        self._first: OrderedDict[bytes, int] = OrderedDict()

    def reread_from(self, offset: int) -> int:
        """Where to begin to read so that, at `offset`, all identities of the horizon are known."""
        return max(0, offset - OFFSETS_A_RECORD * self._horizon)

    def is_resend(self, identity: bytes, offset: int) -> bool:
        """Notes `identity`; True when a record at a lower offset had it: none is a resend of itself.

        Ask in the order of the offsets, or a resend that is asked for first passes for the original.
        """
        first = self._first.setdefault(identity, offset)
        self._first.move_to_end(identity)
        if len(self._first) > self._horizon:
            self._first.popitem(last=False)
        return first < offset
