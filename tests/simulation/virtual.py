"""An asyncio event loop on virtual time, and processes in it that can be stopped dead.

Nothing waits: when no callback is ready, the clock jumps to the next timer. A callback belongs to the process
whose task scheduled it (a context variable says which). Those of a process that is stopped are held back:
SIGSTOP lets them run later, SIGKILL never, and no line of the process runs meanwhile.
"""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")
EPOCH = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class Stuck(Exception):
    """Nothing can ever happen again, or too much time went by."""


class Process:
    """What one operating-system process is to the loop."""

    def __init__(self, name: str, loop: VirtualLoop) -> None:
        self.name = name
        self.dead = False
        self.halted = False
        self._loop = loop
        self._held: deque[asyncio.Handle] = deque()

    def hold(self, handle: asyncio.Handle) -> None:
        self._held.append(handle)

    def go_on(self) -> None:
        self.halted = False
        self._loop.take(self._held)
        self._held.clear()

    def kill(self) -> None:
        self.dead = self.halted = True

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        context = contextvars.copy_context()
        context.run(PROCESS.set, self)
        return self._loop.create_task(work, context=context)


PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class _NumberedFuture(asyncio.Future[Any]):
    """Hashes by number, not by address: sets of futures keep the same order in every run."""

    def __init__(self, *, loop: VirtualLoop) -> None:
        super().__init__(loop=loop)
        self._number = next(loop.serial)

    def __hash__(self) -> int:
        return self._number


class _NumberedTask(asyncio.Task[Any]):
    def __init__(self, coro: Any, *, loop: VirtualLoop, **options: Any) -> None:
        self._number = next(loop.serial)
        super().__init__(coro, loop=loop, **options)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs until `limit_s` virtual seconds; more is `Stuck`."""

    # BaseEventLoop's own, which typeshed does not show.
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, limit_s: float) -> None:
        super().__init__()
        self._now = 0.0
        self.limit_s = limit_s
        self.serial = itertools.count()
        # What happens outside all processes: the broker and the faults.
        self.world = contextvars.Context()
        self.set_task_factory(self._numbered_task)
        self.set_exception_handler(lambda _loop, _context: None)

    def time(self) -> float:
        return self._now

    def create_future(self) -> asyncio.Future[Any]:
        return _NumberedFuture(loop=self)

    @staticmethod
    def _numbered_task(
        loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        **options: Any,
    ) -> asyncio.Task[T]:
        assert isinstance(loop, VirtualLoop)
        return _NumberedTask(coro, loop=loop, **options)

    def after(self, seconds: float, what: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """`call_later` outside all processes."""
        return self.call_later(seconds, what, *args, context=self.world)

    def take(self, handles: deque[asyncio.Handle]) -> None:
        self._ready.extend(handles)

    def _run_once(self) -> None:
        if not self._ready:
            self._jump()
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            if handle.cancelled():
                continue
            process = handle._context.get(PROCESS)  # type: ignore[attr-defined]  # get_context is 3.12's
            if process is not None and process.halted:
                process.hold(handle)
                continue
            handle._run()

    def _jump(self) -> None:
        scheduled = self._scheduled
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)
        if not scheduled:
            raise Stuck(f"at {self._now:.3f} s nothing is left that could happen")
        self._now = max(self._now, scheduled[0].when())
        if self._now > self.limit_s:
            raise Stuck(f"not at rest after {self.limit_s:g} s")
        while scheduled and scheduled[0].when() <= self._now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False  # type: ignore[attr-defined]  # as BaseEventLoop does
            self._ready.append(handle)

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector that would have to be woken."""


class VirtualClock:
    """`streams.runtime.clock.Clock` over the loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> dt.datetime:
        return EPOCH + dt.timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
