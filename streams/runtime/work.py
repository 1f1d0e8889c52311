"""One record from decode to outputs: retries in place, dead letters, and nothing swallowed."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import random
from collections.abc import Sequence
from typing import Generic, NamedTuple

from schemas.faults import BadEvent
from schemas.topics import TOPICS
from schemas.wire import decode
from streams.runtime.bounded import cancelled_from_within
from streams.runtime.clock import Clock
from streams.runtime.deadletters import Keep, claim_checked, dead_letter, fits
from streams.runtime.errors import Permanent, Retryable
from streams.runtime.records import Outgoing, Record, outgoing, trace_of
from streams.runtime.retry import RetryPolicy, seconds_until
from streams.runtime.seldom import Seldom
from streams.runtime.stage import Emit, In, Stage

logger = logging.getLogger(__name__)
# More than a key and headers of ours ever take: smaller values need no exact count.
HEADERS_BYTES = 32_768


class Opened(NamedTuple, Generic[In]):
    """A record and the event in it, or the reason why there is none.

    `order` is what keeps records in line: those of one order run one by one, None waits for nobody.
    `identity` names the work, so that a resend is known; None where it has no name.
    """

    record: Record
    event: In | None
    error: Exception | None
    order: bytes | None
    identity: bytes | None


class Done(NamedTuple):
    """What goes out for one record. `dead` says that the record is among it as a dead letter;
    `record_bytes` and `output_bytes` are what record and outputs take of memory.
    """

    offset: int
    outputs: Sequence[Outgoing]
    dead: bool
    record_bytes: int
    output_bytes: int


class Worker(Generic[In]):
    """Turns records of one stage into outputs; holds no state about any of them.

    `slots` bounds how many run at once over all partitions; a record that waits to be tried again
    holds none, so it blocks only what stands in line behind it. `keep` stores a record that is too large
    for the dead-letter topic.
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
        keep: Keep,
    ) -> None:
        self.stage = stage
        self._prefix = prefix
        self._retry = retry
        self._clock = clock
        self._rng = rng
        self._slots = slots
        self._keep = keep
        self._told = Seldom(clock.monotonic)

    @property
    def topics(self) -> tuple[str, ...]:
        """All that a stage may write to, by their full names."""
        return tuple(self._prefix + topic.name for topic in TOPICS)

    def open(self, record: Record) -> Opened[In]:
        """Decodes a record; never raises: what cannot be read must not stop those behind it."""
        stage = self.stage
        try:
            event = decode(stage.event, record.value, record.headers)
            order = record.key if stage.order is None else stage.order(event)
            identity = None if stage.identity is None else stage.identity(event)
        except Exception as error:
            return Opened(record, None, error, record.key, self._identity_of_unread(error))
        return Opened(record, event, None, order, identity)

    def _identity_of_unread(self, error: Exception) -> bytes | None:
        if not isinstance(error, BadEvent) or error.ref is None or self.stage.identity_unread is None:
            return None
        return self.stage.identity_unread(error.ref)

    def dropped(self, opened: Opened[In]) -> Done:
        """Stands for a record that repeats the work of an earlier one."""
        logger.info("%s: %s is a resend and is dropped", self.stage.name, _place(opened.record))
        return _done(opened.record, ())

    def now(self) -> dt.datetime:
        """The moment that events carry which are made in one go."""
        return self._clock.now()

    def at_once(self, opened: Opened[In], now: dt.datetime) -> Done | None:
        """What `work` gives, where that takes no waiting; None where it does, or where something is wrong:
        then `work` meets it again. `now` is the moment that the outputs carry.
        """
        decide, record, event = self.stage.at_once, opened.record, opened.event
        try:
            if opened.error is not None:
                return self._unread_at_once(record, opened.error, now)
            if decide is None or event is None:
                return None
            return _done(record, self._outputs(record, decide(event), now))
        except Exception:
            return None

    def _unread_at_once(self, record: Record, error: Exception, now: dt.datetime) -> Done | None:
        letter = dead_letter(record, prefix=self._prefix, stage=self.stage.name, error=error)
        if not fits(letter):
            return None
        return self._with_letter(record, self._emits_for_unread(error), letter, error, now)

    async def work(self, opened: Opened[In]) -> Done:
        """What fails for good comes back as a dead letter, not as an exception.

        Raises:
            Exception: a dead letter too large for its topic could not be stored; nothing may be committed.
        """
        record, event = opened.record, opened.event
        if event is None:
            error = opened.error or Permanent("no event")
            return await self._dead(record, self._emits_for_unread(error), error)
        try:
            emits = await self._handle(event)
            return _done(record, self._outputs(record, emits, self.now()))
        except Exception as error:
            return await self._given_up(record, event, error)

    async def unparsable(self, record: Record, error: Exception) -> Done:
        """Stands for a record that the client could not parse: `record` has its place and no content."""
        return await self._dead(record, (), Permanent(str(error), code="unparsable"))

    async def _given_up(self, record: Record, event: In, error: Exception) -> Done:
        try:
            given_up = self.stage.give_up(event, error)
            if not given_up.dead_letter:
                return _done(record, self._outputs(record, given_up.emits, self.now()))
        except Exception as fault:
            # What would stand for the record is at fault: it is kept, and those behind it flow.
            logger.exception("%s: %s: giving up failed", self.stage.name, _place(record))
            return await self._dead(record, (), fault)
        return await self._dead(record, given_up.emits, error)

    async def _handle(self, event: In) -> Sequence[Emit]:
        """Tries for as long as the policy lets; the time in a queue for a slot is not counted."""
        failures = unforeseen = 0
        started: float | None = None
        while True:
            async with self._slots:
                started = self._clock.monotonic() if started is None else started
                try:
                    return await self._stage_handle(event)
                except Permanent:
                    raise
                except Exception as error:
                    failures += 1
                    if not isinstance(error, Retryable):
                        unforeseen += 1
                        logger.error("%s: attempt %d failed", self.stage.name, failures, exc_info=error)
                    if unforeseen >= self._retry.unknown_errors:
                        raise
                    delay = self._delay(event, error, failures, self._clock.monotonic() - started)
                    if delay is None:
                        raise
            await self._clock.sleep(delay)

    async def _stage_handle(self, event: In) -> Sequence[Emit]:
        try:
            return await self.stage.handle(event)
        except asyncio.CancelledError as error:
            if not cancelled_from_within():
                raise
            # Something it waited for was cancelled, and not this record: left alone, it would vanish.
            raise RuntimeError("what the stage waited for was cancelled") from error

    def _delay(self, event: In, error: Exception, failures: int, elapsed_s: float) -> float | None:
        return self._retry.delay(
            failures,
            elapsed_s=elapsed_s,
            rng=self._rng,
            after_s=error.after_s if isinstance(error, Retryable) else None,
            until_deadline_s=seconds_until(self.stage.deadline(event), self._clock.now()),
        )

    def _outputs(self, record: Record, emits: Sequence[Emit], now: dt.datetime) -> list[Outgoing]:
        trace = trace_of(record.headers)
        outputs = []
        for emit in emits:
            output = outgoing(emit, prefix=self._prefix, stage=self.stage.name, now=now, trace=trace)
            _check_size(output, emit)
            outputs.append(output)
        return outputs

    def _emits_for_unread(self, error: Exception) -> Sequence[Emit]:
        ref = error.ref if isinstance(error, BadEvent) else None
        return () if ref is None else self.stage.give_up_on_unreadable(ref, str(error))

    async def _dead(self, record: Record, emits: Sequence[Emit], error: Exception) -> Done:
        letter = dead_letter(record, prefix=self._prefix, stage=self.stage.name, error=error)
        letter = await claim_checked(letter, record, self._keep)
        return self._with_letter(record, emits, letter, error, self.now())

    def _with_letter(
        self, record: Record, emits: Sequence[Emit], letter: Outgoing, error: Exception, now: dt.datetime
    ) -> Done:
        # A flood of them need not flood the log: each tells its reason itself.
        if self._told.passes():
            held = self._told.held_back()
            logger.warning("%s: %s is a dead letter: %s%s", self.stage.name, _place(record), error, held)
        try:
            outputs = self._outputs(record, emits, now)
        except Exception:
            logger.exception("%s: %s: what stands for it cannot be sent", self.stage.name, _place(record))
            outputs = []
        return _done(record, [*outputs, letter], dead=True)


def _done(record: Record, outputs: Sequence[Outgoing], *, dead: bool = False) -> Done:
    output_bytes = 0
    for output in outputs:
        output_bytes += len(output.value or b"")
    return Done(record.offset, outputs, dead, len(record.value or b""), output_bytes)


def _place(record: Record) -> str:
    return f"{record.topic}/{record.partition}@{record.offset}"


def _check_size(output: Outgoing, emit: Emit) -> None:
    """A record the broker would refuse must fail here: in a transaction it would fail for ever."""
    limit = emit.topic.max_message_bytes
    if len(output.value or b"") + HEADERS_BYTES > limit and output.size > limit:
        what = f"{type(emit.event).__name__} for topic {emit.topic.name}"
        raise Permanent(f"{what} is {output.size} bytes, over the topic's {limit}", code="output-too-large")
