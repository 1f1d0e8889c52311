"""Whether a changed schema still speaks with the old one: a `ce_type` may only gain optional fields.

Both directions count. A new reader must take every old event (it replays topics), and an old reader
every new one (consumers are not ours to upgrade), so a bound may neither narrow nor widen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

OLD_REFUSED: Final = "new readers would refuse old events"
NEW_REFUSED: Final = "old readers would refuse new events"

_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_FIXED: Final = ("pattern", "format", "multipleOf", "uniqueItems", "contentEncoding", "additionalProperties")
_PROSE: Final = frozenset({"title", "description", "examples", "$id", "$schema", "$comment", "deprecated"})
_WALKED: Final = frozenset({"type", "enum", "const", "properties", "required", "items", "anyOf", "default"})
_KNOWN: Final = _PROSE | _WALKED | {*_LOWER, *_UPPER, *_FIXED, "$defs", "$ref"}


def incompatibilities(old_schema: Schema, new_schema: Schema) -> list[str]:
    """Every break between two versions of one schema, as `path: what; who suffers`; empty without any.

    Reads the keywords that our schemas use; another one that changed is reported rather than passed over.
    """
    return list(_compare(_Pair(old_schema, new_schema), old_schema, new_schema, "$", frozenset()))


class _Pair:
    """The two documents, in which references are looked up."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new

    def old(self, schema: Schema) -> Schema:
        return _resolved(self._old, schema)

    def new(self, schema: Schema) -> Schema:
        return _resolved(self._new, schema)


def _resolved(document: Schema, schema: Schema) -> Schema:
    while "$ref" in schema:
        found: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def _compare(
    pair: _Pair, old: Schema, new: Schema, path: str, seen: frozenset[tuple[str, str]]
) -> Iterator[str]:
    names = (old.get("$ref", ""), new.get("$ref", ""))
    if all(names):
        if names in seen:
            return
        seen |= {names}
    old, new = pair.old(old), pair.new(new)
    if "anyOf" in old or "anyOf" in new:
        yield from _arms(pair, old, new, path, seen)
    else:
        yield from _types(old, new, path)
        yield from _values(old, new, path)
        yield from _bounds(old, new, path)
        yield from _fields(pair, old, new, path, seen)
        if "items" in old and "items" in new:
            yield from _compare(pair, old["items"], new["items"], f"{path}[]", seen)
        elif "items" in old or "items" in new:
            yield _changed(path, "items", old, new)
    if "default" in old and old["default"] != new.get("default", ...):
        yield f"{_changed(path, 'default', old, new)}; an old event would change its meaning"
    for keyword in sorted((old.keys() | new.keys()) - _KNOWN):
        if old.get(keyword) != new.get(keyword):
            yield f"{_changed(path, keyword, old, new)}; this check cannot judge it"


def _arms(
    pair: _Pair, old: Schema, new: Schema, path: str, seen: frozenset[tuple[str, str]]
) -> Iterator[str]:
    """Unions are `X | None` here: the arms are matched by their type."""
    olds, news = old.get("anyOf", [old]), new.get("anyOf", [new])
    old_arms = {_kind(pair.old(arm)): arm for arm in olds}
    new_arms = {_kind(pair.new(arm)): arm for arm in news}
    if (len(old_arms), len(new_arms)) != (len(olds), len(news)):
        yield f"{path}: has two arms of one type; this check cannot judge it"
    for kind, arm in old_arms.items():
        if kind in new_arms:
            bare = _bare(new_arms[kind])
            yield from _compare(pair, _bare(arm), bare, path, seen)
        else:
            yield f"{path}: {kind} is allowed no more; {OLD_REFUSED}"
    for kind in sorted(new_arms.keys() - old_arms.keys()):
        yield f"{path}: {kind} is now allowed; {NEW_REFUSED}"


def _types(old: Schema, new: Schema, path: str) -> Iterator[str]:
    was, now = _kind(old), _kind(new)
    if was == now:
        return
    wider = (was, now) == ("integer", "number")
    narrower = (was, now) == ("number", "integer")
    who = NEW_REFUSED if wider else OLD_REFUSED if narrower else f"{OLD_REFUSED}, and {NEW_REFUSED}"
    yield f"{path}: type was {was}, is {now}; {who}"


def _values(old: Schema, new: Schema, path: str) -> Iterator[str]:
    was, now = _choices(old), _choices(new)
    if was is None and now is None:
        return
    if was is None or now is None:
        who = OLD_REFUSED if was is None else NEW_REFUSED
        yield f"{path}: allowed values were {was or 'any'}, are {now or 'any'}; {who}"
        return
    if gone := [value for value in was if value not in now]:
        yield f"{path}: values {gone} are allowed no more; {OLD_REFUSED}"
    if come := [value for value in now if value not in was]:
        yield f"{path}: values {come} are new; {NEW_REFUSED}"


def _bounds(old: Schema, new: Schema, path: str) -> Iterator[str]:
    for keywords, sign in ((_LOWER, 1), (_UPPER, -1)):
        for keyword in keywords:
            was, now = old.get(keyword), new.get(keyword)
            if was == now:
                continue
            tighter = was is None or (now is not None and (now - was) * sign > 0)
            yield f"{_changed(path, keyword, old, new)}; {OLD_REFUSED if tighter else NEW_REFUSED}"
    for keyword in _FIXED:
        was, now = old.get(keyword), new.get(keyword)
        if was != now:
            who = (
                OLD_REFUSED
                if was is None
                else NEW_REFUSED
                if now is None
                else f"{OLD_REFUSED}, or the reverse"
            )
            yield f"{_changed(path, keyword, old, new)}; {who}"


def _fields(
    pair: _Pair, old: Schema, new: Schema, path: str, seen: frozenset[tuple[str, str]]
) -> Iterator[str]:
    was, now = old.get("properties", {}), new.get("properties", {})
    for name in was:
        if name in now:
            yield from _compare(pair, was[name], now[name], f"{path}.{name}", seen)
        else:
            yield f"{path}.{name}: was removed; what old events say in it is lost"
    must, still = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(still - must):
        yield f"{path}.{name}: is now required; {OLD_REFUSED}"
    for name in sorted((must - still) & now.keys()):
        yield f"{path}.{name}: is required no more; {NEW_REFUSED}"


def _kind(schema: Schema) -> str:
    if "type" in schema:
        return str(schema["type"])
    choices = _choices(schema)
    return "string" if choices and all(isinstance(value, str) for value in choices) else "any"


def _choices(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


def _bare(schema: Schema) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "default"}


def _changed(path: str, keyword: str, old: Schema, new: Schema) -> str:
    return f"{path}: {keyword} was {old.get(keyword, 'absent')}, is {new.get(keyword, 'absent')}"
