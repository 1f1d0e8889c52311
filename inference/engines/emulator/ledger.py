"""The emulator's own books: every request it read, what became of it and what was charged."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

Outcome = Literal[
    "image",
    "withheld",
    "no_image",
    "refused_prompt",
    "quoted",
    "auth",
    "quota",
    "rate",
    "gone",
    "invalid",
    "failed",
    "hung_up",
]
# An accepted request reached the model.
ACCEPTED: frozenset[str] = frozenset({"image", "withheld", "no_image"})
# Of all contracts only our own: no hosted provider documents an idempotency key for pictures.
HONOURS_KEYS: frozenset[str] = frozenset({"render"})


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `micros` is what was charged, in millionths of a US dollar; `at` is Unix seconds.

    `fault` is what was scripted to happen to it. `repeat_of` is the id of the request that an idempotency key
    answered for, where the contract honours one: such a row costs nothing.
    """

    number: int
    at: float
    id: str
    contract: str
    outcome: Outcome
    status: int
    model: str = ""
    prompt: str = ""
    images: int = 0
    micros: int = 0
    seed: int | None = None
    fault: str = ""
    idempotency_key: str = ""
    repeat_of: str = ""


class Ledger:
    """Rows in order. With a `path` each is appended there as a line of JSON before its answer leaves.

    What a file holds already is read first, so that a killed emulator's books go on; a line that the kill cut
    short is dropped.
    """

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives Unix seconds."""
        self._path = path
        self._clock = clock
        self._rows: list[Row] = []
        self._keys: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()
        if path is not None and path.exists():
            self._resume(path)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> tuple[Row, ...]:
        with self._lock:
            return tuple(self._rows)

    @property
    def charged_micros(self) -> int:
        """All that was charged, in millionths of a US dollar."""
        return sum(row.micros for row in self.rows)

    def write(
        self,
        *,
        id: str,
        contract: str,
        outcome: Outcome,
        status: int,
        model: str = "",
        prompt: str = "",
        images: int = 0,
        micros: int = 0,
        seed: int | None = None,
        fault: str = "",
        key: str = "",
    ) -> Row:
        """Adds a row. Where the contract honours keys, one whose `key` was accepted before costs nothing."""
        with self._lock:
            first = self._keys.get((contract, key), "")
            row = Row(
                number=len(self._rows) + 1,
                at=self._clock(),
                id=id,
                contract=contract,
                outcome=outcome,
                status=status,
                model=model,
                prompt=prompt,
                images=images,
                micros=0 if first else micros,
                seed=seed,
                fault=fault,
                idempotency_key=key,
                repeat_of=first,
            )
            self._note_key(row)
            if self._path is not None:
                with self._path.open("ab") as file:
                    file.write(msgspec.json.encode(row) + b"\n")
            self._rows.append(row)
        return row

    def _note_key(self, row: Row) -> None:
        if row.contract in HONOURS_KEYS and row.idempotency_key and row.outcome in ACCEPTED:
            self._keys.setdefault((row.contract, row.idempotency_key), row.id)

    def _resume(self, path: Path) -> None:
        for row in read_ledger(path):
            self._rows.append(row)
            self._note_key(row)
        whole = path.read_bytes().rpartition(b"\n")
        path.write_bytes(whole[0] + whole[1])

    def told(self, after: int = 0) -> dict[str, object]:
        """What `GET /__ledger` says: the sums over all rows, and the rows numbered above `after`."""
        rows = self.rows
        micros: dict[str, int] = defaultdict(int)
        counts: dict[str, int] = defaultdict(int)
        for row in rows:
            micros[row.contract] += row.micros
            counts[row.outcome] += 1
        return {
            "charged_micros": sum(micros.values()),
            "by_contract": dict(micros),
            "by_outcome": dict(counts),
            "rows": [msgspec.to_builtins(row) for row in rows[after:]],
        }


def read_ledger(path: Path) -> tuple[Row, ...]:
    """The rows of a file that a ledger wrote; a last line that a crash cut short is left out."""
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    return tuple(msgspec.json.decode(line, type=Row) for line in lines[:-1] if line)
