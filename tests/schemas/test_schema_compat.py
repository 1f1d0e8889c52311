"""Version 1 stays version 1: old events, old readers and new ones understand each other."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from schemas.compat import NEW_REFUSED, OLD_REFUSED, incompatibilities
from schemas.events import Event
from schemas.jsonschema import schema
from schemas.wire import CE_TYPES, decode, encode

FROZEN = Path(__file__).parent / "fixtures" / "v1"

Change = Callable[[dict[str, Any]], object]

PART = {"$ref": "#/$defs/Part"}
NULL = {"type": "null"}
OLD: dict[str, Any] = {
    "type": "object",
    "description": "old words",
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 10, "pattern": "^a"},
        "size": {"type": "integer", "minimum": 1, "maximum": 9, "multipleOf": 1, "default": 2},
        "share": {"anyOf": [{"type": "number", "minimum": 0}, NULL], "default": None},
        "mode": {"enum": ["a", "b"], "default": "a"},
        "parts": {"type": "array", "maxItems": 3, "items": PART},
        "when": {"type": "string", "format": "date-time"},
        "best": {"anyOf": [PART, NULL], "default": None},
    },
    "required": ["id", "when"],
    "$defs": {
        "Part": {
            "type": "object",
            "properties": {"word": {"type": "string"}, "inner": {"type": "array", "items": PART}},
            "required": ["word"],
        }
    },
}


def put(path: str, **values: object) -> Change:
    """Sets keywords below a path of names and indices; `...` takes one away."""

    def change(schema: dict[str, Any]) -> None:
        place: Any = schema
        for step in path.split("/") if path else []:
            place = place[int(step) if isinstance(place, list) else step]
        for name, value in values.items():
            if value is ...:
                del place[name]
            else:
                place[name] = value

    return change


def field(name: str, **values: object) -> Change:
    return put(f"properties/{name}", **values)


def all_of(*changes: Change) -> Change:
    def change(schema: dict[str, Any]) -> None:
        for one in changes:
            one(schema)

    return change


def changed(change: Change) -> list[str]:
    new = copy.deepcopy(OLD)
    change(new)
    return incompatibilities(OLD, new)


TEXT = {"type": "string"}
NEW_REQUIRED = all_of(put("properties", new=TEXT), put("", required=["id", "when", "new"]))
NO_NULL = put("properties", share={"type": "number", "minimum": 0, "default": None})
NOW_NULL = put("properties", when={"anyOf": [{"type": "string", "format": "date-time"}, NULL]})
NO_ENUM = put("properties", mode={"type": "string", "default": "a"})
INNER_REQUIRED = put("$defs/Part", required=["word", "inner"])
SIZE_REQUIRED = put("", required=["id", "when", "size"])

# the change, where the line about it begins, and words that tell who suffers
BREAKS: dict[str, tuple[Change, str, str]] = {
    "removed field": (put("properties", size=...), "$.size: was removed", "lost"),
    "renamed field": (put("properties", size=..., sizes=TEXT), "$.size: was removed", "lost"),
    "new required field": (NEW_REQUIRED, "$.new: is now required", OLD_REFUSED),
    "optional becomes required": (SIZE_REQUIRED, "$.size: is now required", OLD_REFUSED),
    "required becomes optional": (put("", required=["when"]), "$.id: is required no more", NEW_REFUSED),
    "type changed for old events": (field("size", type="string"), "$.size: type was integer", OLD_REFUSED),
    "type changed for old readers": (field("size", type="string"), "$.size: type was integer", NEW_REFUSED),
    "integer widened": (field("size", type="number"), "$.size: type", NEW_REFUSED),
    "upper bound narrowed": (field("size", maximum=8), "$.size: maximum", OLD_REFUSED),
    "upper bound widened": (field("size", maximum=10), "$.size: maximum", NEW_REFUSED),
    "upper bound dropped": (field("size", maximum=...), "$.size: maximum", NEW_REFUSED),
    "lower bound narrowed": (field("size", minimum=2), "$.size: minimum", OLD_REFUSED),
    "lower bound widened": (field("size", minimum=0), "$.size: minimum", NEW_REFUSED),
    "new bound": (field("when", maxLength=30), "$.when: maxLength", OLD_REFUSED),
    "longer string": (field("id", maxLength=11), "$.id: maxLength", NEW_REFUSED),
    "shorter array": (field("parts", maxItems=2), "$.parts: maxItems", OLD_REFUSED),
    "step changed": (field("size", multipleOf=2), "$.size: multipleOf", OLD_REFUSED),
    "pattern changed": (field("id", pattern="^b"), "$.id: pattern", OLD_REFUSED),
    "pattern dropped": (field("id", pattern=...), "$.id: pattern", NEW_REFUSED),
    "format dropped": (field("when", format=...), "$.when: format", NEW_REFUSED),
    "value removed": (field("mode", enum=["a"]), "$.mode: values ['b']", OLD_REFUSED),
    "value added": (field("mode", enum=["a", "b", "c"]), "$.mode: values ['c']", NEW_REFUSED),
    "enum opened": (NO_ENUM, "$.mode: allowed values", NEW_REFUSED),
    "null allowed no more": (NO_NULL, "$.share: null is allowed no more", OLD_REFUSED),
    "null newly allowed": (NOW_NULL, "$.when: null is now allowed", NEW_REFUSED),
    "bound inside a union": (field("share/anyOf/0", minimum=1), "$.share: minimum", OLD_REFUSED),
    "two arms of one type": (field("best", anyOf=[PART, PART]), "$.best: has two arms", "cannot judge"),
    "default changed": (field("size", default=3), "$.size: default", "meaning"),
    "default dropped": (field("size", default=...), "$.size: default", "meaning"),
    "inside an array": (put("$defs/Part/properties", inner=...), "$.parts[].inner: was removed", "lost"),
    "inside a union's object": (INNER_REQUIRED, "$.best.inner: is now required", OLD_REFUSED),
    "items dropped": (field("parts", items=...), "$.parts: items", ""),
    "a keyword it does not know": (field("size", **{"not": {"const": 3}}), "$.size: not", "cannot judge"),
    "closed to unknown fields": (put("", additionalProperties=False), "$: additionalProp", OLD_REFUSED),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_found_and_says_who_suffers(name: str) -> None:
    change, where, who = BREAKS[name]
    told = [line for line in changed(change) if line.startswith(where)]
    assert told and all(who in line for line in told)


RENAMED = all_of(put("$defs", Piece=OLD["$defs"]["Part"]), field("best/anyOf/0", **{"$ref": "#/$defs/Piece"}))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(put("properties", new={"type": "string", "default": ""}), id="new optional field"),
        pytest.param(put("$defs/Part/properties", new={"anyOf": [TEXT, NULL]}), id="new field below"),
        pytest.param(put("", description="new words"), id="new words"),
        pytest.param(field("mode", enum=["b", "a"]), id="order"),
        pytest.param(RENAMED, id="renamed definition"),
        pytest.param(put(""), id="nothing"),
    ],
)
def test_what_may_change_is_not_called_a_break(change: Change) -> None:
    assert changed(change) == []


@pytest.mark.parametrize("cls", CE_TYPES)
def test_the_schemas_are_compatible_with_the_frozen_version_1(cls: type[Event]) -> None:
    frozen = json.loads((FROZEN / f"{CE_TYPES[cls]}.schema.json").read_text(encoding="utf-8"))
    assert incompatibilities(frozen, schema(cls)) == []


@pytest.mark.parametrize("cls", CE_TYPES)
def test_an_event_of_the_frozen_version_1_is_still_read_and_means_the_same(cls: type[Event]) -> None:
    value = (FROZEN / f"{CE_TYPES[cls]}.event.json").read_bytes()
    again = json.loads(encode(decode(cls, value)))
    assert _pruned(again, json.loads(value)) == json.loads(value)


@pytest.mark.parametrize("cls", CE_TYPES)
def test_a_reader_of_the_frozen_version_1_reads_what_is_written_today(cls: type[Event]) -> None:
    frozen = json.loads((FROZEN / f"{CE_TYPES[cls]}.schema.json").read_text(encoding="utf-8"))
    value = (FROZEN / f"{CE_TYPES[cls]}.event.json").read_bytes()
    jsonschema.Draft202012Validator(frozen).validate(json.loads(encode(decode(cls, value))))


def _pruned(new: Any, old: Any) -> Any:
    """`new` without the fields that `old` did not have yet."""
    if isinstance(new, dict) and isinstance(old, dict):
        return {name: _pruned(value, old[name]) for name, value in new.items() if name in old}
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return [_pruned(*pair) for pair in zip(new, old, strict=True)]
    return new
