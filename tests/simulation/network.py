"""Requests and what can go wrong with them, drawn from the seed.

A request is lost, delayed, refused, answered with an error, or applied with its answer lost: then nobody
but the broker knows. What a killed process has sent still arrives.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka.errors import (
    CoordinatorNotAvailableError,
    KafkaConnectionError,
    KafkaError,
    RequestTimedOutError,
    UnknownError,
)

from tests.simulation.virtual import VirtualLoop

T = TypeVar("T")
REFUSED_S = 0.02


@dataclass(slots=True)
class Weather:
    """Shares of requests, latencies in seconds one way, and who answers at all."""

    lost_requests: float = 0.0
    lost_answers: float = 0.0
    # The broker applies the request and answers with an error no client expects.
    spoilt_answers: float = 0.0
    failed_polls: float = 0.0
    latency: tuple[float, float] = (0.001, 0.004)
    down: bool = False
    no_coordinator: bool = False


class Network:
    """`timeout_s` is what a client waits for an answer."""

    def __init__(self, loop: VirtualLoop, rng: random.Random, *, timeout_s: float) -> None:
        self._loop = loop
        self._rng = rng
        self._timeout_s = timeout_s
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._count = 0
        self._outages = 0
        self.weather = Weather()
        # After the run: every request is refused at once, so that what is left comes to an end.
        self.over = False

    async def call(self, ask: Callable[[], T], *, coordinator: bool = False) -> T:
        """What the broker answers.

        Raises:
            KafkaError: the broker's answer, or RequestTimedOutError and KafkaConnectionError, after which the
                request may have been applied or not, or may be yet.
        """
        found: T = await self._call(ask, coordinator, 0.0)
        return found

    async def wait(self, ask: Callable[[], asyncio.Future[T]], wait_s: float) -> T:
        """What a coordinator answers that takes up to `wait_s` on purpose."""
        found: T = await self._call(ask, True, wait_s)
        return found

    async def _call(self, ask: Callable[[], object], coordinator: bool, wait_s: float) -> Any:
        if self.over:
            raise KafkaConnectionError("the run is over")
        self._count += 1
        number, answer = self._count, self._loop.create_future()
        self._waiting[number] = answer
        timer = self._loop.after(self._timeout_s + wait_s, _fail, answer, RequestTimedOutError())
        answer.add_done_callback(lambda _answer: self._waiting.pop(number, None), context=self._loop.world)
        answer.add_done_callback(lambda _answer: timer.cancel(), context=self._loop.world)
        lost = self._rng.random() < self.weather.lost_requests
        if not lost:
            self._loop.after(self._latency(), self._arrive, ask, answer, coordinator, self._outages)
        return await answer

    def go_down(self) -> None:
        """Every open connection breaks."""
        self.weather.down = True
        self._outages += 1
        for answer in list(self._waiting.values()):
            self._loop.after(REFUSED_S, _fail, answer, KafkaConnectionError("connection reset"))

    def _latency(self) -> float:
        return self._rng.uniform(*self.weather.latency)

    def _arrive(
        self, ask: Callable[[], object], answer: asyncio.Future[Any], coordinator: bool, outages: int
    ) -> None:
        if outages != self._outages:
            # It was on its way when its connection broke.
            return
        if self.weather.down or self.over:
            self._loop.after(REFUSED_S, _fail, answer, KafkaConnectionError("connection refused"))
            return
        if coordinator and self.weather.no_coordinator:
            self._loop.after(REFUSED_S, _fail, answer, CoordinatorNotAvailableError())
            return
        try:
            found = ask()
        except KafkaError as error:
            self._reply(answer, None, error)
            return
        if isinstance(found, asyncio.Future):
            found.add_done_callback(
                lambda done: None if done.cancelled() else self._reply(answer, done.result(), None),
                context=self._loop.world,
            )
        else:
            self._reply(answer, found, None)

    def _reply(self, answer: asyncio.Future[Any], found: object, error: KafkaError | None) -> None:
        chance = self._rng.random()
        weather = self.weather
        if weather.down or chance < weather.lost_answers:
            return
        if chance < weather.lost_answers + weather.spoilt_answers:
            error = UnknownError()
        if error is None:
            self._loop.after(self._latency(), _settle, answer, found)
        else:
            self._loop.after(self._latency(), _fail, answer, error)


def _settle(answer: asyncio.Future[Any], found: object) -> None:
    if not answer.done():
        answer.set_result(found)


def _fail(answer: asyncio.Future[Any], error: KafkaError) -> None:
    if not answer.done():
        answer.set_exception(error)
