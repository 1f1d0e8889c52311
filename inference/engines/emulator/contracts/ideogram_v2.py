"""Ideogram's current contract, `POST /v2/image/generate/{model}`: price quotes, and answers to poll."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from inference.engines.emulator.contracts import ideogram
from inference.engines.emulator.contracts.base import (
    Answer,
    Asked,
    Order,
    Receipt,
    Shot,
    Trouble,
    Turned,
    json_answer,
)
from inference.engines.emulator.contracts.fields import Fields, Wrong, form_fields, json_fields

# millionths of a dollar a picture, by quality
PRICES = {"ideogram-4-5": {"low": 30_000, "medium": 60_000, "high": 100_000}}
_PRESETS = [
    "2048x2048", "1792x2240", "1728x2304", "1664x2496", "1440x2560", "1600x2560", "1440x2880", "1280x3072",
    "1248x3328", "1152x2944", "1296x3168", "1024x3072", "1024x1024", "896x1120", "864x1152", "832x1248",
    "800x1280", "720x1280", "720x1440",
]  # fmt: skip
SIZES = frozenset(_PRESETS) | {"x".join(reversed(size.split("x"))) for size in _PRESETS}
_FIELDS = frozenset({
    "prompt", "magic_prompt", "size", "quality", "seed", "num_images", "enable_copyright_detection", "async",
    "webhook_url",
})  # fmt: skip


class IdeogramV2:
    """Fields: developer.ideogram.ai/api-reference/images/generate/ideogram-4-5 as of 2 October 2026."""

    name = "ideogram_v2"
    bills_withheld = True
    ends: Mapping[str, dt.date] = {}
    keeps_s = 86_400.0

    def order(self, asked: Asked) -> Order:
        ideogram.check_key(asked)
        model = asked.path["model"]
        if model not in PRICES:
            raise Turned("gone", ideogram.error(404, f"There is no model {model!r}."))
        try:
            return _read(model, _fields(asked), quote=_dry_run(asked))
        except Wrong as wrong:
            raise ideogram.invalid(wrong) from wrong

    def done(self, order: Order, shots: Sequence[Shot], receipt: Receipt) -> Answer:
        if order.quote:
            return json_answer(200, _quote(order))
        seed = shots[0].seed if shots else order.seed or 0
        return _told(order, receipt, seed, [image(order, shot.seed, shot.url) for shot in shots])

    def without(self, order: Order | None, trouble: Trouble, receipt: Receipt) -> Answer:
        if trouble.fault in ("withhold", "no_image") and order is not None:
            seed = order.seed or 0
            withheld = [image(order, seed, None)] * (order.images if trouble.fault == "withhold" else 0)
            return _told(order, receipt, seed, withheld)
        return ideogram.common_trouble(trouble)


def image(order: Order, seed: int, url: str | None) -> dict[str, object]:
    """One picture of an answer; without `url` it did not pass the safety check."""
    return {
        "prompt": order.options["prompt"],
        "resolution": f"{order.width}x{order.height}",
        "is_image_safe": url is not None,
        "seed": seed,
        "url": url,
    }


def _told(order: Order, receipt: Receipt, seed: int, data: list[dict[str, object]]) -> Answer:
    """The results, or where they are to be polled only the id."""
    told = {"generation_id": receipt.id, "generation_kind": "sampling", "seed": seed}
    return json_answer(200, told if order.later else {**told, "data": data})


def _fields(asked: Asked) -> Fields:
    kind = asked.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/"):
        return json_fields(asked.body)
    fields, files = form_fields(asked.body, kind)
    if files:
        raise Wrong("unsupported", sorted(files)[0], "is not drawn from: the emulator edits no pictures")
    return fields


def _dry_run(asked: Asked) -> bool:
    value = asked.query.get("dry_run", "false")
    if value not in ("true", "false"):
        raise Wrong("type", "dry_run", f"must be true or false; got {value!r:.40}")
    return value == "true"


def _read(model: str, asked: Fields, *, quote: bool) -> Order:
    asked.only(_FIELDS)
    prompt = asked.text("prompt", longest=ideogram.LONGEST)
    images = asked.number("num_images", 1, 8)
    quality = asked.one_of("quality", {*PRICES[model], "very_low"}, "high")
    if quality == "very_low":
        raise Wrong("value", "quality", "very_low needs source images")
    size = asked.one_of("size", {*SIZES, "auto"}, "auto")
    width, height = map(int, ("2048x2048" if size == "auto" else size).split("x"))
    asked.flag("enable_copyright_detection")
    if "webhook_url" in asked:
        raise Wrong("value", "webhook_url", "must be public and https: the emulator calls nobody")
    magic = asked.one_of("magic_prompt", {"auto", "on", "off"}, "auto")
    return Order(
        model=model,
        prompt=prompt,
        width=width,
        height=height,
        images=images,
        micros=PRICES[model][quality] * images,
        seed=asked.whole("seed", 0, ideogram.MAX_SEED),
        by_url=True,
        quote=quote,
        polled=True,
        later=asked.flag("async"),
        options={"prompt": prompt if magic == "off" else f"{prompt} A finely detailed composition."},
    )


def _quote(order: Order) -> dict[str, object]:
    return {
        "object": "price_quote",
        "billing_identifier": f"{order.model.replace('-', '_')}_generate",
        "quantity": order.images,
        "usd_micros": order.micros,
        "credit_millis": order.micros // 10,
        "qualifier": "exact",
    }
