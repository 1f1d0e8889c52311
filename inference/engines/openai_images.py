"""OpenAI's image generations: DALL·E 3 as it was, and the gpt-image models; research page A3."""

from __future__ import annotations

from typing import Final

import msgspec
import orjson

from inference.engines.contract import (
    NOT_JSON,
    UNCOUNTED,
    Count,
    Found,
    Provider,
    Request,
    Told,
    Used,
    check_length,
    counted,
    decoded,
    mapping_in,
    object_in,
    text_in,
    texts_in,
    unsent,
)
from inference.engines.entries import Entry, TokenPrices
from inference.engines.signals import header_delay_s
from inference.engines.transport import Answer
from schemas.events import Spec

_MOST_CHARACTERS: Final = 32_000
_MOST_CHARACTERS_DALLE: Final = 4_000


class _Picture(msgspec.Struct, frozen=True):
    b64_json: bytes | None = None
    url: str | None = None
    revised_prompt: object = None


class _Details(msgspec.Struct, frozen=True):
    image_tokens: Count | None = None


class _Usage(msgspec.Struct, frozen=True):
    input_tokens: Count
    output_tokens: Count
    input_tokens_details: _Details | None = None

    def usd(self, prices: TokenPrices) -> float:
        """Dollars; input that nobody says to be a picture's is text."""
        told = (self.input_tokens_details.image_tokens if self.input_tokens_details else 0) or 0
        of_images = min(told, self.input_tokens)
        return prices.usd(
            text_in=self.input_tokens - of_images, image_in=of_images, image_out=self.output_tokens
        )


class _Answer(msgspec.Struct, frozen=True):
    data: tuple[_Picture, ...] | None = None
    output_format: object = None
    usage: msgspec.Raw = msgspec.Raw()


class OpenAIImages:
    """Neither seed nor negative prompt. Fields differ by family: one too many is a 400."""

    provider: Provider = "openai"
    address = "https://api.openai.com"
    # For their logs, to ask them what became of a request; it does not keep a second one from being drawn.
    id_header = "X-Client-Request-Id"

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._is_dalle = entry.model.startswith("dall-e")

    def key_headers(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"}

    def request(self, spec: Spec) -> Request:
        most = _MOST_CHARACTERS_DALLE if self._is_dalle else _MOST_CHARACTERS
        check_length(self._entry.name, spec.prompt, most)
        body = {
            "model": self._entry.model,
            "prompt": spec.prompt,
            "n": 1,
            "size": f"{spec.width}x{spec.height}",
            **({"quality": self._entry.quality} if self._entry.quality else {}),
            # An address lives for an hour; bytes are here at once.
            **({"response_format": "b64_json"} if self._is_dalle else {"output_format": "png"}),
        }
        return Request(
            path="/v1/images/generations",
            body=orjson.dumps(body),
            width=spec.width,
            height=spec.height,
            used=unsent(spec, ()),
        )

    def read(self, answer: Answer) -> Found | Told:
        if answer.status != 200:
            return _told_by(answer)
        value = decoded(answer, _Answer)
        if isinstance(value, Told):
            return value
        first = value.data[0] if value.data else _Picture()
        usage, prices = counted(value.usage, _Usage), self._entry.price.per_million_tokens
        usd = usage.usd(prices) if usage and prices else None
        if not first.b64_json and not first.url:
            return Told(status=200, words=("no-data",), usd=usd)
        # A picture of no tokens is a count that was left out, not a picture for nothing.
        is_counted = usage is not None and usage.output_tokens > 0
        kind = text_in(value.output_format)
        return Found(
            data=first.b64_json or b"",
            url="" if first.b64_json else first.url or "",
            media_type=f"image/{kind}" if kind else "",
            usd=usd if is_counted else None,
            used=_used(first, usage),
            note=UNCOUNTED if prices and not is_counted else "",
        )


def _used(picture: _Picture, usage: _Usage | None) -> Used:
    revised = text_in(picture.revised_prompt)
    used: Used = {"prompt": revised} if revised else {}
    if usage:
        used |= {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    return used


def _told_by(answer: Answer) -> Told:
    value = object_in(answer)
    after_s = header_delay_s(answer.headers)
    again = answer.headers.get("x-should-retry", "").lower() != "false"
    if value is None:
        return Told(status=answer.status, words=(NOT_JSON,), after_s=after_s, again=again)
    error = mapping_in(value, "error")
    stages = texts_in(mapping_in(error, "moderation_details"), "moderation_stage")
    return Told(
        status=answer.status,
        words=(*texts_in(error, "code", "type"), *(f"moderation_stage={stage}" for stage in stages)),
        message=" ".join(texts_in(error, "message")),
        after_s=after_s,
        again=again,
    )
