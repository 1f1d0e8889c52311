"""The local models beside the event loop: drawings in, pictures out, and a crash harms nobody."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, Protocol, TypeVar

from inference.sd3.base import CannotDraw, CheckpointError, Drawing, OutOfMemory
from inference.sd3.checkpoint import Checkpoint
from inference.sd3.device import Choice
from inference.sd3.process import (
    CalledOff,
    DrawFailed,
    Drawn,
    ModelProcess,
    ProcessDied,
    Progress,
    Watch,
)

_P = ParamSpec("_P")
_T = TypeVar("_T")

_CLOSING_S: Final = 10.0
_DEATHS: Final = 3
_REST_S: Final = 60.0
# The process lives and has said no.
_ANSWERS: Final = (CannotDraw, CheckpointError, OutOfMemory, DrawFailed, CalledOff)

_log = logging.getLogger(__name__)


class Painter(Protocol):
    """What draws, as the engine sees it."""

    async def draw(self, checkpoint: Checkpoint, drawing: Drawing) -> Drawn: ...

    async def warm(self, checkpoint: Checkpoint) -> None: ...

    async def aclose(self) -> None: ...


class ModelService:
    """All local models in one process of their own, one drawing at a time, in the order asked.

    The process is spawned when it is first needed, and anew after it died. After three deaths in a row, no
    picture in between, a new one is tried once a minute at most. `threads` are torch's, by default as many as
    there are cores. `watch` is told of loading and of every step, in the service's own thread.
    """

    def __init__(
        self,
        choice: Choice,
        *,
        threads: int | None = None,
        loading_s: float = 900.0,
        silent_s: float = 300.0,
        watch: Watch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`loading_s` bounds the loading of a model, `silent_s` one step; `clock` gives seconds.

        Raises:
            ValueError: a number of threads below 1.
        """
        if threads is not None and threads < 1:
            raise ValueError(f"threads: {threads} is below 1; leave it out for one each core")
        self._choice = choice
        self._threads = threads
        self._loading_s = loading_s
        self._silent_s = silent_s
        self._watch = watch
        self._clock = clock
        # All blocking talk with the child is in this one thread, which also puts drawings in a queue.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sd3")
        self._process: ModelProcess | None = None
        self._deaths = 0
        self._rest_until = clock()
        self._closing = False

    @property
    def pid(self) -> int | None:
        """The models' process, while there is one."""
        return self._process.pid if self._process else None

    async def warm(self, checkpoint: Checkpoint) -> None:
        """Loads the model, so that the first drawing need not wait for it.

        Raises:
            CheckpointError, OutOfMemory, DrawFailed, ProcessDied
        """
        await self._in_thread(self._worked, lambda process: process.load(checkpoint, self._told))

    async def draw(self, checkpoint: Checkpoint, drawing: Drawing) -> Drawn:
        """The picture. When the caller is cancelled, its drawing ends within two steps.

        Raises:
            CannotDraw, CheckpointError, OutOfMemory: as the model said.
            DrawFailed: the model failed in a way that nobody foresaw.
            ProcessDied: the process crashed, was silent for too long, or the service is closed.
        """
        abandoned = threading.Event()
        try:
            return await self._in_thread(
                self._worked, lambda process: process.draw(checkpoint, drawing, self._told, abandoned)
            )
        except asyncio.CancelledError:
            abandoned.set()
            raise

    async def aclose(self) -> None:
        """Ends the process at once; drawings under way raise ProcessDied. Takes seconds at worst."""
        if self._closing:
            return
        self._closing = True
        # Wakes the thread where it waits for an answer.
        if process := self._process:
            process.kill()
        ending = asyncio.wrap_future(self._pool.submit(self._end))
        await asyncio.wait((ending,), timeout=_CLOSING_S)
        self._pool.shutdown(wait=False)

    async def _in_thread(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        if self._closing:
            raise ProcessDied("the local models are closed")
        return await asyncio.wrap_future(self._pool.submit(call, *args, **kwargs))

    def _worked(self, ask: Callable[[ModelProcess], _T]) -> _T:
        process = self._running()
        try:
            made = ask(process)
        except ProcessDied:
            self._end()
            self._died()
            raise
        except _ANSWERS:
            self._deaths = 0
            raise
        except BaseException:
            # Whatever this is, the two may no longer agree on whose turn it is.
            self._end()
            raise
        self._deaths = 0
        return made

    def _running(self) -> ModelProcess:
        """The process: the one there is, else a new one."""
        if self._process is not None and not self._process.alive:
            _log.warning("the local models' process %s has ended while idle; starting another", self.pid)
            self._end()
        if self._process is None:
            self._process = self._spawned()
        if self._closing:
            # `aclose` may have looked just before the process was there.
            self._process.kill()
            raise ProcessDied("the local models are closed")
        return self._process

    def _spawned(self) -> ModelProcess:
        """Raises:
        ProcessDied: it is too early for another, or the service is closed.
        """
        if self._closing:
            raise ProcessDied("the local models are closed")
        wait = self._rest_until - self._clock()
        if wait > 0:
            raise ProcessDied(
                f"the model's process died {self._deaths} times in a row; the next try is in {wait:.0f} s",
                after_s=wait,
            )
        try:
            return ModelProcess(
                self._choice,
                threads=self._threads,
                loading_s=self._loading_s,
                silent_s=self._silent_s,
                clock=self._clock,
            )
        except OSError as error:
            raise ProcessDied(f"no process could be started for the model: {error}") from error

    def _died(self) -> None:
        if self._closing:
            return
        self._deaths += 1
        if self._deaths >= _DEATHS:
            self._rest_until = self._clock() + _REST_S

    def _end(self) -> None:
        process, self._process = self._process, None
        if process:
            process.close()

    def _told(self, progress: Progress) -> None:
        if progress.doing == "loading":
            _log.info("loading %s: %.1f s", progress.model, progress.seconds)
        elif progress.doing == "loaded":
            _log.info("loaded %s in %.1f s", progress.model, progress.seconds)
        if self._watch is not None:
            self._watch(progress)
