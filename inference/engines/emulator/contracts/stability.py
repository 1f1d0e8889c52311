"""Stability AI `/v2beta/stable-image/generate/sd3`: a form goes in, JSON or the bytes themselves come out."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping, Sequence

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
    opaque,
)
from inference.engines.emulator.contracts.fields import Fields, Wrong, form_fields
from inference.engines.emulator.drawing import plain

# millionths of a dollar a picture: 6.5, 4 and 3.5 credits of a cent
PRICES = {"sd3.5-large": 65_000, "sd3.5-large-turbo": 40_000, "sd3.5-medium": 35_000}
SIZES = {
    "1:1": (1024, 1024), "16:9": (1344, 768), "21:9": (1536, 640), "2:3": (832, 1216), "3:2": (1216, 832),
    "4:5": (896, 1088), "5:4": (1088, 896), "9:16": (768, 1344), "9:21": (640, 1536),
}  # fmt: skip
MAX_SEED = 2**32 - 2
_NAMES = {
    400: "bad_request",
    401: "unauthorized",
    402: "payment_required",
    403: "content_moderation",
    404: "not_found",
    410: "gone",
    422: "unprocessable_entity",
    429: "rate_limit_exceeded",
}


class Stability:
    """Fields: api-evangelist/stability-ai, openapi/_original at 060a036; others in a form are ignored."""

    name = "stability"
    bills_withheld = False
    ends: Mapping[str, dt.date] = {}
    keeps_s = 0.0

    def order(self, asked: Asked) -> Order:
        if not bearer(asked):
            raise Turned("auth", _error(401, opaque(asked.now), "authorization: missing or no Bearer token"))
        try:
            fields, files = form_fields(asked.body, asked.headers.get("content-type", ""))
            if "image" in files:
                raise Wrong("unsupported", "image", "is not drawn from: the emulator edits no pictures")
            return _read(fields, _wants_json(asked))
        except Wrong as wrong:
            words = f"{wrong.field}: {wrong.why}"
            raise Turned("invalid", _error(400, opaque(asked.now, words), words)) from wrong

    def done(self, order: Order, shots: Sequence[Shot], _receipt: Receipt) -> Answer:
        return _picture(order, shots[0], "SUCCESS")

    def without(self, order: Order | None, trouble: Trouble, receipt: Receipt) -> Answer:
        match trouble.fault:
            case "withhold" if order is not None:
                # It sends a picture, blurred beyond recognition, with status 200.
                blurred = Shot(order.seed or 1, plain(order.width, order.height, 0), "image/png")
                return _picture(order, blurred, "CONTENT_FILTERED")
            case "no_image" if order is not None:
                return json_answer(200, {"finish_reason": "SUCCESS", "seed": order.seed or 1})
            case "auth":
                return _error(trouble.status or 401, receipt.id, "authorization: invalid or expired key")
            case "quota":
                return _error(402, receipt.id, "not enough credits for this request")
            case "rate":
                return _error(429, receipt.id, "more than 150 requests in 10 seconds; come back in 60")
            case "refuse_prompt":
                return _error(403, receipt.id, "the content moderation flagged your request")
            case "gone":
                return _error(trouble.status or 404, receipt.id, "there is no such model")
            case "overloaded":
                return _error(trouble.status or 503, receipt.id, "the service is overloaded")
            case _:
                return _error(trouble.status or 500, receipt.id, "an internal error occurred")


def _error(status: int, id: str, *errors: str) -> Answer:
    name = _NAMES.get(status, "internal_error" if status == 500 else "service_unavailable")
    return json_answer(status, {"id": id, "name": name, "errors": list(errors)})


def _wants_json(asked: Asked) -> bool:
    accept = asked.headers.get("accept", "*/*").partition(";")[0].partition(",")[0].strip().lower()
    if accept not in ("application/json", "image/*", "*/*"):
        raise Wrong("value", "accept", f"must be image/* or application/json; got {accept!r:.60}")
    return accept == "application/json"


def _picture(order: Order, shot: Shot, finish: str) -> Answer:
    if order.options["json"]:
        image = base64.b64encode(shot.data).decode()
        return json_answer(200, {"image": image, "finish_reason": finish, "seed": shot.seed})
    return Answer(200, shot.data, shot.media_type, {"finish-reason": finish, "seed": str(shot.seed)})


def _read(asked: Fields, wants_json: bool) -> Order:
    model = asked.one_of("model", PRICES, "sd3.5-large")
    if asked.one_of("mode", {"text-to-image", "image-to-image"}, "text-to-image") == "image-to-image":
        raise Wrong("missing", "image", "is required for image-to-image")
    if "strength" in asked:
        raise Wrong("value", "strength", "is for image-to-image only")
    if "negative_prompt" in asked:
        asked.text("negative_prompt", longest=10_000)
    if not 1 <= asked.real("cfg_scale", 4.0) <= 10:
        raise Wrong("value", "cfg_scale", f"must be in 1..10; got {asked.get('cfg_scale')!r:.40}")
    width, height = SIZES[asked.one_of("aspect_ratio", SIZES, "1:1")]
    return Order(
        model=model,
        prompt=asked.text("prompt", longest=10_000),
        width=width,
        height=height,
        micros=PRICES[model],
        # 0 asks for a random one.
        seed=asked.whole("seed", 0, MAX_SEED, 0) or None,
        media_type="image/" + asked.one_of("output_format", {"png", "jpeg"}, "png"),
        options={"json": wants_json},
    )
