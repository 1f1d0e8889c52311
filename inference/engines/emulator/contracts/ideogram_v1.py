"""Ideogram's first contract, `POST /generate`: an unsafe picture is a 200 without address, and billed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence

from inference.engines.emulator.contracts import ideogram
from inference.engines.emulator.contracts.base import (
    Answer,
    Asked,
    Order,
    Receipt,
    Shot,
    Trouble,
    json_answer,
)
from inference.engines.emulator.contracts.fields import Fields, Wrong, json_fields

# millionths of a dollar a picture; V_1's two are from memory
PRICES = {
    "V_2A_TURBO": 25_000, "V_2A": 40_000, "V_2_TURBO": 50_000, "V_2": 80_000, "AUTO": 80_000,
    "V_1_TURBO": 20_000, "V_1": 60_000,
}  # fmt: skip
ASPECTS = {
    "1_1": (1024, 1024), "10_16": (800, 1280), "16_10": (1280, 800), "9_16": (736, 1312), "16_9": (1312, 736),
    "3_2": (1248, 832), "2_3": (832, 1248), "4_3": (1152, 864), "3_4": (864, 1152), "1_3": (512, 1536),
    "3_1": (1536, 512),
}  # fmt: skip
# the published resolutions: the heights at each width
_RESOLUTIONS = """
512: 1536; 576: 1408 1472 1536; 640: 1024 1344 1408 1472 1536; 704: 1152 1216 1280 1344 1408 1472; 720: 1280;
736: 1312; 768: 1024 1088 1152 1216 1232 1280 1344; 832: 960 1024 1088 1152 1216 1248; 864: 1152;
896: 960 1024 1088 1120 1152; 960: 832 896 1024 1088; 1024: 640 768 832 896 960 1024;
1088: 768 832 896 960; 1120: 896; 1152: 704 768 832 864 896; 1216: 704 768 832; 1232: 768; 1248: 832;
1280: 704 720 768 800; 1312: 736; 1344: 640 704 768; 1408: 576 640 704; 1472: 576 640 704; 1536: 512 576 640
"""
RESOLUTIONS = frozenset(
    f"RESOLUTION_{width}_{height}"
    for width, heights in re.findall(r"(\d+):([ \d]+)", _RESOLUTIONS)
    for height in heights.split()
)
_FIELDS = frozenset({
    "prompt", "model", "aspect_ratio", "resolution", "magic_prompt_option", "seed", "style_type",
    "num_images", "negative_prompt", "color_palette",
})  # fmt: skip
_STYLES = {"AUTO", "GENERAL", "FICTION", "REALISTIC", "DESIGN", "RENDER_3D", "ANIME"}
_SUCCESSOR = "https://developer.ideogram.ai/v2/api-reference/images/generate/ideogram-2a"


class IdeogramV1:
    """Fields: api-evangelist/ideogram, openapi/_original/ideogram-openapi.yml at 7f79e6b."""

    name = "ideogram_v1"
    bills_withheld = True
    ends: Mapping[str, dt.date] = {}
    keeps_s = 86_400.0

    def order(self, asked: Asked) -> Order:
        ideogram.check_key(asked)
        try:
            body = json_fields(asked.body)
            body.only({"image_request"})
            if "image_request" not in body:
                raise Wrong("missing", "image_request", "is required")
            return _read(body.inside("image_request"))
        except Wrong as wrong:
            raise ideogram.invalid(wrong) from wrong

    def done(self, order: Order, shots: Sequence[Shot], receipt: Receipt) -> Answer:
        return _told(receipt, [_image(order, shot.seed, shot.url) for shot in shots])

    def without(self, order: Order | None, trouble: Trouble, receipt: Receipt) -> Answer:
        if trouble.fault == "withhold" and order is not None:
            return _told(receipt, [_image(order, order.seed or 0, None)] * order.images)
        if trouble.fault == "no_image" and order is not None:
            return _told(receipt, [])
        return ideogram.common_trouble(trouble)


def _told(receipt: Receipt, data: list[dict[str, object]]) -> Answer:
    created = dt.datetime.fromtimestamp(receipt.now, dt.UTC).isoformat().replace("+00:00", "Z")
    notice = f"A newer version of this endpoint is at {_SUCCESSOR}"
    link = {"Link": f'<{_SUCCESSOR}>; rel="successor-version"'}
    return json_answer(200, {"created": created, "data": data, "notice": notice}, link)


def _image(order: Order, seed: int, url: str | None) -> dict[str, object]:
    return {
        "url": url,
        "prompt": order.options["prompt"],
        "resolution": f"{order.width}x{order.height}",
        "is_image_safe": url is not None,
        "seed": seed,
        "style_type": order.options["style_type"],
    }


def _read(asked: Fields) -> Order:
    asked.only(_FIELDS)
    model = asked.one_of("model", PRICES, "V_2")
    images = asked.number("num_images", 1, 8)
    _check_model_fields(model, asked)
    prompt = asked.text("prompt", longest=ideogram.LONGEST)
    width, height = _size(asked)
    magic = asked.one_of("magic_prompt_option", {"AUTO", "ON", "OFF"}, "AUTO")
    return Order(
        model=model,
        prompt=prompt,
        width=width,
        height=height,
        images=images,
        micros=PRICES[model] * images,
        seed=asked.whole("seed", 0, ideogram.MAX_SEED),
        by_url=True,
        options={
            # Unless it is told to leave it, the provider rewrites the prompt and says so only here.
            "prompt": prompt if magic == "OFF" else f"{prompt} A finely detailed composition.",
            "style_type": asked.one_of("style_type", _STYLES, "GENERAL"),
        },
    )


def _check_model_fields(model: str, asked: Fields) -> None:
    """The fields that the document keeps for some models."""
    kept = {
        "negative_prompt": ("V_1", "V_1_TURBO", "V_2", "V_2_TURBO"),
        "color_palette": ("V_2", "V_2_TURBO"),
        "resolution": ("V_2", "V_2_TURBO"),
        "style_type": ("V_2", "V_2_TURBO", "V_2A", "V_2A_TURBO", "AUTO"),
    }
    for name, models in kept.items():
        if name in asked and model not in models:
            raise Wrong(
                "unsupported", asked.path(name), f"is not supported by {model}; only by {', '.join(models)}"
            )


def _size(asked: Fields) -> tuple[int, int]:
    if "resolution" not in asked:
        ratio = asked.one_of("aspect_ratio", {f"ASPECT_{name}" for name in ASPECTS}, "ASPECT_1_1")
        return ASPECTS[ratio.removeprefix("ASPECT_")]
    if "aspect_ratio" in asked:
        raise Wrong("value", asked.path("aspect_ratio"), "cannot be used in conjunction with resolution")
    _, width, height = asked.one_of("resolution", RESOLUTIONS, "").split("_")
    return int(width), int(height)
