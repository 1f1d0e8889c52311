"""What a provider's contract is to the emulator: how it reads a request, and how it words every answer."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

import orjson

# turned away before the model runs
Turn = Literal["auth", "quota", "rate", "refuse_prompt", "gone", "server_error", "overloaded", "hang_up"]
# the model ran, and no picture comes
Barren = Literal["withhold", "no_image"]
# there is a picture, and something happens to it on the way
Spoilt = Literal[
    "lost", "bad_gateway", "cut", "slow", "endless", "html", "truncated", "cmyk", "wrong_type", "picture_gone"
]  # fmt: skip
Fault = Literal[Turn, Barren, Spoilt]
TURNS: frozenset[str] = frozenset(get_args(Turn))
BARREN: frozenset[str] = frozenset(get_args(Barren))

JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request off the wire. Header names are in lower case.

    `base` is the address it came to, without a path; `now` is Unix seconds.
    """

    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base: str
    now: float


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, whole. Content-Type is `media_type`."""

    status: int
    body: bytes
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a valid request asks for, in no provider's words.

    `micros` is the published price of all its images, in millionths of a US dollar, and `thought_micros` that
    of a token of thinking, where it is charged for. `by_url`: the answer
    carries addresses instead of bytes. `quote`: only the price is wanted. `polled`: it can be asked for by
    its id afterwards; `later`: the answer is that id alone. `seed` is None where the request names none.
    """

    model: str
    prompt: str
    width: int
    height: int
    micros: int
    thought_micros: int = 0
    seed: int | None = None
    images: int = 1
    media_type: str = "image/png"
    by_url: bool = False
    quote: bool = False
    later: bool = False
    polled: bool = False
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of an order: its bytes, or where they can be fetched."""

    seed: int
    data: bytes = b""
    media_type: str = "image/png"
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the answer may tell of the request itself; `now` is Unix seconds."""

    id: str
    now: float
    charged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A fault to be worded. `reason` picks one of the provider's own words, `status` another HTTP status,
    `after_s` the wait it asks for; each has the provider's usual value where it is not set."""

    fault: Fault
    reason: str = ""
    status: int | None = None
    after_s: float | None = None


class Turned(Exception):
    """The request is not carried out: `answer` says why in the provider's words, `outcome` in ours."""

    def __init__(self, outcome: Literal["auth", "gone", "invalid"], answer: Answer) -> None:
        super().__init__(f"{outcome}: {answer.status}")
        self.outcome = outcome
        self.answer = answer


class Contract(Protocol):
    """One provider's words. Pure: the same request is read the same, and nothing is remembered.

    `bills_withheld` says whether a run without a picture to show is charged for; `ends` names the day from
    which a model is no more; `keeps_s` is how long a picture stays at its address.
    """

    name: str
    bills_withheld: bool
    ends: Mapping[str, dt.date]
    keeps_s: float

    def order(self, asked: Asked, /) -> Order:
        """Reads and validates.

        Raises:
            Turned: no key, no such model, or a field that the provider rejects.
        """
        ...

    def done(self, order: Order, shots: Sequence[Shot], receipt: Receipt, /) -> Answer:
        """The answer with pictures."""
        ...

    def without(self, order: Order | None, trouble: Trouble, receipt: Receipt, /) -> Answer:
        """The answer without a picture; `order` is None where the request was not read that far."""
        ...


def json_answer(status: int, value: object, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, orjson.dumps(value), headers=headers or {})


def bearer(asked: Asked) -> str:
    """The token of `Authorization: Bearer`, empty where there is none."""
    scheme, _, token = asked.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def tokens_in(text: str) -> int:
    """Our estimate of a text's tokens: no provider's tokenizer is at hand."""
    return max(1, (len(text.encode()) + 3) // 4)


def opaque(*parts: object) -> str:
    """An id that looks like nothing, and is the same for the same parts."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:22]
