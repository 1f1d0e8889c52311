"""The slow path: why a record is no event. Runs only after the typed decode has refused it."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from itertools import islice
from typing import Final

import msgspec

from schemas.faults import MOST_FAULTS, Fault, shortened, shown
from schemas.shapes import Member, Shape, listed, members

AROUND = 20
# Python refuses to read longer integers from text; such a number is out of every bound of ours anyway.
INTEGER_DIGITS = 400
# The first part of the path at the end of msgspec's message.
_FIELD: Final = re.compile(r" - at `\$\.(\w+)[^`]*`$")


class NotJson(Exception):
    """The bytes are no JSON text; `fault` says where they stop being one."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Parsed:
    """A JSON text without types. Of a name given twice the last value counts; `twice` holds such names."""

    data: object
    twice: tuple[str, ...]


def parse(value: bytes) -> Parsed:
    """Reads JSON more patiently than the wire does, so that the faults can be told.

    Raises:
        NotJson: the bytes are no JSON text in UTF-8.
    """
    twice: dict[str, None] = {}

    def object_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice.update(
                (name, None) for name, count in Counter(name for name, _ in pairs).items() if count > 1
            )
        return found

    try:
        text = value.decode()
        if text.startswith("\ufeff"):
            raise NotJson(
                Fault("$", "begins with a byte order mark", shown(value[:AROUND]), "leave the mark out")
            )
        return Parsed(json.loads(text, object_pairs_hook=object_of, parse_int=_integer), tuple(twice))
    except UnicodeDecodeError as error:
        near = value[max(0, error.start - AROUND) : error.start + AROUND]
        fault = Fault(
            "$", f"is not UTF-8 at byte {error.start}", shown(near), "encode the JSON text as UTF-8"
        )
    except json.JSONDecodeError as error:
        near_text = error.doc[max(0, error.pos - AROUND) : error.pos + AROUND]
        fault = Fault(
            "$",
            f"is not JSON at line {error.lineno}, column {error.colno}: {error.msg}",
            shown(near_text),
            "send one JSON object in UTF-8",
        )
    except RecursionError:
        fault = _too_deep(value)
    raise NotJson(fault)


def untyped(value: bytes) -> tuple[object, bool]:
    """The JSON value, and whether all its text and numbers can be sent on: no half characters, no NaN.

    Raises:
        NotJson: as `parse`, which takes ten times as long and is asked only where the strict reader refuses.
    """
    try:
        return msgspec.json.decode(value), True
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return parse(value).data, False


def faults(cls: type[object], data: object, path: str = "", *, sendable: bool = False) -> list[Fault]:
    """All faults of an untyped JSON value, in the order of the fields; the first 50 when there are more.

    `sendable` spares the search for half characters and NaN: see `untyped`.
    """
    try:
        found = list(islice(_object(cls, data, path, sendable), MOST_FAULTS + 1))
    except RecursionError:
        return [_too_deep(data)]
    if len(found) > MOST_FAULTS:
        found[MOST_FAULTS - 1 :] = [
            Fault("$", "has more faults than are listed", f"over {MOST_FAULTS - 1}", "mend these first")
        ]
    return found


def unknown(cls: type[object], data: object, path: str = "") -> Iterator[str]:
    """The fields that no reader looks at, each with the likeliest meant one."""
    if not isinstance(data, dict):
        return
    known = {member.name: member.shape for member in members(cls)}
    for name, value in data.items():
        if name not in known:
            near = _near(name, [other for other in known if other not in data])
            yield shortened(f"{path}{name}") + (f" (did you mean {near}?)" if near else "")
            continue
        inner = known[name]
        if inner.item is not None and is_dataclass(inner.item.base) and isinstance(value, list):
            for index, item in enumerate(value):
                yield from unknown(_class(inner.item), item, f"{path}{name}[{index}].")
        elif is_dataclass(inner.base):
            yield from unknown(_class(inner), value, f"{path}{name}.")


def _object(cls: type[object], data: object, path: str, sendable: bool) -> Iterator[Fault]:
    if not isinstance(data, dict):
        needed = ", ".join(member.name for member in members(cls) if member.required)
        yield Fault(path[:-1] or "$", "must be an object", shown(data), f"send an object with {needed}")
        return
    if not sendable:
        known = {member.name for member in members(cls)}
        for name, value in data.items():
            if name not in known:
                yield from _unsendable(value, shortened(f"{path}{name}"))
    suspect = _refused(cls, data) if sendable else data
    for member in members(cls):
        if member.name in suspect:
            field = f"{path}{member.name}"
            yield from _value(member.shape, data[member.name], field, member.required, sendable)
        elif member.required and member.name not in data:
            yield _missing(member, cls, data, f"{path}{member.name}")


def _refused(cls: type[object], data: dict[str, object]) -> set[str]:
    """The fields that msgspec refuses, one after the other: it reports the first and takes a microsecond."""
    kind = _all_optional(cls)
    rest, refused = dict(data), set[str]()
    while True:
        try:
            msgspec.convert(rest, kind)
        except msgspec.ValidationError as error:
            named = _FIELD.search(str(error))
            if named is None or named[1] not in rest:
                return set(data)
            del rest[named[1]]
            refused.add(named[1])
        else:
            return refused


_optional: dict[type, type[msgspec.Struct]] = {}


def _all_optional(cls: type[object]) -> type[msgspec.Struct]:
    """A dataclass of ours with every field optional, to look at values alone."""
    if cls not in _optional:
        own = [(member.name, member.shape.hint, msgspec.UNSET) for member in members(cls)]
        _optional[cls] = msgspec.defstruct(cls.__name__, own)
    return _optional[cls]


def _missing(member: Member, cls: type[object], data: dict[str, object], field: str) -> Fault:
    known = {other.name for other in members(cls)}
    near = _near(member.name, [name for name in data if name not in known])
    fix = f"rename `{shortened(near)}` to it" if near else f"add it: {member.shape.expects}"
    return Fault(field, "is required", "nothing", fix)


def _value(shape: Shape, value: object, field: str, required: bool, sendable: bool) -> Iterator[Fault]:
    if value is None and shape.optional:
        return
    if shape.item is not None and isinstance(value, list):
        most = shape.bound("max_length")
        if most is not None and len(value) > most:
            yield Fault(
                field, f"must be {shape.expects}", shown(value), f"remove {len(value) - most} of them"
            )
        for index, item in enumerate(value[:most]):
            yield from _value(shape.item, item, f"{field}[{index}]", True, sendable)
    elif is_dataclass(shape.base) and value is not None:
        yield from _object(_class(shape), value, f"{field}.", sendable)
    elif (fix := _fix(shape, value, required)) is not None:
        yield Fault(field, f"must be {shape.expects}", shown(value), fix)


def _fix(shape: Shape, value: object, required: bool) -> str | None:
    """What to do about a leaf, or None where nothing is wrong with it."""
    for fault in _unsendable(value, ""):
        return fault.fix
    return None if _converts(value, shape) else _advice(shape, value, required)


def _converts(value: object, shape: Shape) -> bool:
    try:
        msgspec.convert(value, shape.hint)
    except msgspec.ValidationError:
        return False
    return True


def _unsendable(value: object, field: str) -> Iterator[Fault]:
    """What Python's reader lets pass and JSON does not have: half characters, NaN, the infinities."""
    # A list and no recursion: a stranger chooses how deep this goes.
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text if not _encodable(text):
                fix = "replace the lone surrogates: half a character cannot be sent"
                yield Fault(field, "holds text that is no Unicode", shown(text), fix)
            case float() as number if not math.isfinite(number):
                yield Fault(field, "holds what is no JSON number", shown(number), "send a finite number")
            case list() as items:
                waiting += items
            case dict() as items:
                waiting += items.values()


def _advice(shape: Shape, value: object, required: bool) -> str:
    if value is None and not required:
        return "leave it out to get its default"
    if shape.choices:
        near = _near(value, shape.choices) if isinstance(value, str) else None
        return f"did you mean {near}? Use {listed(shape.choices)}" if near else f"use {listed(shape.choices)}"
    if isinstance(value, str):
        return _string_advice(shape, value, required)
    if isinstance(value, int | float) and not isinstance(value, bool) and shape.base in (int, float):
        return f"use {_nearest(shape, value)}"
    return f"send {shape.expects}"


def _string_advice(shape: Shape, value: str, required: bool) -> str:
    if shape.base is str:
        least, most = shape.bound("min_length"), shape.bound("max_length")
        if most is not None and len(value) > most:
            return f"shorten it by {len(value) - most} characters"
        if least is not None and len(value) < least:
            return "write something in it" if required else "write something in it, or leave it out"
        return (
            "write a language tag such as en, pt-BR or zh-Hant" if shape.bound("description") else "match it"
        )
    try:
        plain = json.loads(value)
        msgspec.convert(plain, shape.hint)
    except (ValueError, RecursionError):
        pass
    else:
        if not isinstance(plain, str):
            return f"send {value} without quotes"
    return "write it like 2026-05-01T12:00:00Z" if "date" in shape.expects else f"send {shape.expects}"


def _nearest(shape: Shape, value: float) -> int | float:
    low, high, step = (shape.bound(name) for name in ("ge", "le", "multiple_of"))
    near = value if low is None else max(value, low)
    near = near if high is None else min(near, high)
    if shape.base is int:
        near = round(near / step) * step if step else round(near)
    return near


def _near(word: str, known: list[str] | tuple[str, ...]) -> str | None:
    if not known:
        return None
    # Cut first: the cost grows with the square of a length that a stranger chooses.
    lower = {name[:64].lower(): name for name in known[:100]}
    found = difflib.get_close_matches(word[:64].lower(), lower, n=1, cutoff=0.7)
    return lower[found[0]] if found else None


def _class(shape: Shape) -> type[object]:
    return shape.base  # type: ignore[no-any-return]  # callers have asked is_dataclass of it


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < INTEGER_DIGITS else float(digits)


def _too_deep(value: object) -> Fault:
    return Fault("$", "nests too deep", shown(value), "send no more than a few levels of objects and arrays")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
