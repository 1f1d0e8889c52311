"""What a field expects, in words: read once from the type hints that the decoder itself obeys."""

from __future__ import annotations

import datetime as dt
import types
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import Meta


@dataclass(frozen=True)
class Shape:
    """A type hint taken apart: the bare type, its bounds, and whether null is welcome.

    `hint` is the whole, for msgspec. `item` is the shape of a tuple's items, `choices` a Literal's values.
    """

    hint: Any
    base: Any
    metas: tuple[Meta, ...]
    optional: bool
    item: Shape | None = None
    choices: tuple[str, ...] = ()

    def bound(self, name: str) -> Any:
        """The bound of that name (`ge`, `max_length`, ...), or None."""
        return next((v for meta in self.metas if (v := getattr(meta, name)) is not None), None)

    @cached_property
    def expects(self) -> str:
        """In words, for a message: "an integer from 64 to 3840, a multiple of 16"."""
        words = self._bare()
        return f"{words}, or null" if self.optional else words

    def _bare(self) -> str:
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.item is not None:
            return f"an array of {_range(self, 'min_length', 'max_length', 'item')}"
        if is_dataclass(self.base):
            return "an object"
        if self.base is str:
            pattern = self.bound("pattern")
            length = _range(self, "min_length", "max_length", "character")
            about = self.bound("description")
            kind = (
                "a string"
                if pattern is None
                else f"a string matching {pattern}" + (f" ({about})" if about else "")
            )
            return f"{kind} of {length}" if length != "characters" else kind
        if self.base is int or self.base is float:
            step = self.bound("multiple_of")
            kind = "an integer" if self.base is int else "a number"
            return kind + _span(self) + (f", a multiple of {step}" if step else "")
        if self.base is bool:
            return "true or false"
        if self.base is dt.datetime:
            return "a date and time with an offset (RFC 3339)"
        return "any JSON value"


@dataclass(frozen=True, slots=True)
class Member:
    """One field of a dataclass."""

    name: str
    shape: Shape
    required: bool


_members: dict[type, tuple[Member, ...]] = {}


def members(cls: type[object]) -> tuple[Member, ...]:
    """The fields of a dataclass in their order; read from the hints once a class.

    Raises:
        TypeError: `cls` is no dataclass.
    """
    if cls not in _members:
        _members[cls] = _read_members(cls)
    return _members[cls]


def shape(hint: Any) -> Shape:
    """Takes a hint apart. A union may only be `X | None`; the events use no other."""
    base = hint
    metas: tuple[Meta, ...] = ()
    optional = False
    while True:
        origin = get_origin(base)
        if origin is Annotated:
            base, *extras = get_args(base)
            metas = (*metas, *(extra for extra in extras if isinstance(extra, Meta)))
        elif origin is Union or origin is types.UnionType:
            arms = [arm for arm in get_args(base) if arm is not type(None)]
            if len(arms) != 1:
                raise TypeError(f"{hint}: a field is one type or null; got {len(arms)} types; use one")
            base, optional = arms[0], True
        elif origin is tuple:
            return Shape(hint, tuple, metas, optional, item=shape(get_args(base)[0]))
        elif origin is Literal:
            return Shape(hint, str, metas, optional, choices=tuple(get_args(base)))
        else:
            return Shape(hint, base, metas, optional)


def listed(words: Iterable[str]) -> str:
    """`euler or heun`; `a, b or c`."""
    *head, last = words
    return f"{', '.join(head)} or {last}" if head else last


def _read_members(cls: type[object]) -> tuple[Member, ...]:
    if not is_dataclass(cls):
        raise TypeError(f"cls: must be a dataclass; got {cls!r}; pass one of the events")
    hints = get_type_hints(cls, include_extras=True)
    return tuple(
        Member(f.name, shape(hints[f.name]), f.default is MISSING and f.default_factory is MISSING)
        for f in fields(cls)
    )


def _range(shape: Shape, low: str, high: str, noun: str) -> str:
    least, most = shape.bound(low), shape.bound(high)
    if least is not None and most is not None:
        return f"{least} to {most} {noun}s"
    if most is not None:
        return f"at most {most} {noun}s"
    if least is not None:
        return f"at least {least} {noun}" + ("s" if least != 1 else "")
    return f"{noun}s"


def _span(shape: Shape) -> str:
    least, most = shape.bound("ge"), shape.bound("le")
    if least is not None and most is not None:
        return f" from {least} to {most}"
    if most is not None:
        return f" of at most {most}"
    return f" of at least {least}" if least is not None else ""
