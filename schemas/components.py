"""JSON Schemas as msgspec makes them, brought into an order that does not change from run to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson


def components(classes: Sequence[type], ref_template: str) -> dict[str, Any]:
    """The schemas of the classes and of all they hold, by name, in the order of the alphabet."""
    _, found = msgspec.json.schema_components(classes, ref_template=ref_template)
    plain: dict[str, Any] = orjson.loads(orjson.dumps(found))
    return dict(sorted(plain.items()))
