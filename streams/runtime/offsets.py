"""Which offsets of one partition are finished, and how a successor learns of it.

The committed offset is the low-water mark: everything below it is finished. Offsets finished above it
travel as a bitset in the commit's metadata, so that the next owner of the partition skips them.
"""

from __future__ import annotations

import base64
import binascii
from collections import deque
from collections.abc import Iterable

WINDOW = 8_192
_VERSION = "g1"


class OffsetTracker:
    """Tracks one partition for one assignment epoch, from `next_offset` on.

    Only offsets really received are tracked: transaction markers, aborted and compacted records leave
    gaps, and a gap is no work. `position` is the guard against a record delivered twice; `unfinished` counts
    the records received and not yet done.
    """

    def __init__(self, next_offset: int, finished_above: Iterable[int] = (), *, window: int = WINDOW) -> None:
        self.position = next_offset
        self._window = window
        self._received: deque[int] = deque()
        self._finished: set[int] = set(finished_above)
        self.unfinished = 0

    @property
    def low_water(self) -> int:
        """The lowest offset that is not finished: what may be committed."""
        return self._received[0] if self._received else self.position

    @property
    def gap(self) -> int:
        """Received offsets that are finished but wait above the low-water mark."""
        return len(self._received) - self.unfinished

    @property
    def full(self) -> bool:
        """True when one more record might not fit into the commit's metadata."""
        return self.position - self.low_water >= self._window

    @property
    def reach(self) -> int:
        """The first offset that a commit cannot name: finished and committed, it would be done again."""
        return self.low_water + self._window

    def receive(self, offset: int) -> bool:
        """Notes a delivered record; False when it is finished already or was delivered before."""
        if offset < self.position:
            return False
        self.position = offset + 1
        self._received.append(offset)
        if offset in self._finished:
            self._advance()
            return False
        self.unfinished += 1
        return True

    def finish(self, offset: int) -> None:
        """Marks a received record as done.

        Raises:
            ValueError: the offset was not received, or is finished already.
        """
        if offset < self.low_water or offset >= self.position or offset in self._finished:
            raise ValueError(f"offset {offset} is not open (low-water mark {self.low_water})")
        self._finished.add(offset)
        self.unfinished -= 1
        self._advance()

    def _advance(self) -> None:
        while self._received and self._received[0] in self._finished:
            self._finished.discard(self._received.popleft())

    def metadata(self) -> str:
        """The finished set above the low-water mark, as text for the commit."""
        low_water = self.low_water
        # A finished offset may never come again (retention took it) and stay in the set for good.
        end = self.reach
        return encode_finished(low_water, (offset for offset in self._finished if low_water <= offset < end))


def encode_finished(base: int, finished: Iterable[int]) -> str:
    """`g1:BASE:BITSET`, the bitset in base64, bit i for offset BASE + i; empty where nothing is above."""
    bits = 0
    for offset in finished:
        bits |= 1 << (offset - base)
    if not bits:
        return ""
    raw = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
    return f"{_VERSION}:{base}:{base64.b64encode(raw).decode('ascii')}"


def decode_finished(committed: int, metadata: str) -> frozenset[int]:
    """The finished offsets above `committed`; empty where the text is not ours or names another base.

    Another base means that the offsets were moved by hand or by a mirror: then the work is done again,
    which deterministic ids make harmless, rather than skipped, which would lose it.
    """
    parts = metadata.split(":")
    if len(parts) != 3 or parts[0] != _VERSION or parts[1] != str(committed):
        return frozenset()
    try:
        bits = int.from_bytes(base64.b64decode(parts[2], validate=True), "little")
    except (binascii.Error, ValueError):
        return frozenset()
    return frozenset(committed + index for index in range(bits.bit_length()) if bits >> index & 1)
