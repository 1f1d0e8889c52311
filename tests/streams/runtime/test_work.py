import asyncio
import base64
import dataclasses
import datetime as dt
import json
import random
from collections.abc import Awaitable, Callable, Sequence

import pytest

from schemas.events import Asset, PromptEvent, PromptRef, Result
from schemas.topics import PROMPTS, RESULTS
from schemas.wire import decode, encode, headers_for
from streams.runtime.errors import Permanent, Retryable
from streams.runtime.records import Outgoing
from streams.runtime.retry import RetryPolicy
from streams.runtime.stage import Emit, GivenUp, Stage
from streams.runtime.work import Done, Worker
from streams.stages.finals import failed_final

START = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
EVENT = PromptEvent(id="p1", source="shop", prompt="a poster")
REF = PromptRef("shop", "p1")
Handle = Callable[[PromptEvent], Awaitable[Sequence[Emit]]]


@dataclasses.dataclass
class VirtualClock:
    """Sleeping moves the clock."""

    elapsed: float = 0.0
    slept: list[float] = dataclasses.field(default_factory=list)

    def now(self) -> dt.datetime:
        return START + dt.timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.elapsed += seconds


@dataclasses.dataclass(frozen=True)
class Consumed:
    value: bytes | None
    key: bytes | None = b"key"
    headers: tuple[tuple[str, bytes], ...] = ()
    topic: str = "prompts"
    partition: int = 3
    offset: int = 42
    timestamp: int = 1_700_000_000_000


def good(event: PromptEvent = EVENT, **fields: object) -> Consumed:
    headers = tuple(headers_for(event, producer="test", time=START))
    return Consumed(encode(event), headers=headers, **fields)  # type: ignore[arg-type]  # test shorthand


def final(status: str = "accepted") -> Emit:
    return Emit(RESULTS, Result(id="r", ref=REF, final=True, status=status))  # type: ignore[arg-type]  # as above


KEPT: list[bytes] = []


async def keep(data: bytes) -> Asset:
    KEPT.append(data)
    return Asset(uri="kept:1", sha256="0" * 64, media_type="application/json", bytes=len(data))


def run(handle: Handle, record: Consumed, *, clock: VirtualClock | None = None, **stage: object) -> Done:
    def give_up(_event: PromptEvent, error: Exception) -> GivenUp:
        return GivenUp(failed_final(REF, str(error)), dead_letter=not isinstance(error, Retryable))

    async def main() -> Done:
        giving_up = stage.pop("give_up", give_up)
        built = Stage("route", PROMPTS, PromptEvent, handle, giving_up, failed_final, **stage)  # type: ignore[arg-type]  # test shorthand
        worker = Worker(
            built,
            prefix="t-",
            retry=RetryPolicy(),
            clock=clock or VirtualClock(),
            rng=random.Random(5),
            slots=asyncio.Semaphore(1),
            keep=keep,
        )
        return await worker.work(worker.open(record))

    return asyncio.run(main())


def header(output: Outgoing, name: str) -> str:
    return dict(output.headers)[name].decode()


def result(output: Outgoing) -> Result:
    assert output.topic == "t-results"
    return decode(Result, output.value, output.headers)


async def accepted(_event: PromptEvent) -> Sequence[Emit]:
    return (final(),)


def test_an_output_is_keyed_by_its_prompt_and_carries_the_inputs_trace() -> None:
    record = good()
    record = dataclasses.replace(record, headers=(*record.headers, ("traceparent", b"00-ab-cd-01")))
    done = run(accepted, record)
    assert not done.dead
    assert header(done.outputs[0], "traceparent") == "00-ab-cd-01"
    assert header(done.outputs[0], "ce_type") == "glyphstream.result.v1"
    assert result(done.outputs[0]).ref == REF


def test_what_may_work_later_is_tried_again_until_it_does() -> None:
    clock, failures = VirtualClock(), iter([Retryable("busy"), Retryable("busy", after_s=7.0)])

    async def handle(event: PromptEvent) -> Sequence[Emit]:
        for error in failures:
            raise error
        return await accepted(event)

    done = run(handle, good(), clock=clock)
    assert result(done.outputs[0]).status == "accepted"
    assert len(clock.slept) == 2
    assert clock.slept[1] == 7.0


def test_an_engine_that_stays_away_is_given_up_after_five_minutes_without_a_dead_letter() -> None:
    clock = VirtualClock()

    async def handle(_event: PromptEvent) -> Sequence[Emit]:
        raise Retryable("engine away")

    done = run(handle, good(), clock=clock)
    assert 200 < clock.elapsed <= 300
    assert [result(output).status for output in done.outputs] == ["failed"]
    assert not done.dead


def test_no_try_begins_after_the_deadline() -> None:
    clock = VirtualClock()

    async def handle(_event: PromptEvent) -> Sequence[Emit]:
        raise Retryable("engine away")

    run(handle, good(), clock=clock, deadline=lambda _event: START + dt.timedelta(seconds=10))
    assert clock.elapsed < 10


@pytest.mark.parametrize(
    ("error", "tries", "code"), [(Permanent("no", code="nope"), 1, "nope"), (KeyError("x"), 3, "failed")]
)
def test_what_never_works_is_a_dead_letter_and_a_failed_final_together(
    error: Exception, tries: int, code: str
) -> None:
    calls = 0

    async def handle(_event: PromptEvent) -> Sequence[Emit]:
        nonlocal calls
        calls += 1
        raise error

    record = good()
    done = run(handle, record)
    failed, letter = done.outputs
    assert calls == tries
    assert done.dead
    assert result(failed).status == "failed"
    assert (letter.topic, letter.key, letter.value) == ("t-dead-letters", record.key, record.value)
    assert letter.timestamp_ms == record.timestamp
    assert tuple(letter.headers)[: len(record.headers)] == record.headers
    assert header(letter, "x-error-code") == code
    assert header(letter, "x-error-stage") == "route"
    assert [header(letter, f"x-original-{part}") for part in ("topic", "partition", "offset")] == [
        "prompts",
        "3",
        "42",
    ]


async def unreachable(_event: PromptEvent) -> Sequence[Emit]:
    raise AssertionError("an undecodable record reached the stage")


def test_a_record_that_names_no_prompt_is_a_dead_letter_alone() -> None:
    for value in (b"not json", b"\xff\xfe", b"[1]", None):
        done = run(unreachable, Consumed(value))
        assert [output.topic for output in done.outputs] == ["t-dead-letters"]
        assert done.outputs[0].value == value


def test_a_record_that_names_its_prompt_gets_its_failed_final_as_well() -> None:
    done = run(unreachable, Consumed(b'{"id":"p1","source":"shop","prompt":"x","width":5}'))
    failed, letter = done.outputs
    assert result(failed).ref == REF
    assert "width" in result(failed).reason
    assert "width" in header(letter, "x-error-message")


def test_a_record_without_key_and_value_is_kept_too() -> None:
    (letter,) = run(unreachable, Consumed(None, key=None)).outputs
    assert letter.key == b""
    assert header(letter, "x-original-key") == "null"


def test_an_output_over_the_topics_limit_fails_here_and_not_in_every_transaction() -> None:
    async def handle(_event: PromptEvent) -> Sequence[Emit]:
        return (
            Emit(RESULTS, Result(id="r", ref=REF, final=True, status="accepted", reason="x" * 1_048_576)),
        )

    failed, letter = run(handle, good()).outputs
    assert result(failed).status == "failed"
    assert header(letter, "x-error-code") == "output-too-large"


def test_a_fault_in_giving_up_keeps_the_record_and_stops_nothing_behind_it() -> None:
    async def handle(_event: PromptEvent) -> Sequence[Emit]:
        raise Permanent("no")

    def broken(_event: PromptEvent, _error: Exception) -> GivenUp:
        raise RuntimeError("giving up failed")

    (letter,) = run(handle, good(), give_up=broken).outputs
    assert letter.topic == "t-dead-letters"
    assert header(letter, "x-error-message") == "giving up failed"


@pytest.mark.parametrize("trace", [None, b"", b"x" * 1_047_900])
def test_a_trace_that_is_none_is_not_passed_on_and_stops_nothing(trace: bytes | None) -> None:
    record = good()
    odd = dataclasses.replace(record, headers=(*record.headers, ("traceparent", trace)))  # type: ignore[arg-type]  # null on purpose
    done = run(accepted, odd)
    assert result(done.outputs[0]).status == "accepted"
    assert "traceparent" not in dict(done.outputs[0].headers)


def test_a_dead_letter_over_its_topics_limit_says_where_the_record_is_kept() -> None:
    record = Consumed(b"x" * 10_000_000, headers=(("mine", b"kept"),))
    (letter,) = run(unreachable, record).outputs
    assert letter.size < 20_000
    assert letter.value == b""
    assert header(letter, "x-error-code") == "not-json"
    assert header(letter, "x-claim-uri") == "kept:1"
    stored = json.loads(KEPT[-1])
    assert base64.b64decode(stored["value"]) == record.value
    assert base64.b64decode(stored["key"]) == record.key
    assert [(name, base64.b64decode(value)) for name, value in stored["headers"]] == [("mine", b"kept")]
