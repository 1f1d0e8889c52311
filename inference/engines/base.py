"""What an engine is: one method, and the errors it may answer with.

EngineError
├── Transient      the same call may work later
├── Refused        the provider will not draw this; another engine may
├── Unsupported    this engine cannot do what was asked; the text says what it can
└── Broken         the engine answered with something that is no picture
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from schemas.events import Spec


class EngineError(Exception):
    """A render that gave no picture."""


class Transient(EngineError):
    """Time-outs, refused connections, 5xx: the same call may work later.

    `after_s` is the provider's own wish, where it named one.
    """

    def __init__(self, message: str, *, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class Refused(EngineError):
    """The provider will not draw this prompt."""


class Unsupported(EngineError):
    """The engine cannot do what was asked: no such size, font or script."""


class Broken(EngineError):
    """The answer is no picture, or not the picture its headers claim."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Bytes as the engine gave them, and what was really used to make them.

    `used` holds what differs from the spec (a smaller size, another seed): the render's id is made
    from it. `note` is what a reader of the result should know besides. `background` and `vector` are PNG and
    SVG bytes where the engine delivers them.
    """

    data: bytes
    media_type: str
    model: str
    usd: float
    seconds: float
    emulated: bool = False
    by_construction: bool = False
    used: dict[str, str | int | float] = field(default_factory=dict)
    note: str = ""
    background: bytes | None = None
    vector: bytes | None = None


class Engine(Protocol):
    """Draws one picture. Safe to call concurrently from one event loop; never blocks it."""

    async def render(self, spec: Spec, *, background: bytes | None = None) -> Picture:
        """Draws `spec`, over `background` (PNG, sRGB) where the engine composes.

        Raises:
            EngineError: one of the four kinds above.
        """
        ...

    async def aclose(self) -> None:
        """Releases connections and processes."""
        ...


@runtime_checkable
class Keyed(Engine, Protocol):
    """An engine that can tell its server a repeated request from a new one."""

    def keyed(self, key: str) -> Engine:
        """This engine, sending `key` (the render id) with the request; closing it is this one's matter."""
        ...
