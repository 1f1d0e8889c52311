"""Events as Kafka records: the value, the CloudEvents headers and the key.

What the wire decides:
- Every field is written, defaults and nulls too: an event keeps its meaning when a default changes.
- Unknown fields pass: a reader of this version must read what later versions add.
- Of a field given twice the last counts, as in nearly every JSON reader; refusing it would cost the good
  path a second parse. `glyphstream send` warns of the
  first and refuses the second, through `unknown_fields` and `duplicate_fields`.
- An event that is written is not validated again: writing one that breaks its own bounds is a bug of ours.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
import orjson

from schemas import envelope, explain
from schemas.checks import prompt_faults
from schemas.events import Event, PromptEvent, PromptRef, Render, RenderJob, Result, Review
from schemas.faults import BadEvent, Fault, shown
from schemas.ids import digest, prompt_key

Headers = Sequence[tuple[str, bytes]]
Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
E = TypeVar("E", bound=Event)

CE_TYPES: Final[dict[type, str]] = {
    PromptEvent: "glyphstream.prompt.v1",
    RenderJob: "glyphstream.render-job.v1",
    Render: "glyphstream.render.v1",
    Result: "glyphstream.result.v1",
    Review: "glyphstream.review.v1",
}

# From an older ce_type to a function that turns its body into the current version's. Empty while all are v1.
UPCASTERS: dict[str, Upcaster] = {}

_DECODERS: Final[dict[type, msgspec.json.Decoder[Any]]] = {cls: msgspec.json.Decoder(cls) for cls in CE_TYPES}
_CURRENT: Final[dict[type, bytes]] = {cls: name.encode() for cls, name in CE_TYPES.items()}
_REFUSALS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def encode(event: Event) -> bytes:
    """The event as JSON in UTF-8, its fields in their declared order, moments in RFC 3339.

    Raises:
        TypeError: a moment has no offset, or a string holds half a surrogate pair (orjson wraps both).
    """
    text = orjson.dumps(event, default=_moment, option=orjson.OPT_PASSTHROUGH_DATETIME)
    # A copy: orjson keeps its whole buffer of 4 KB and more for as long as its result lives.
    return bytes(memoryview(text))


def decode(cls: type[E], value: bytes | None, headers: Headers = ()) -> E:
    """The event that a record holds, validated; CloudEvents in binary and in structured mode.

    Without a `ce_type` the record counts as version 1 of the topic's own type.

    Raises:
        BadEvent: and nothing else, whatever the bytes are.
    """
    attributes = dict(headers)
    path = ""
    if (media := attributes.get("content-type")) is not None and media != b"application/json":
        value, attributes, path = envelope.opened(cls, value, attributes)
    if not value:
        raise BadEvent(
            "empty-value",
            [
                Fault(
                    "$",
                    "is empty",
                    shown(value),
                    "send the event as a JSON object; nothing is deleted by a null",
                )
            ],
            envelope.named_prompt(cls, None, attributes),
        )
    kind = attributes.get("ce_type")
    if kind is not None and kind != _CURRENT[cls]:
        value = _upcast(cls, kind, value, attributes, path)
    try:
        value.decode()
        event: E = _DECODERS[cls].decode(value)
    except _REFUSALS as error:
        raise _refusal(cls, value, attributes, path, error) from error
    if isinstance(event, PromptEvent):
        _check_prompt(event, attributes, path)
    return event


def unknown_fields(cls: type[Event], value: bytes) -> tuple[str, ...]:
    """The fields that no reader of this version looks at: `widht (did you mean width?)`.

    Empty where the bytes are no JSON object; `decode` says what is wrong with those.
    """
    try:
        return tuple(explain.unknown(cls, explain.parse(value).data))
    except explain.NotJson:
        return ()


def duplicate_fields(value: bytes) -> tuple[str, ...]:
    """The names that some object of the JSON text holds more than once."""
    try:
        return explain.parse(value).twice
    except explain.NotJson:
        return ()


def headers_for(
    event: Event, *, producer: str, time: dt.datetime, traceparent: bytes | None = None
) -> list[tuple[str, bytes]]:
    """The CloudEvents 1.0 headers of binary mode.

    A prompt's `ce_source` is its own; other events come from `glyphstream/<producer>`. `ce_id` depends on the
    event alone, so a redelivery has the same. `ce_subject` is the record's key.

    Raises:
        ValueError: `time` has no offset.
    """
    source = event.source if isinstance(event, PromptEvent) else f"glyphstream/{producer}"
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", _event_id(event).encode()),
        ("ce_source", source.encode()),
        ("ce_type", _CURRENT[type(event)]),
        ("ce_time", _moment_header(time)),
        ("ce_subject", key_for(event)),
        ("content-type", b"application/json"),
    ]
    if traceparent is not None:
        headers.append(("traceparent", traceparent))
    return headers


_last_moment: tuple[dt.datetime, bytes] | None = None


def _moment_header(time: dt.datetime) -> bytes:
    """Events made in one go carry the same moment: its text is made once."""
    global _last_moment
    last = _last_moment
    # The same object: equal moments may have different offsets, and so different texts.
    if last is None or last[0] is not time:
        last = _last_moment = (time, _rfc3339(time).encode())
    return last[1]


def key_for(event: Event) -> bytes:
    """The record's key: the prompt's (source, id), whichever event it is. See `ids.prompt_key`."""
    ref = ref_of(event)
    return prompt_key(ref.source, ref.id)


def ref_of(event: Event) -> PromptRef:
    """The final that an event belongs to; for a prompt its first."""
    match event:
        case PromptEvent():
            return PromptRef(event.source, event.id)
        case Render():
            return event.job.ref
        case RenderJob() | Result() | Review():
            return event.ref


def _event_id(event: Event) -> str:
    match event:
        case PromptEvent() | Result() | Review():
            return event.id
        case RenderJob():
            return digest("render-job", *_job_parts(event))
        case Render():
            # What was spent and how long it took differ when the work is redone; the job does not.
            return digest("render", *_job_parts(event.job))


def _job_parts(job: RenderJob) -> tuple[object, ...]:
    ref = job.ref
    return (ref.source, ref.id, ref.variant, ref.run, job.ordinal, job.purpose, job.engine)


def _refusal(
    cls: type[object], value: bytes, attributes: envelope.Attributes, path: str, error: Exception
) -> BadEvent:
    try:
        data, sendable = explain.untyped(value)
    except explain.NotJson as not_json:
        return BadEvent("not-json", [not_json.fault], envelope.named_prompt(cls, None, attributes))
    # The typed decode is stricter than the walk in a few places: it also reads what a later duplicate hides.
    found = explain.faults(cls, data, path, sendable=sendable) or [_unlisted(value, path, error)]
    return BadEvent("invalid", found, envelope.named_prompt(cls, data, attributes))


def _unlisted(value: bytes, path: str, error: Exception) -> Fault:
    twice = explain.parse(value).twice
    message, _, where = str(error).partition(" - at `$.")
    field = f"{path}{where[:-1]}" if where else "$"
    fix = f"send {', '.join(twice[:5])} once" if twice else "send what the field's schema asks for"
    return Fault(field, message, shown(value), fix)


def _upcast(
    cls: type[object], kind: bytes, value: bytes, attributes: envelope.Attributes, path: str
) -> bytes:
    name = kind.decode("utf-8", "backslashreplace")
    family = CE_TYPES[cls].rpartition(".")[0]
    upcaster = UPCASTERS.get(name) if name.rpartition(".")[0] == family else None
    field = "type" if path else "ce_type"
    if upcaster is None:
        known = [CE_TYPES[cls], *(old for old in UPCASTERS if old.rpartition(".")[0] == family)]
        fault = Fault(
            field,
            f"must be {' or '.join(known)} on this topic",
            shown(name),
            f"send {known[0]}, or leave it out",
        )
        raise BadEvent("unknown-type", [fault], envelope.named_prompt(cls, envelope.peek(value), attributes))
    try:
        return orjson.dumps(upcaster(orjson.loads(value)))
    except Exception as error:  # an upcaster sees bodies that nothing has validated yet
        fault = Fault("$", f"cannot be read as {name}: {error!r:.200}", shown(value), f"send {CE_TYPES[cls]}")
        ref = envelope.named_prompt(cls, envelope.peek(value), attributes)
        raise BadEvent("invalid", [fault], ref) from error


def _check_prompt(event: PromptEvent, attributes: envelope.Attributes, path: str) -> None:
    if found := prompt_faults(event, path):
        raise BadEvent("invalid", found, envelope.sound_ref(event.source, event.id))
    disagreeing = [
        Fault(
            name if path else f"ce_{name}",
            f"must equal the body's {name} {shown(own)}",
            shown(header.decode("utf-8", "backslashreplace")),
            "send the same in both, or leave the attribute out",
        )
        for name, own in (("id", event.id), ("source", event.source))
        if (header := attributes.get(f"ce_{name}")) is not None and header != own.encode()
    ]
    if disagreeing:
        # No ref: failing either of the two names could end a prompt that somebody else sent.
        raise BadEvent("headers-disagree", disagreeing)


def _moment(value: object) -> str:
    if isinstance(value, dt.datetime):
        return _rfc3339(value)
    raise TypeError(f"cannot be written as JSON: {value!r:.80}")


def _rfc3339(moment: dt.datetime) -> str:
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError(f"time: has no offset; got {moment!r}; give it a tzinfo such as datetime.UTC")
    # RFC 3339 writes offsets in minutes; old local mean times have seconds.
    return (moment if offset.seconds % 60 == 0 else moment.astimezone(dt.UTC)).isoformat()
