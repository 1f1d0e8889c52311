"""What an engine is: one method, and the errors it may answer with.

EngineError
├── Transient      the same call may work later
├── Refused        the provider will not draw this; another engine may
├── Unsupported    this engine cannot do what was asked; the text says what it can
├── Broken         the engine answered with something that is no picture
└── Uncertain      it may have drawn and charged; nobody here knows

Beside its class an error has a `kind`, the taxonomy that the ledger, the breaker and the metrics count by.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, runtime_checkable

from schemas.events import Spec

# auth           the key is missing, wrong or not allowed to: nothing works until a person acts
# quota          no credit or no more of today's quota: later, by the provider's clock
# rate           too fast: later, by the provider's wish; no attempt of the prompt's
# refused_prompt the provider will not draw this prompt
# refused_output it drew and withholds the picture
# no_image       it says that all went well, and sent no picture
# gone           the model or the address is no more
# invalid        the request is wrong: it will be wrong again
# unknown        sent, and no answer: it may have been drawn and charged
# transient      the provider's trouble, or no connection
# unclear        an answer in a shape that nobody has told us of
Kind = Literal[
    "auth",
    "quota",
    "rate",
    "refused_prompt",
    "refused_output",
    "no_image",
    "gone",
    "invalid",
    "unknown",
    "transient",
    "unclear",
]
Billed = Literal["never", "billed", "unknown"]


class EngineError(Exception):
    """A render that gave no picture. `billed` says whether it is paid for all the same.

    `usd` is what it cost, where the answer says so. `request_id` is the provider's own name for the call.
    """

    default_kind: ClassVar[Kind] = "unclear"

    def __init__(
        self,
        message: str,
        *,
        kind: Kind | None = None,
        billed: Billed = "never",
        usd: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.kind: Kind = kind or self.default_kind
        self.billed: Billed = billed
        self.usd = usd
        self.request_id = request_id


class Transient(EngineError):
    """Refused connections, too many requests, 5xx: the same call may work later.

    `after_s` is the provider's own wish, where it named one. `usd_unknown` may have been charged for the job
    already, if it is not tried again.
    """

    default_kind = "transient"

    def __init__(
        self,
        message: str,
        *,
        kind: Kind | None = None,
        billed: Billed = "never",
        usd: float | None = None,
        request_id: str = "",
        after_s: float | None = None,
        usd_unknown: float = 0.0,
    ) -> None:
        super().__init__(message, kind=kind, billed=billed, usd=usd, request_id=request_id)
        self.after_s = after_s
        self.usd_unknown = usd_unknown


class Refused(EngineError):
    """The provider will not draw this prompt, or withholds what it drew."""

    default_kind = "refused_prompt"


class Unsupported(EngineError):
    """The engine cannot do what was asked: no such size, font or script; or not here: no key, no model."""

    default_kind = "invalid"


class Broken(EngineError):
    """The answer is no picture, or not the picture its headers claim."""

    default_kind = "unclear"


class Uncertain(EngineError):
    """The request may have been carried out and charged. Sent again, it may be charged twice."""

    default_kind = "unknown"


@dataclass(frozen=True, slots=True)
class Picture:
    """Bytes as the engine gave them, and what was really used to make them.

    `used` holds what differs from the spec (a smaller size, another seed): the render's id is made
    from it. `note` is what a reader of the result should know besides. `background` and `vector` are PNG and
    SVG bytes where the engine delivers them. `request_id` is the provider's own name for the call.
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
    request_id: str = ""
    background: bytes | None = None
    vector: bytes | None = None


Leaving = Callable[[], Awaitable[None]]


class Engine(Protocol):
    """Draws one picture. Safe to call concurrently from one event loop; never blocks it."""

    async def render(self, spec: Spec, *, background: bytes | None = None) -> Picture:
        """Draws `spec`, over `background` (PNG, sRGB) where the engine composes.

        Raises:
            EngineError: one of the five classes above.
        """
        ...

    async def aclose(self) -> None:
        """Releases connections and processes."""
        ...


@runtime_checkable
class Keyed(Engine, Protocol):
    """An engine that can tell its server a repeated request from a new one.

    `honours_key`: whether the server then draws and charges once, however often it is asked.
    """

    @property
    def honours_key(self) -> bool: ...

    def keyed(self, key: str, leaving: Leaving | None = None) -> Engine:
        """This engine, sending `key` with the request; closing it is this one's matter.

        `leaving` is awaited when all is ready, right before the request leaves: its errors come out of
        `render`, and then nothing was sent.
        """
        ...
