"""OCR for the event loop: pictures in, lines out, in a process that may crash without harm."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar

from inference.legibility.base import Line
from inference.legibility.process import FellSilent, ProcessDied, ReaderProcess, ReadError
from inference.legibility.readers import reader_entry
from schemas.events import Legibility, Text

_P = ParamSpec("_P")
_T = TypeVar("_T")

_TRIES: Final = 2
# One under way and one that waits. Between two pictures the process stands idle for a millisecond of 250, so
# a deeper queue gains nothing; decoding the next beside would hide 17 ms of wall time and save no CPU time.
_IN_LINE: Final = 2


class ReaderFailed(RuntimeError):
    """A picture could not be read, or the readers could not be loaded; the picture may be sound."""


def default_threads() -> int:
    """Half the cores this process may use, at least one.

    RapidOCR on 15 posters, two cores under a load of 5 (`python -m tests.bench.legibility`): one thread
    0.58 s and 0.24 CPU seconds a picture, two threads 0.63 s and 0.27. A second thread pays only on an idle
    machine, and ours render beside it.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // 2)


class OcrService:
    """Readers in a process of their own, one picture at a time, in the order asked.

    `readers` are names of `readers.READERS`. `coverage` and what `read` returns are keyed by the readers'
    full names, which say the version and the weights. `timeout_s` bounds one picture by all readers,
    `loading_s` their loading: a process that is silent for longer is killed.

    Raises:
        ValueError: an unknown reader, none, or a number of threads below 1.
    """

    def __init__(
        self,
        readers: Sequence[str] = ("rapidocr",),
        *,
        threads: int | None = None,
        timeout_s: float = 60.0,
        loading_s: float = 180.0,
    ) -> None:
        if not readers:
            raise ValueError("readers: none given; name at least one")
        if threads is not None and threads < 1:
            raise ValueError(f"threads: {threads} is below 1; leave it out for half the cores")
        for name in readers:
            reader_entry(name)
        self.coverage: Mapping[str, frozenset[str]] = {}
        self._names = tuple(readers)
        self._threads = threads or default_threads()
        self._timeout_s = timeout_s
        self._loading_s = loading_s
        # All blocking talk with the child is in this one thread, which also puts pictures in a queue.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ocr")
        self._process: ReaderProcess | None = None
        self._closing = False

    @property
    def pid(self) -> int | None:
        """The reader process, while there is one."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Spawns the process and waits until its readers are loaded.

        Raises:
            ReaderFailed: they could not be; the text says why.
        """
        await self._in_thread(self._spawned)

    async def read(self, png: bytes) -> Mapping[str, tuple[Line, ...]]:
        """What each reader read. A crash is answered with a new process and one more try.

        Raises:
            ValueError: the bytes are no picture.
            ReaderFailed: the process crashed twice over it or was silent for `timeout_s`, a reader failed, or
                the service is closed.
        """
        return await self._in_thread(self._tried, lambda process: process.read(png), len(png))

    async def judge(
        self, png: bytes, texts: Sequence[Text], *, by_construction: bool = False, sizes: Sequence[str] = ()
    ) -> Legibility:
        """Reads and scores in the readers' process, with further looks where texts are not found.

        Where all are, it equals `score` over what `read` returns. `sizes` are delivery sizes, such as those
        of `delivery.USUAL`, at which it is looked at and scored too; each costs a look.

        Raises:
            ValueError: the bytes are no picture, a text breaks the schema, or a size is none.
            ReaderFailed: as for `read`.
        """
        return await self._in_thread(
            self._tried,
            lambda process: process.judge(png, texts, by_construction=by_construction, sizes=sizes),
            len(png),
        )

    async def read_many(self, pictures: Iterable[bytes]) -> AsyncIterator[Mapping[str, tuple[Line, ...]]]:
        """What `read` returns for each picture, in their order, with the next always waiting in line.

        Raises:
            ValueError, ReaderFailed: as for `read`, at the picture's turn; no later picture is read.
        """
        async for readings in self._in_line(self.read(picture) for picture in pictures):
            yield readings

    async def judge_many(
        self, pictures: Iterable[tuple[bytes, Sequence[Text]]], *, sizes: Sequence[str] = ()
    ) -> AsyncIterator[Legibility]:
        """What `judge` returns for each picture and its texts, in their order, as `read_many` does.

        Raises:
            ValueError, ReaderFailed: as for `judge`, at the picture's turn; no later picture is read.
        """
        async for found in self._in_line(self.judge(png, texts, sizes=sizes) for png, texts in pictures):
            yield found

    async def aclose(self) -> None:
        """Ends the process at once; pictures under way raise ReaderFailed."""
        if self._closing:
            return
        self._closing = True
        # Wakes the thread where it waits for an answer.
        if process := self._process:
            process.kill()
        await asyncio.get_running_loop().run_in_executor(self._pool, self._end)
        self._pool.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @staticmethod
    async def _in_line(calls: Iterable[Coroutine[Any, Any, _T]]) -> AsyncIterator[_T]:
        waiting: deque[asyncio.Task[_T]] = deque()
        coming = iter(calls)
        try:
            while True:
                waiting += [asyncio.ensure_future(call) for call in islice(coming, _IN_LINE - len(waiting))]
                if not waiting:
                    return
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()

    async def _in_thread(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        if self._closing:
            raise ReaderFailed("the OCR service is closed")
        return await asyncio.wrap_future(self._pool.submit(call, *args, **kwargs))

    def _tried(self, ask: Callable[[ReaderProcess], _T], size: int) -> _T:
        death: ProcessDied | None = None
        for _ in range(_TRIES):
            process = self._spawned()
            try:
                return ask(process)
            except ReadError as error:
                raise ReaderFailed(str(error)) from error
            except FellSilent as error:
                # What hung once hangs again, and every picture behind it would wait twice as long.
                self._end()
                raise ReaderFailed(f"{error}, over this picture of {size} bytes") from error
            except ProcessDied as error:
                death = error
                self._end()
        raise ReaderFailed(f"{death}, {_TRIES} times over this picture of {size} bytes") from death

    def _spawned(self) -> ReaderProcess:
        """The process, loaded: the one there is, else a new one."""
        if self._closing:
            raise ReaderFailed("the OCR service is closed")
        if self._process is None:
            self._process = ReaderProcess(self._names, threads=self._threads, timeout_s=self._timeout_s)
            try:
                self.coverage = self._process.ready(self._loading_s)
            except (ProcessDied, ReadError) as error:
                self._end()
                raise ReaderFailed(
                    f"readers {', '.join(self._names)} could not be loaded: {error}"
                ) from error
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process:
            process.close()
