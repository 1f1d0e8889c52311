"""One record from decode to outputs: retries in place, dead letters, and nothing swallowed."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from schemas.faults import BadEvent
from schemas.wire import decode
from streams.runtime.clock import Clock
from streams.runtime.deadletters import dead_letter
from streams.runtime.errors import Permanent, Retryable
from streams.runtime.records import Outgoing, Record, outgoing, trace_of
from streams.runtime.resends import Resends
from streams.runtime.retry import RetryPolicy, seconds_until
from streams.runtime.stage import Emit, In, Stage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """What goes out for one record. `dead` says that the record is among it as a dead letter."""

    offset: int
    outputs: Sequence[Outgoing]
    dead: bool


class Worker(Generic[In]):
    """Turns records of one stage into outputs; holds no state about any of them.

    `slots` bounds how many run at once over all partitions; a record that waits to be tried again
    holds none, so it blocks only its own key.
    """

    def __init__(
        self,
        stage: Stage[In],
        *,
        prefix: str,
        retry: RetryPolicy,
        clock: Clock,
        rng: random.Random,
        slots: asyncio.Semaphore,
    ) -> None:
        self.stage = stage
        self._prefix = prefix
        self._retry = retry
        self._clock = clock
        self._rng = rng
        self._slots = slots

    @property
    def remembers(self) -> bool:
        """Whether finished records matter, because a resend of theirs may come."""
        return self.stage.identity is not None

    def note(self, record: Record, resends: Resends) -> None:
        """Remembers a record that is finished already, so that a resend of it is known as one."""
        if not self.remembers:
            return
        try:
            event = decode(self.stage.event, record.value, record.headers)
        except BadEvent:
            return
        self._is_resend(event, record, resends)

    def _is_resend(self, event: In, record: Record, resends: Resends) -> bool:
        return self.stage.identity is not None and resends.is_resend(
            self.stage.identity(event), record.offset
        )

    async def work(self, record: Record, resends: Resends) -> Done:
        """What fails for good comes back as a dead letter, not as an exception."""
        try:
            event = decode(self.stage.event, record.value, record.headers)
        except BadEvent as error:
            ref = error.ref
            emits = () if ref is None else self.stage.give_up_on_unreadable(ref, str(error))
            return self._done(record, emits, error)
        if self._is_resend(event, record, resends):
            return Done(record.offset, (), False)
        try:
            return self._done(record, await self._handle(event), None)
        except Exception as error:
            given_up = self.stage.give_up(event, error)
            return self._done(record, given_up.emits, error if given_up.dead_letter else None)

    async def _handle(self, event: In) -> Sequence[Emit]:
        started = self._clock.monotonic()
        failures = 0
        while True:
            try:
                async with self._slots:
                    return await self.stage.handle(event)
            except Permanent:
                raise
            except Exception as error:
                failures += 1
                delay = self._delay(event, error, failures, self._clock.monotonic() - started)
                if delay is None:
                    raise
            await self._clock.sleep(delay)

    def _delay(self, event: In, error: Exception, failures: int, elapsed_s: float) -> float | None:
        foreseen = isinstance(error, Retryable)
        if not foreseen:
            logger.error("%s: attempt %d failed", self.stage.name, failures, exc_info=error)
            if failures >= self._retry.unknown_errors:
                return None
        return self._retry.delay(
            failures,
            elapsed_s=elapsed_s,
            rng=self._rng,
            after_s=error.after_s if isinstance(error, Retryable) else None,
            until_deadline_s=seconds_until(self.stage.deadline(event), self._clock.now()),
        )

    def _done(self, record: Record, emits: Sequence[Emit], error: Exception | None) -> Done:
        now, trace = self._clock.now(), trace_of(record.headers)
        name = self.stage.name
        outputs = [outgoing(emit, prefix=self._prefix, stage=name, now=now, trace=trace) for emit in emits]
        for output, emit in zip(outputs, emits, strict=True):
            _check_size(output, emit)
        if error is not None:
            outputs.append(dead_letter(record, prefix=self._prefix, stage=name, error=error))
            logger.warning("%s: %s/%d@%d is a dead letter: %s", name, record.topic, record.partition,
                           record.offset, error)  # fmt: skip
        return Done(record.offset, outputs, error is not None)


def _check_size(output: Outgoing, emit: Emit) -> None:
    """A record the broker would refuse must fail here: in a transaction it would fail for ever."""
    limit = emit.topic.max_message_bytes
    if output.size > limit:
        what = f"{type(emit.event).__name__} for topic {emit.topic.name}"
        raise Permanent(f"{what} is {output.size} bytes, over the topic's {limit}", code="output-too-large")
