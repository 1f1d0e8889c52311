"""Order within a key, freedom across keys."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class KeyedQueues(Generic[Item]):
    """Hands out at most one item of a key at a time, in the order they came.

    An item without a key has no order to keep and is handed out at once.
    """

    def __init__(self) -> None:
        self._waiting: dict[bytes, deque[Item]] = {}

    def busy(self, key: bytes | None) -> bool:
        """True while an item of the key is under way."""
        return key is not None and key in self._waiting

    def add(self, key: bytes | None, item: Item) -> bool:
        """True when the item may start now; False when it waits for an earlier one of its key."""
        if key is None:
            return True
        queue = self._waiting.get(key)
        if queue is None:
            self._waiting[key] = deque()
            return True
        queue.append(item)
        return False

    def done(self, key: bytes | None) -> Item | None:
        """The next item of the key, which may start now that the one before it has ended."""
        if key is None:
            return None
        queue = self._waiting[key]
        if queue:
            return queue.popleft()
        del self._waiting[key]
        return None

    def waiting(self) -> Iterator[Item]:
        for queue in self._waiting.values():
            yield from queue
