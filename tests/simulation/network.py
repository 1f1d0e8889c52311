"""Requests and what can go wrong with them, drawn from the seed.

A request is lost, delayed, refused, answered with an error, or applied with its answer lost: then nobody
but the broker knows. What a killed process has sent still arrives, and so may, much later, what its sender
has given up: between later requests, where it does the most harm.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    RequestTimedOutError,
    UnknownError,
)

from tests.simulation.virtual import VirtualLoop

T = TypeVar("T")
REFUSED_S = 0.02
# Of requests that get lost: those whose sender sees the connection break, and those that arrive after all.
RESETS = 0.7
LATE = 0.6
# A late one's chance to be next, whenever a later step of a transaction is sent.
TURN = 0.3
# Who must answer. The client drops the error that comes in place of a group's offsets.
Role = Literal["any", "group", "offsets", "transactions"]


@dataclass(slots=True)
class Weather:
    """Shares of requests, latencies in seconds one way, and who answers at all."""

    lost_requests: float = 0.0
    # Of the requests that may arrive when they are given up.
    lost_steps: float = 0.0
    lost_answers: float = 0.0
    # The broker applies the request and answers with an error no client expects.
    spoilt_answers: float = 0.0
    failed_polls: float = 0.0
    latency: tuple[float, float] = (0.001, 0.004)
    down: bool = False
    no_group: bool = False
    no_transactions: bool = False


class Network:
    """`timeout_s` is what a client waits for an answer; `note` takes a line for the trace."""

    def __init__(
        self, loop: VirtualLoop, rng: random.Random, *, timeout_s: float, note: Callable[[str], None]
    ) -> None:
        self._loop = loop
        self._rng = rng
        self._timeout_s = timeout_s
        self._note = note
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._count = 0
        self._outages = 0
        self._late: list[tuple[str, Callable[[], object], Role]] = []
        self._loaded_at = 0.0
        self.weather = Weather()
        # After the run: every request is refused at once, so that what is left comes to an end.
        self.over = False

    @property
    def loading(self) -> bool:
        """The group coordinator answers, but has not read its log yet."""
        return self._loop.time() < self._loaded_at

    @property
    def group_away(self) -> bool:
        return self.weather.down or self.weather.no_group or self.loading

    def load_group(self, seconds: float) -> None:
        self._note(f"the group coordinator loads for {seconds:.1f} s")
        self._loaded_at = self._loop.time() + seconds

    async def call(self, ask: Callable[[], T], *, role: Role = "any", late: str = "") -> T:
        """What the broker answers. A request that has a name in `late` may arrive when it is given up.

        Raises:
            KafkaError: the broker's answer, NodeNotReadyError where nothing was sent, or RequestTimedOutError
                and KafkaConnectionError, after which the request may have been applied or not, or may be yet.
        """
        found: T = await self._call(ask, role, 0.0, late)
        return found

    async def wait(self, ask: Callable[[], asyncio.Future[T]], wait_s: float) -> T:
        """What the group coordinator answers that takes up to `wait_s` on purpose."""
        found: T = await self._call(ask, "group", wait_s, "")
        return found

    async def _call(self, ask: Callable[[], object], role: Role, wait_s: float, late: str) -> Any:
        if self.over:
            raise KafkaConnectionError("the run is over")
        self._count += 1
        number, answer = self._count, self._loop.create_future()
        self._waiting[number] = answer
        timer = self._loop.after(self._timeout_s + wait_s, _fail, answer, RequestTimedOutError())
        answer.add_done_callback(lambda _answer: self._waiting.pop(number, None), context=self._loop.world)
        answer.add_done_callback(lambda _answer: timer.cancel(), context=self._loop.world)
        lost = self.weather.lost_requests + (self.weather.lost_steps if late else 0.0)
        if self._rng.random() < lost:
            self._lose(ask, answer, role, late)
        else:
            self._loop.after(self._latency(), self._arrive, ask, answer, role, self._outages)
        if late:
            self._deliver_late()
        return await answer

    def _lose(self, ask: Callable[[], object], answer: asyncio.Future[Any], role: Role, late: str) -> None:
        if self._rng.random() < RESETS:
            self._loop.after(REFUSED_S, _fail, answer, KafkaConnectionError("connection reset"))
        if late and self._rng.random() < LATE:
            self._late.append((late, ask, role))

    def _deliver_late(self) -> None:
        """Its answer reaches nobody."""
        if not self._late or self._rng.random() >= TURN:
            return
        what, ask, role = self._late.pop(self._rng.randrange(len(self._late)))
        error = self._refusal(role)
        try:
            if error is None:
                ask()
        except KafkaError as refused:
            error = refused
        self._note(f"{what} arrives late: {'done' if error is None else type(error).__name__}")

    def go_down(self) -> None:
        """Every open connection breaks."""
        self.weather.down = True
        self._outages += 1
        for answer in list(self._waiting.values()):
            self._loop.after(REFUSED_S, _fail, answer, KafkaConnectionError("connection reset"))

    def _latency(self) -> float:
        return self._rng.uniform(*self.weather.latency)

    def _arrive(
        self, ask: Callable[[], object], answer: asyncio.Future[Any], role: Role, outages: int
    ) -> None:
        if outages != self._outages:
            # It was on its way when its connection broke.
            return
        refusal = self._refusal(role)
        if refusal is not None:
            self._loop.after(REFUSED_S, _fail, answer, refusal)
            return
        self._apply(ask, answer)

    def _refusal(self, role: Role) -> KafkaError | None:
        weather = self.weather
        if weather.down or self.over:
            return NodeNotReadyError("connection refused")
        gone = weather.no_transactions if role == "transactions" else weather.no_group
        if gone and role != "any":
            return CoordinatorNotAvailableError()
        return CoordinatorLoadInProgressError() if role == "group" and self.loading else None

    def _apply(self, ask: Callable[[], object], answer: asyncio.Future[Any]) -> None:
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
