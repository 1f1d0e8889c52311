"""CloudEvents around an event: the structured mode, and which prompt a record means.

Source: CloudEvents 1.0.2, "Kafka Protocol Binding" (3.2 binary, 3.3 structured mode).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta

from schemas import explain
from schemas.events import PromptEvent, PromptRef, Render
from schemas.faults import BadEvent, Fault, shown

Attributes: TypeAlias = dict[str, bytes]

_Attribute = Annotated[str, Meta(min_length=1)]
_UNSOUND: Final = re.compile(r"[\x00-\x1f\x7f]")
_JSON: Final = re.compile(
    rb"(application/json|text/json|[a-z]+/[a-z0-9.+-]+\+json)\s*(;.*)?", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class _Structured:
    specversion: Annotated[str, Meta(pattern=r"^1\.")]
    id: _Attribute
    source: _Attribute
    type: _Attribute
    datacontenttype: str | None = None
    data: Any = None
    data_base64: str | None = None


class _Body(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"")


_envelopes: Final = msgspec.json.Decoder(_Structured)
_bodies: Final = msgspec.json.Decoder(_Body)


def opened(
    cls: type[object], value: bytes | None, attributes: Attributes
) -> tuple[bytes | None, Attributes, str]:
    """The event's own bytes, its attributes by their binary-mode names, and the path to the event.

    Raises:
        BadEvent: the content type is not ours, or the structured envelope is broken.
    """
    media = attributes["content-type"].strip().lower()
    if media.startswith(b"application/cloudevents-batch"):
        raise _bad_media(cls, value, attributes, "send one event a record")
    if not media.startswith(b"application/cloudevents"):
        if media and not _JSON.fullmatch(media):
            fix = "send JSON as application/json or application/cloudevents+json"
            raise _bad_media(cls, value, attributes, fix)
        return value, attributes, ""
    if not media.startswith(b"application/cloudevents+json"):
        raise _bad_media(cls, value, attributes, "send JSON as application/cloudevents+json")
    if not value:
        return value, {}, ""
    return _unwrapped(cls, value)


def _unwrapped(cls: type[object], value: bytes) -> tuple[bytes, Attributes, str]:
    try:
        value.decode()
        outer = _envelopes.decode(value)
        body = bytes(_bodies.decode(value).data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        try:
            data = explain.parse(value).data
        except explain.NotJson as not_json:
            raise BadEvent("not-json", [not_json.fault]) from error
        found = explain.faults(_Structured, data) or [
            Fault("$", str(error), shown(value), "mend the envelope")
        ]
        inner = data.get("data") if isinstance(data, dict) else None
        raise BadEvent("invalid", found, named_prompt(cls, inner, {})) from error
    attributes = {
        "ce_id": outer.id.encode(),
        "ce_source": outer.source.encode(),
        "ce_type": outer.type.encode(),
    }
    if outer.data_base64 is None:
        return body, attributes, "data."
    try:
        return base64.b64decode(outer.data_base64, validate=True), attributes, "data."
    except (binascii.Error, ValueError) as error:
        fault = Fault(
            "data_base64", f"is not base64: {error}", shown(outer.data_base64), "send the object as `data`"
        )
        raise BadEvent("invalid", [fault]) from error


def _bad_media(cls: type[object], value: bytes | None, attributes: Attributes, fix: str) -> BadEvent:
    fault = Fault("content-type", "is not read here", shown(attributes["content-type"]), fix)
    return BadEvent("unknown-type", [fault], named_prompt(cls, peek(value or b""), attributes))


def named_prompt(cls: type[object], data: object, attributes: Attributes) -> PromptRef | None:
    """The prompt that a bad record means, where its source and id can be read and agree."""
    if cls is not PromptEvent:
        return _inner_ref(cls, data)
    body = data if isinstance(data, dict) else {}
    source = _agreed(body.get("source"), attributes.get("ce_source"))
    name = None if source is None else _agreed(body.get("id"), attributes.get("ce_id"))
    return None if source is None or name is None else sound_ref(source, name)


def _agreed(own: object, header: bytes | None) -> str | None:
    """The name in body and header, either of which may be missing; None where they disagree."""
    if header is None:
        return own if isinstance(own, str) else None
    name = header.decode("utf-8", "surrogateescape")
    return name if own is None or own == name else None


def sound_ref(source: str, id: str) -> PromptRef | None:
    """The ref, unless a name is out of its bounds or holds what no key or header should."""
    try:
        ref = msgspec.convert({"source": source, "id": id}, PromptRef)
        (source + id).encode()
    except (msgspec.ValidationError, UnicodeEncodeError):
        return None
    return None if _UNSOUND.search(source + id) else ref


def peek(value: bytes) -> object:
    """The untyped body, or None where it is no JSON."""
    try:
        return explain.parse(value).data
    except explain.NotJson:
        return None


def _inner_ref(cls: type[object], data: object) -> PromptRef | None:
    for name in ("job", "ref") if cls is Render else ("ref",):
        data = data.get(name) if isinstance(data, dict) else None
    try:
        ref = msgspec.convert(data, PromptRef)
        (ref.source + ref.id + ref.run).encode()
    except (msgspec.ValidationError, UnicodeEncodeError):
        return None
    return ref
