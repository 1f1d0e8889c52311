"""The providers' bill: the emulator's books, read from its file without any of its code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from tests.chaos.engines.jobs import number_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One request as a provider saw it; `micros` were charged for it, in millionths of a US dollar."""

    number: int
    contract: str
    model: str
    outcome: str
    status: int
    micros: int
    fault: str = ""


Bill = Mapping[int, Sequence[Item]]


def read_bill(path: Path) -> Bill:
    """All requests by the job that their prompt names.

    Raises:
        ValueError: a request without a job: nobody here sent it.
    """
    return by_job(
        Item(
            number=number_in(row["prompt"]),
            contract=row["contract"],
            model=row["model"],
            outcome=row["outcome"],
            status=row["status"],
            micros=row["micros"],
            fault=row.get("fault", ""),
        )
        for row in map(orjson.loads, path.read_bytes().splitlines())
    )


def by_job(items: Iterable[Item]) -> Bill:
    found: dict[int, list[Item]] = {}
    for item in items:
        found.setdefault(item.number, []).append(item)
    return found


def charged(items: Iterable[Item]) -> int:
    return sum(item.micros for item in items)
