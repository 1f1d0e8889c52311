"""What is wrong with an event: each fault names the field, shows the value and says the fix."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from schemas.events import PromptRef

Code = Literal["empty-value", "not-json", "unknown-type", "invalid", "headers-disagree"]

SHOWN: Final = 80
FIELD_SHOWN: Final = 200
# A dead letter carries the faults in a header and has 64 KB of room beyond the record it holds.
MOST_FAULTS: Final = 50


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong. `field` is a path such as `texts[1].role`, a header's name, or `$` for the whole."""

    field: str
    message: str
    value: str
    fix: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}; got {self.value}; {self.fix}"


class BadEvent(ValueError):
    """A record that is no event of its topic, with all its faults (the first 50 of them).

    `code` is stable: dashboards and redrive filters may rely on it. `ref` names the prompt where its
    source and id could be read from the record.
    """

    def __init__(self, code: Code, faults: Iterable[Fault], ref: PromptRef | None = None) -> None:
        self.code: Code = code
        self.faults: tuple[Fault, ...] = tuple(faults)
        self.ref: PromptRef | None = ref
        self._text: str | None = None
        super().__init__(code, self.faults, ref)

    @property
    def summary(self) -> str:
        """One line: the code, the first fault, and how many more there are."""
        more = len(self.faults) - 1
        return f"{self.code}: {self.faults[0]}" + (f" (and {more} more)" if more > 0 else "")

    def __str__(self) -> str:
        # A dead letter asks three times: for its header, its final and the log.
        if self._text is None:
            lines = [f"{self.code}: {len(self.faults)} faults", *(f"  {fault}" for fault in self.faults)]
            self._text = self.summary if len(self.faults) == 1 else "\n".join(lines)
        return self._text


def shown(value: object) -> str:
    """The value's repr in at most 80 characters, the middle left out; containers tell their length."""
    if isinstance(value, dict | list | tuple) and value:
        names = {dict: "object", list: "array", tuple: "array"}
        text = f"{names[type(value)]} of {len(value)}"
    elif isinstance(value, str | bytes) and len(value) > SHOWN:
        # Cut before repr: repr of a megabyte is a megabyte.
        unit = "bytes" if isinstance(value, bytes) else "characters"
        text = f"{value[: SHOWN - 40]!r}... ({len(value)} {unit})"
    else:
        text = repr(value)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 20]}...{text[-16:]}"


def shortened(field: str) -> str:
    """A field's path in at most 200 characters, since a producer chooses the names it sends."""
    printable = field.encode("utf-8", "backslashreplace").decode()
    return printable if len(printable) <= FIELD_SHOWN else f"{printable[: FIELD_SHOWN - 3]}..."
