"""OpenAI `/v1/images/generations`: the retired DALL·E 3, and the GPT image models, billed by tokens."""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inference.engines.emulator.contracts.base import (
    Answer,
    Asked,
    Order,
    Receipt,
    Shot,
    Trouble,
    Turned,
    bearer,
    json_answer,
    tokens_in,
)
from inference.engines.emulator.contracts.fields import Fields, Kind, Wrong, json_fields

# millionths of a dollar: DALL·E 3 a picture by quality and by whether it is square
DALLE = {
    ("standard", True): 40_000,
    ("standard", False): 80_000,
    ("hd", True): 80_000,
    ("hd", False): 120_000,
}
TEXT_MICROS = 5
SQUARE = 1024 * 1024
_DALLE_SIZES = {"1024x1024", "1792x1024", "1024x1792"}
_FIRST_SIZES = {"1024x1024", "1536x1024", "1024x1536"}
_MEDIA = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
_DALLE_FIELDS = {"prompt", "model", "n", "size", "quality", "style", "response_format", "user"}
_GPT_FIELDS = {
    "prompt", "model", "n", "size", "quality", "output_format", "output_compression", "background",
    "moderation", "stream", "partial_images", "user", "safety_identifier",
}  # fmt: skip
_CODES: Mapping[Kind, str] = {
    "missing": "missing_required_parameter",
    "type": "invalid_type",
    "value": "invalid_value",
    "unknown": "unknown_parameter",
    "unsupported": "unknown_parameter",
}


@dataclass(frozen=True, slots=True)
class Gpt:
    """Output tokens of a picture of 1024x1024 by quality, and millionths of a dollar for one of them."""

    tokens: Mapping[str, int]
    micros: int = 30
    any_size: bool = True
    auto: str = "high"


# Tokens of gpt-image-2 and 2.5: the published price of a 1024x1024 picture over 30 dollars a million.
GPT = {
    "gpt-image-1": Gpt({"low": 272, "medium": 1056, "high": 4160}, 40, any_size=False),
    "gpt-image-2": Gpt({"low": 200, "medium": 1767, "high": 7033}),
    "gpt-image-2.5-flare": Gpt({"low": 197, "medium": 440, "high": 1757, "xhigh": 3123, "max": 7023}),
}


class OpenAIImages:
    """Fields: openai/openai-openapi for DALL·E 3, openai-python 3.54.0 for the GPT image models."""

    name = "openai_images"
    bills_withheld = False
    ends: Mapping[str, dt.date] = {
        "dall-e-3": dt.date(2026, 5, 12),
        "gpt-image-1": dt.date(2026, 10, 23),
    }
    keeps_s = 3600.0

    def order(self, asked: Asked) -> Order:
        if not bearer(asked):
            message = "You didn't provide an API key: send it as Authorization: Bearer KEY."
            raise Turned("auth", error(401, message, "invalid_request_error"))
        try:
            body = json_fields(asked.body)
            model = body.text("model") if "model" in body else "dall-e-2"
            if model == "dall-e-3":
                return _dalle(body)
            if model not in GPT:
                raise Turned("gone", _no_model(model, 404))
            return _gpt(model, body)
        except Wrong as wrong:
            message = f"{_SAID[wrong.kind]}: '{wrong.field}'. It {wrong.why}."
            kind = "invalid_request_error"
            raise Turned("invalid", error(400, message, kind, _CODES[wrong.kind], wrong.field)) from wrong

    def done(self, order: Order, shots: Sequence[Shot], receipt: Receipt) -> Answer:
        told: dict[str, object] = {
            "created": int(receipt.now),
            "data": [_image(order, shot) for shot in shots],
        }
        return json_answer(200, told | _usage(order, receipt), _headers(receipt))

    def without(self, order: Order | None, trouble: Trouble, receipt: Receipt) -> Answer:
        answer = _trouble(order, trouble, receipt)
        return Answer(answer.status, answer.body, headers={**answer.headers, **_headers(receipt)})


_SAID: Mapping[Kind, str] = {
    "missing": "Missing required parameter",
    "type": "Invalid type for",
    "value": "Invalid value for",
    "unknown": "Unknown parameter",
    "unsupported": "Unknown parameter",
}


def error(
    status: int,
    message: str,
    kind: str,
    code: str | None = None,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, object] | None = None,
) -> Answer:
    told = {"message": message, "type": kind, "param": param, "code": code, **(more or {})}
    return json_answer(status, {"error": told}, headers)


def _trouble(order: Order | None, trouble: Trouble, receipt: Receipt) -> Answer:
    model = order.model if order else ""
    match trouble.fault:
        case "auth":
            message = "Incorrect API key provided."
            return error(trouble.status or 401, message, "invalid_request_error", "invalid_api_key")
        case "rate":
            wait = 12.0 if trouble.after_s is None else trouble.after_s
            headers = {"retry-after-ms": str(round(wait * 1000)), "retry-after": f"{wait:g}"}
            message = f"Rate limit reached for {model} on images per minute: Limit 5, Used 5."
            return error(429, message, "input-images", "rate_limit_exceeded", None, headers)
        case "quota":
            message = "You exceeded your current quota, please check your plan and billing details."
            return error(429, message, "insufficient_quota", "insufficient_quota")
        case "gone":
            return _no_model(model, trouble.status or 404)
        case "refuse_prompt" | "withhold" if model == "dall-e-3":
            message = "Your request was rejected by our safety system."
            return error(400, message, "invalid_request_error", "content_policy_violation")
        case "refuse_prompt" | "withhold":
            violations = f"safety_violations=[{trouble.reason or 'violence'}]"
            message = f"Your request was rejected by the safety system. {violations}."
            stage = "output" if trouble.fault == "withhold" else "input"
            details = {"moderation_details": {"moderation_stage": stage}}
            return error(400, message, "image_generation_user_error", "moderation_blocked", more=details)
        case "overloaded":
            return error(trouble.status or 503, "The engine is currently overloaded.", "server_error")
        case "no_image" if order is not None:
            return json_answer(200, {"created": int(receipt.now), "data": [], **_usage(order, receipt)})
        case _:
            return error(trouble.status or 500, "The server had an error.", "server_error")


def _no_model(model: str, status: int) -> Answer:
    message = f"The model '{model}' does not exist or you do not have access to it."
    return error(status, message, "invalid_request_error", "model_not_found")


def _headers(receipt: Receipt) -> dict[str, str]:
    return {"x-request-id": f"req_{receipt.id}"}


def _image(order: Order, shot: Shot) -> dict[str, object]:
    revised = {"revised_prompt": order.prompt} if order.model == "dall-e-3" else {}
    if order.by_url:
        return {"url": shot.url, **revised}
    return {"b64_json": base64.b64encode(shot.data).decode(), **revised}


def _usage(order: Order, receipt: Receipt) -> dict[str, object]:
    if order.model == "dall-e-3":
        return {}
    # What is not charged for is not counted either.
    words = tokens_in(order.prompt) if receipt.charged else 0
    charged = int(str(order.options["tokens"])) * order.images if receipt.charged else 0
    told = {name: order.options[name] for name in ("background", "output_format", "quality", "size")}
    details = {"text_tokens": words, "image_tokens": 0}
    usage = {
        "input_tokens": words,
        "input_tokens_details": details,
        "output_tokens": charged,
        "total_tokens": words + charged,
    }
    return {**told, "usage": usage}


def _dalle(body: Fields) -> Order:
    body.only(_DALLE_FIELDS, _GPT_FIELDS)
    if body.whole("n", 1, 10, 1) != 1:
        raise Wrong("value", "n", "must be 1 for dall-e-3")
    size = body.one_of("size", _DALLE_SIZES, "1024x1024")
    quality = body.one_of("quality", {"standard", "hd"}, "standard")
    body.one_of("style", {"vivid", "natural"}, "vivid")
    width, height = _pair(size)
    return Order(
        model="dall-e-3",
        prompt=body.text("prompt", longest=4_000),
        width=width,
        height=height,
        micros=DALLE[quality, width == height],
        by_url=body.one_of("response_format", {"url", "b64_json"}, "url") == "url",
    )


def _gpt(model: str, body: Fields) -> Order:
    drawer = GPT[model]
    body.only(_GPT_FIELDS, _DALLE_FIELDS)
    images = body.number("n", 1, 10)
    media = body.one_of("output_format", _MEDIA, "png")
    background = body.one_of("background", {"transparent", "opaque", "auto"}, "auto")
    body.one_of("moderation", {"low", "auto"}, "auto")
    if body.flag("stream") or "partial_images" in body:
        raise Wrong("value", "stream", "must be false: the emulator does not stream")
    if body.whole("output_compression", 0, 100) is not None and media == "png":
        raise Wrong("value", "output_compression", "is for jpeg and webp only; output_format is png")
    if background == "transparent" and media == "jpeg":
        raise Wrong("value", "background", "cannot be transparent in a jpeg")
    quality = body.one_of("quality", {*drawer.tokens, "auto"}, "auto")
    quality = drawer.auto if quality == "auto" else quality
    width, height = _gpt_size(drawer, body)
    tokens = round(drawer.tokens[quality] * width * height / SQUARE)
    prompt = body.text("prompt", longest=32_000)
    return Order(
        model=model,
        prompt=prompt,
        width=width,
        height=height,
        images=images,
        micros=tokens * images * drawer.micros + tokens_in(prompt) * TEXT_MICROS,
        media_type=_MEDIA[media],
        options={
            "tokens": tokens,
            "background": "transparent" if background == "transparent" else "opaque",
            "output_format": media,
            "quality": quality,
            "size": f"{width}x{height}",
        },
    )


def _gpt_size(drawer: Gpt, body: Fields) -> tuple[int, int]:
    if body.get("size") in (None, "auto"):
        return 1024, 1024
    if not drawer.any_size:
        return _pair(body.one_of("size", {*_FIRST_SIZES, "auto"}, "auto"))
    size = body.text("size")
    if not re.fullmatch(r"\d{2,4}x\d{2,4}", size):
        raise Wrong("value", "size", f"must be WIDTHxHEIGHT or auto; got {size!r:.40}")
    width, height = _pair(size)
    if width % 16 or height % 16 or not width or not height:
        raise Wrong("value", "size", f"must have sides divisible by 16; got {size}")
    if max(width, height) > 3 * min(width, height):
        raise Wrong("value", "size", f"must be between 1:3 and 3:1; got {size}")
    if max(width, height) > 3840 or width * height > 3840 * 2160:
        raise Wrong("value", "size", f"must be at most 3840x2160; got {size}")
    return width, height


def _pair(size: str) -> tuple[int, int]:
    width, _, height = size.partition("x")
    return int(width), int(height)
