"""Which engine really draws for a name, and what the registry asks of those who build engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from inference.engines.base import Engine
from inference.engines.entries import Entry


class EngineUnavailable(LookupError):
    """The engine cannot be called here and nothing stands in; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The engine that will really draw for `name`, and why it is that one.

    `model` is what a picture is asked of: two that may draw differently never share it, so it names
    the emulator where that draws, and the server where any server may be behind an engine. `asked_as` are the
    engines before it that have ended.
    """

    name: str
    entry: Entry
    model: str
    reason: str = ""
    emulated: bool = False
    asked_as: tuple[str, ...] = ()


class Local(Protocol):
    """The models on this machine, by the names of their engines (`local_sd3.LocalModels`)."""

    def missing(self, name: str) -> str | None:
        """Why none can draw for `name` here; None where one can."""
        ...

    def model(self, name: str) -> tuple[str, str]:
        """The model's name, and a reason where one stands in for another."""
        ...

    def engine(self, name: str, *, usd_per_gpu_hour: float, usd_per_cpu_hour: float) -> Engine:
        """The engine, which others may share a process with."""
        ...

    async def aclose(self) -> None:
        """Ends the process; the next engine has another."""
        ...


class Hosted(Protocol):
    """The adapters of hosted engines (`adapters.HostedEngines`)."""

    def speaks(self, adapter: str) -> bool:
        """Whether there is an adapter of that name."""
        ...

    def engine(self, entry: Entry, key: str, *, address: str | None = None) -> Engine:
        """The engine of `entry`, called with `key`, at its provider's address or another."""
        ...
