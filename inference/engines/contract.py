"""What a provider's API is to us: two pure functions, one to ask and one to read the answer."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, Protocol, TypeVar

import msgspec
from msgspec import Meta

from inference.engines.base import Unsupported
from inference.engines.entries import Field
from inference.engines.transport import Answer
from schemas.events import Spec

Provider = Literal["google", "openai", "ideogram", "stability"]
Used = dict[str, str | int | float]

NOT_JSON: Final = "not-json"
# A shape may be rounded to multiples of 16 pixels: 1344x768 is meant as 16:9.
RATIO_TOLERANCE: Final = 0.02
# A thousand brackets in a row are a RecursionError.
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# A megabyte of `{},` is forty of Python objects. Base64 has none of these bytes, and a prompt few.
MOST_PARTS: Final = 100_000
_PARTS: Final = (b",", b"{", b"[")
_MOST_TOKENS: Final = 1_000_000
# What is said of a picture whose price is by tokens, and nobody can tell how many.
UNCOUNTED: Final = "its tokens are not told in a way that can be read, so it is booked at its list price"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What goes over the wire, less the key; `width` and `height` (pixels) are what is paid for.

    `used` says what is done otherwise than the spec says, in the words of `Picture.used`.
    """

    path: str
    body: bytes = field(repr=False)
    width: int
    height: int
    content_type: str = "application/json"
    used: Used = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A picture: its bytes, or the address where they lie.

    `media_type` is the provider's claim, empty where it makes none. `usd` is None where the answer names no
    price; `used` joins the request's.
    """

    data: bytes = field(default=b"", repr=False)
    url: str = field(default="", repr=False)
    media_type: str = ""
    usd: float | None = None
    used: Used = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an answer without a picture says.

    `words` are the machine-readable ones (codes, reasons), `message` is for people. `again` is False where
    the provider says that the same call is of no use. `usd` is what the answer says that it cost, None where
    it says nothing.
    """

    status: int
    words: tuple[str, ...] = ()
    message: str = ""
    after_s: float | None = None
    again: bool = True
    usd: float | None = None


class Contract(Protocol):
    """One API, as it is spoken for one registry entry."""

    provider: Provider
    address: str
    # The header that names our own id of a request, where the API takes one.
    id_header: str

    def key_headers(self, key: str) -> dict[str, str]:
        """The headers that carry the key."""
        ...

    def request(self, spec: Spec) -> Request:
        """The request that draws `spec`.

        Raises:
            Unsupported: the API has no such size, or takes no prompt of this length.
        """
        ...

    def read(self, answer: Answer) -> Found | Told:
        """What `answer` brings: the picture, or why there is none. Never raises for any bytes."""
        ...


Shape = TypeVar("Shape")
# Tokens as an answer counts them; more are no count.
Count = Annotated[int, Meta(ge=0, le=_MOST_TOKENS)]


def decoded(answer: Answer, shape: type[Shape]) -> Shape | Told:
    """The answer's JSON as `shape`; where it is none, or too much of it, what stands for it."""
    if sum(map(answer.body.count, _PARTS)) > MOST_PARTS:
        return Told(status=answer.status, words=("shape",), message=f"it has more than {MOST_PARTS} parts")
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except msgspec.ValidationError as error:
        return Told(status=answer.status, words=("shape",), message=str(error))
    except _UNREADABLE:
        return Told(status=answer.status, words=(NOT_JSON,))


def counted(raw: msgspec.Raw, shape: type[Shape]) -> Shape | None:
    """The count of tokens that an answer tells as `shape`; None where it tells none that can be read.

    What is paid for never depends on it, so its shape is looked at apart.
    """
    try:
        return msgspec.json.decode(raw, type=shape | None) if bytes(raw) else None
    except _UNREADABLE:
        return None


def text_in(value: object) -> str:
    """`value` where it is a text, else ""."""
    return value if isinstance(value, str) else ""


def seed_in(value: object) -> Used:
    """The seed that an answer tells, where it is one."""
    is_seed = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32
    return {"seed": value} if isinstance(value, int) and is_seed else {}


def object_in(answer: Answer) -> dict[str, object] | None:
    """The answer's JSON object, whatever its shape; None where it is none."""
    try:
        value = msgspec.json.decode(answer.body)
    except _UNREADABLE:
        return None
    return value if isinstance(value, dict) else None


def texts_in(value: Mapping[str, object], *names: str) -> tuple[str, ...]:
    """The members of these names that are texts or numbers, as texts."""
    found = (value.get(name) for name in names)
    return tuple(str(item) for item in found if isinstance(item, (str, int)) and item != "")


def mapping_in(value: Mapping[str, object], name: str) -> Mapping[str, object]:
    """The object that is the member `name`; an empty one where there is none."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def mappings_in(value: Mapping[str, object], name: str) -> tuple[Mapping[str, object], ...]:
    """The objects in the list that is the member `name`."""
    found = value.get(name)
    return tuple(item for item in found if isinstance(item, dict)) if isinstance(found, list) else ()


def unsent(spec: Spec, fields: Collection[Field]) -> Used:
    """What of `spec` an API that takes `fields` cannot be told."""
    names: tuple[Field, ...] = ("seed", "steps", "guidance")
    left = [name for name in names if name not in fields and getattr(spec, name) is not None]
    if "sampler" not in fields and spec.sampler != "euler":
        left.append("sampler")
    used: Used = {"not_sent": ", ".join(left)} if left else {}
    if spec.negative_prompt and "negative_prompt" not in fields:
        used["negative_prompt"] = ""
    return used


def check_length(engine: str, prompt: str, most: int) -> None:
    """Raises:
    Unsupported: the prompt has more than `most` characters; cut, it would lose its texts in silence.
    """
    if len(prompt) > most:
        raise Unsupported(f"{engine}: prompt: at most {most} characters; got {len(prompt)}; shorten it")


def ratio_of(width: int, height: int, known: Iterable[str]) -> str | None:
    """The one of `known` ("3:4", "3x4", "ASPECT_3_4") that is `width` x `height` within 2 %, or None."""
    wanted = width / height
    off = {name: abs(_ratio(name) / wanted - 1) for name in known}
    best = min(off, key=off.__getitem__)
    return best if off[best] <= RATIO_TOLERANCE else None


def no_such_size(engine: str, spec: Spec, known: Iterable[str], *, most: str = "") -> Unsupported:
    """The error for a size that an API does not draw; it lists what there is."""
    limit = f", {most} at most" if most else ""
    return Unsupported(f"{engine}: draws no {spec.width}x{spec.height}; it draws {', '.join(known)}{limit}")


def _ratio(name: str) -> float:
    wide, high = re.findall(r"\d+", name)
    return int(wide) / int(high)
