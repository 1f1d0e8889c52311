"""One finding of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "absent", "broken"]


@dataclass(frozen=True, slots=True)
class Check:
    """`absent` is worth knowing, `broken` keeps the line from working; `fix` is the way out of both."""

    name: str
    state: State
    detail: str
    fix: str = ""
