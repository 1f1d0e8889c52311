"""The stage under test: a numbered prompt in, one result with its number out, behaviour by the scenario."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import orjson

from schemas.events import Asset, PromptEvent, PromptRef, Result
from schemas.ids import prompt_key
from schemas.topics import PROMPTS, RESULTS
from schemas.wire import encode
from streams.runtime.errors import Permanent, Retryable
from streams.runtime.stage import Emit, GivenUp, Stage
from tests.simulation.log import Content
from tests.simulation.scenario import Scenario, Work
from tests.simulation.virtual import VirtualClock

SOURCE = "sim"


def content(work: Work, scenario: Scenario) -> Content:
    """The record a producer writes for `work`; a resend is the same again."""
    key = None if scenario.keyless else f"key-{work.key}".encode()
    match work.kind:
        case "poison":
            value = b"{%d" % work.number
        case "unread":
            value = orjson.dumps({"source": SOURCE, "id": f"unread-{work.number}", "prompt": "", "steps": -1})
        case _:
            prompt = str(work.number)
            value = encode(PromptEvent(id=f"key-{work.key}", source=SOURCE, prompt=prompt))
    headers = (("x-number", b"%d" % work.number), ("traceparent", b"00-%d" % work.number))
    return Content(key, value, headers, timestamp=work.number, unparsable=work.kind == "unparsable")


def result_key(work: Work) -> bytes:
    """Under which its result is written."""
    name = f"unread-{work.number}" if work.kind == "unread" else f"key-{work.key}"
    return prompt_key(SOURCE, name)


async def keep(data: bytes) -> Asset:
    raise AssertionError(f"no record here is too large for a dead letter; got {len(data)} bytes")


class Behaviour:
    """One process's: how often it has tried what dies with it."""

    def __init__(self, scenario: Scenario, clock: VirtualClock) -> None:
        self._scenario = scenario
        self._clock = clock
        self._tries: Counter[int] = Counter()

    def stage(self) -> Stage[PromptEvent]:
        remembers = self._scenario.remembers
        return Stage(
            "sim",
            PROMPTS,
            PromptEvent,
            self.handle,
            self.give_up,
            lambda ref, _reason: (_result(ref.id, ref, failed=True),),
            identity=(lambda event: event.prompt.encode()) if remembers else None,
            identity_unread=(lambda ref: ref.id.encode()) if remembers else None,
            at_once=self.decide if self._scenario.at_once else None,
        )

    async def handle(self, event: PromptEvent) -> Sequence[Emit]:
        work = self._work(event)
        try:
            await self._clock.sleep(work.seconds)
        except asyncio.CancelledError:
            await self._clock.sleep(work.cleanup_s)
            raise
        try:
            return self.decide(event)
        except (Retryable, RuntimeError) as error:
            if work.cancels:
                raise asyncio.CancelledError from error
            raise

    def decide(self, event: PromptEvent) -> Sequence[Emit]:
        work = self._work(event)
        if work.kind == "permanent":
            raise Permanent(f"{work.number} never works", code="sim-permanent")
        self._tries[work.number] += 1
        if work.kind == "hopeless" or self._tries[work.number] <= work.failures:
            if work.unforeseen:
                raise RuntimeError(f"{work.number} meets a bug")
            raise Retryable(f"{work.number} may work later")
        return (_result(event.prompt, PromptRef(event.source, event.id), failed=False),)

    def give_up(self, event: PromptEvent, error: Exception) -> GivenUp:
        del error
        result = _result(event.prompt, PromptRef(event.source, event.id), failed=True)
        return GivenUp((result,), dead_letter=self._work(event).keeps_letter)

    def _work(self, event: PromptEvent) -> Work:
        return self._scenario.works[int(event.prompt)]


def _result(name: str, ref: PromptRef, *, failed: bool) -> Emit:
    return Emit(RESULTS, Result(id=name, ref=ref, final=True, status="failed" if failed else "accepted"))
