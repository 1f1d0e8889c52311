"""What the emulator's server runs on."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from inference.engines.emulator.contracts import ideogram
from inference.engines.emulator.contracts.base import Order, Shot
from inference.engines.emulator.drawing import Drawing, Undrawable, draw_plain
from inference.engines.emulator.ledger import Ledger
from inference.engines.emulator.profiles import Profiles
from inference.engines.emulator.scripts import Script, Scripts

MAX_KEPT = 20_000

Sleep = Callable[[float], Awaitable[None]]
Draw = Callable[[Drawing], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A picture that can be fetched until `until` (Unix seconds); it is drawn when it is."""

    drawing: Drawing
    media_type: str
    until: float
    script: Script


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What can be polled; until `ready` (Unix seconds) it is pending. A shot without address was withheld."""

    order: Order
    shots: tuple[Shot, ...]
    created: float
    ready: float


class Shelf:
    """The latest 20,000 pictures and generations, by id. Safe to use from several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Kept | Generation] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, id: str, value: Kept | Generation) -> None:
        with self._lock:
            self._kept[id] = value
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)

    def picture(self, id: str) -> Kept | None:
        value = self._kept.get(id)
        return value if isinstance(value, Kept) else None

    def generation(self, id: str) -> Generation | None:
        value = self._kept.get(id)
        return value if isinstance(value, Generation) else None


class InFlight:
    """How many images each contract has under way, against its limit."""

    def __init__(self, limits: dict[str, int] | None = None) -> None:
        self.limits = {"ideogram": ideogram.IN_FLIGHT} if limits is None else limits
        self._now: dict[str, int] = {}

    def enter(self, contract: str, images: int) -> bool:
        """Whether `images` more fit. Both of Ideogram's contracts share one limit."""
        family = contract.partition("_")[0]
        now, limit = self._now.get(family, 0), self.limits.get(family)
        if limit is not None and now + images > limit:
            return False
        self._now[family] = now + images
        return True

    def leave(self, contract: str, images: int) -> None:
        self._now[contract.partition("_")[0]] -= images


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """`draw` blocks, so it runs in `executor`; `pace` scales every delay of the profiles, none of a script's.

    `clock` gives Unix seconds. With `today`, a model is gone from the day its provider ended it; without,
    those that are gone draw still.
    """

    profiles: Profiles
    draw: Draw
    executor: Executor
    sleep: Sleep = asyncio.sleep
    pace: float = 1.0
    ledger: Ledger = field(default_factory=Ledger)
    scripts: Scripts = field(default_factory=Scripts)
    shelf: Shelf = field(default_factory=Shelf)
    in_flight: InFlight = field(default_factory=InFlight)
    clock: Callable[[], float] = time.time
    today: dt.date | None = None

    async def drawn(self, drawing: Drawing) -> bytes:
        """The picture as PNG; what our typography cannot set is drawn without words, as no engine would."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self.executor, self.draw, drawing)
        except Undrawable:
            return await loop.run_in_executor(self.executor, draw_plain, drawing)


def seed_of(*parts: object) -> int:
    """A seed made of what identifies a request, in 0..2**31-1."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
