"""The checked-in contracts, made from the code: `python -m schemas.jsonschema --write` or `--check`.

JSON Schema 2020-12, one file a type under `json/`, and `asyncapi.yaml`.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from schemas import asyncapi
from schemas.components import components
from schemas.examples import EXAMPLES
from schemas.wire import CE_TYPES, encode

HERE: Final = Path(__file__).parent
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema(cls: type) -> dict[str, Any]:
    """The JSON Schema of one event. Its `$id` is the `ce_type` as a URN."""
    found = components([cls], "#/$defs/{name}")
    own = found.pop(cls.__name__)
    return {
        "$schema": DIALECT,
        "$id": "urn:" + CE_TYPES[cls].replace(".", ":"),
        **own,
        "examples": [orjson.loads(encode(EXAMPLES[cls]))],
        **({"$defs": found} if found else {}),
    }


def files() -> dict[str, str]:
    """Every checked-in contract: path relative to this package, and its text."""
    made = {
        f"json/{name}.json": json.dumps(schema(cls), indent=2, ensure_ascii=False) + "\n"
        for cls, name in CE_TYPES.items()
    }
    return {**made, "asyncapi.yaml": asyncapi.text()}


def differences(folder: Path = HERE) -> list[str]:
    """A unified diff for each file under `folder` that is not what the code makes."""
    found = []
    for name, text in files().items():
        path = folder / name
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        if there != text:
            lines = difflib.unified_diff(
                there.splitlines(), text.splitlines(), name, f"{name} (code)", lineterm=""
            )
            found.append("\n".join(lines))
    made = {folder / name for name in files()}
    found += [
        f"{path.name}: no type has this schema" for path in (folder / "json").glob("*") if path not in made
    ]
    return found


def write(folder: Path = HERE) -> None:
    for name, text in files().items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when the files are as the code makes them, 1 when they differ."""
    parser = argparse.ArgumentParser(prog="python -m schemas.jsonschema", description=__doc__)
    verb = parser.add_mutually_exclusive_group(required=True)
    verb.add_argument("--write", action="store_true", help="make the files anew")
    verb.add_argument("--check", action="store_true", help="say how they differ from the code")
    if parser.parse_args(arguments).write:
        write()
        return 0
    found = differences()
    if found:
        sys.stderr.write("\n".join([*found, "Run `python -m schemas.jsonschema --write`.", ""]))
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
