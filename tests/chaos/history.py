"""What was done to the system and when, one JSON object a line; a run that is interrupted goes on from it."""

from __future__ import annotations

import collections
import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path


class History:
    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, kind: str, target: str = "", **facts: object) -> None:
        line = {"at": dt.datetime.now(dt.UTC).isoformat(), "kind": kind, "target": target, **facts}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def lines(self) -> Iterator[dict[str, str]]:
        """Without a last line that was cut short."""
        if self._path.exists():
            for text in self._path.read_text("utf-8").splitlines():
                try:
                    yield json.loads(text)
                except json.JSONDecodeError:
                    continue

    def counts(self) -> collections.Counter[str]:
        return collections.Counter(line["kind"] for line in self.lines())

    def seconds(self) -> float:
        """Time under way, all sessions together."""
        total = 0.0
        begun = last = None
        for line in self.lines():
            at = dt.datetime.fromisoformat(line["at"])
            if line["kind"] == "session":
                total += (last - begun).total_seconds() if begun and last else 0.0
                begun = at
            last = at
        return total + ((last - begun).total_seconds() if begun and last else 0.0)
