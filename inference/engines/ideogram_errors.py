"""What both of Ideogram's APIs share: errors, addresses that expire, pictures withheld when drawn."""

from __future__ import annotations

from typing import Final

import msgspec

from inference.engines.contract import NOT_JSON, Found, Told, Used, object_in, seed_in, texts_in
from inference.engines.signals import header_delay_s
from inference.engines.transport import Answer

ADDRESS: Final = "https://api.ideogram.ai"
LARGEST_SEED: Final = 2**31 - 1


class Picture(msgspec.Struct, frozen=True):
    """One drawn picture; `url` is null or empty where it is withheld."""

    url: str | None = None
    prompt: object = None
    seed: object = None
    is_image_safe: bool | None = None


def seed_for(seed: int) -> int:
    """`seed` where Ideogram takes it, else its lower 31 bits."""
    return seed & LARGEST_SEED


def found_in(pictures: tuple[Picture, ...] | None) -> Found | Told:
    """The first picture, with what the provider says of it."""
    if not pictures:
        return Told(status=200, words=("no-data",))
    first = pictures[0]
    if first.is_image_safe is False:
        return Told(status=200, words=("is_image_safe=false",))
    if not first.url:
        return Told(status=200, words=("no-url",))
    told: Used = {"prompt": first.prompt} if isinstance(first.prompt, str) else {}
    return Found(url=first.url, used={**told, **seed_in(first.seed)})


def told_by(answer: Answer) -> Told:
    """What an answer with an error status says. A 429 names no moment to come back, unless in the header."""
    value = object_in(answer)
    after_s = header_delay_s(answer.headers)
    if value is None:
        return Told(status=answer.status, words=(NOT_JSON,), after_s=after_s)
    return Told(
        status=answer.status,
        words=texts_in(value, "reject_reason"),
        message=" ".join(texts_in(value, "error", "message", "detail")),
        after_s=after_s,
    )
