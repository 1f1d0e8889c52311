"""A provider that charges for each request and remembers it: a file that only grows, and outlives a kill."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from inference.engines.ledger import Answer, Row


@dataclass(frozen=True)
class Provider:
    """`file` has a line for each charge: the call's job and what it cost, in micro-dollars."""

    file: Path

    def draw(self, row: Row, micros: int) -> str:
        """The id under which it remembers the picture."""
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, f"{row.job} {micros}\n".encode())
        os.close(descriptor)
        return row.job

    def charges(self) -> list[tuple[str, int]]:
        lines = self.file.read_text("ascii").splitlines() if self.file.exists() else []
        return [(job, int(micros)) for job, micros in (line.split() for line in lines)]

    def times_charged(self) -> Counter[str]:
        return Counter(job for job, _ in self.charges())

    def look_up(self, row: Row) -> Answer:
        """What became of a call: drawn, or never seen."""
        for job, micros in self.charges():
            if job == row.job:
                return Answer.image(f"file:///{job}.png", micros)
        return Answer(outcome="failed", micros=0, kind="unknown", billed="never", reason="never seen")
