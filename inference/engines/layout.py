"""The engine that sets true type over a picture: exact by construction, on our own processor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

from inference.engines.base import Broken, Picture, Unsupported
from inference.typography.compose import CannotSet, Poster, compose
from schemas.events import Spec

MODEL = "layout-1"


class LayoutEngine:
    """Draws posters in threads of its own, never on the event loop.

    `usd_per_cpu_hour` prices our machine's time; nothing is paid to anyone else. `cover` dissolves
    a given background to its light and colours: it may hold misspelt words, and what can still be
    read of them would count against the poster. `clock` returns seconds.
    """

    def __init__(
        self,
        *,
        usd_per_cpu_hour: float = 0.0,
        style: str | None = None,
        cover: bool = True,
        workers: int = 1,
        executor: Executor | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if usd_per_cpu_hour < 0:
            raise ValueError(f"usd_per_cpu_hour is {usd_per_cpu_hour}: give 0 or more")
        self._usd_per_second = usd_per_cpu_hour / 3600
        self._style = style
        self._cover = cover
        self._clock = clock
        self._executor = executor or ThreadPoolExecutor(workers, thread_name_prefix="layout")

    async def render(self, spec: Spec, *, background: bytes | None = None) -> Picture:
        """Sets `spec.texts` over `background`, or over a backdrop of its own.

        Raises:
            Unsupported: a text has characters no font covers, or does not fit.
            Broken: `background` is no picture.
        """
        loop = asyncio.get_running_loop()
        poster, seconds = await loop.run_in_executor(self._executor, self._compose, spec, background)
        return Picture(
            data=poster.png,
            media_type="image/png",
            model=MODEL,
            usd=seconds * self._usd_per_second,
            seconds=seconds,
            by_construction=True,
            used={"fonts": ", ".join(poster.fonts), "cover": int(self._cover and background is not None)},
            background=poster.background_png,
            vector=poster.svg.encode(),
        )

    async def aclose(self) -> None:
        """Waits for the pictures in hand, then ends the threads."""
        await asyncio.to_thread(self._executor.shutdown)

    def _compose(self, spec: Spec, background: bytes | None) -> tuple[Poster, float]:
        started = self._clock()
        try:
            poster = compose(
                spec, background, style=self._style, cover=self._cover and background is not None
            )
        except CannotSet as error:
            raise Unsupported(str(error)) from error
        except ValueError as error:
            raise Broken(str(error)) from error
        return poster, self._clock() - started
