"""Gemini API, Imagen 4 `:predict`: a filtered picture is a 200 without bytes."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping, Sequence

from inference.engines.emulator.contracts import google
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

# millionths of a dollar a picture
PRICES = {
    "imagen-4.0-generate-001": 40_000,
    "imagen-4.0-ultra-generate-001": 60_000,
    "imagen-4.0-fast-generate-001": 20_000,
}
SIZES = {
    "1:1": (1024, 1024),
    "3:4": (896, 1280),
    "4:3": (1280, 896),
    "9:16": (768, 1408),
    "16:9": (1408, 768),
}
PARAMETERS = frozenset({
    "sampleCount", "aspectRatio", "sampleImageSize", "personGeneration", "safetySetting", "language",
    "includeRaiReason", "includeSafetyAttributes", "guidanceScale", "outputOptions",
})  # fmt: skip
VERTEX_ONLY = frozenset({"seed", "negativePrompt", "addWatermark", "labels", "enhancePrompt", "storageUri"})
_SAFETY = {"BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE"}
_REASON = (
    "The pictures were filtered out because they go against the usage guidelines. Support codes: 39322892"
)


class Imagen:
    """Fields: python-genai 2.18.1 `_GenerateImagesConfig_to_mldev`; seed and negative prompt are Vertex's."""

    name = "gemini_imagen"
    bills_withheld = False
    ends: Mapping[str, dt.date] = dict.fromkeys(PRICES, dt.date(2026, 8, 17))
    keeps_s = 0.0

    def order(self, asked: Asked) -> Order:
        google.check_key(asked)
        model = asked.path["model"]
        google.check_model(model, PRICES, "predict")
        try:
            return _read(model, json_fields(asked.body))
        except Wrong as wrong:
            raise google.invalid(wrong) from wrong

    def done(self, _order: Order, shots: Sequence[Shot], _receipt: Receipt) -> Answer:
        predictions = [
            {"bytesBase64Encoded": base64.b64encode(shot.data).decode(), "mimeType": shot.media_type}
            for shot in shots
        ]
        return json_answer(200, {"predictions": predictions})

    def without(self, order: Order | None, trouble: Trouble, _receipt: Receipt) -> Answer:
        common = google.common_trouble(order.model if order else "", "predict", trouble)
        if common is not None:
            return common
        if trouble.fault == "no_image" or order is None or not order.options["includeRaiReason"]:
            return json_answer(200, {})
        if trouble.fault == "refuse_prompt" and trouble.reason == "400":
            return google.error(400, "The prompt could not be submitted: it may go against the guidelines.")
        return json_answer(200, {"predictions": [{"raiFilteredReason": trouble.reason or _REASON}]})


def _read(model: str, body: Fields) -> Order:
    body.only({"instances", "parameters"})
    instances = body.items("instances")
    if len(instances) != 1:
        raise Wrong("value", "instances", f"must hold one instance; got {len(instances)}")
    instance = Fields(instances[0], "instances[0]")
    instance.only({"prompt"})
    asked = body.inside("parameters")
    asked.only(PARAMETERS, VERTEX_ONLY)
    asked.one_of("personGeneration", {"DONT_ALLOW", "ALLOW_ADULT", "ALLOW_ALL"}, "")
    asked.one_of("safetySetting", _SAFETY, "")
    asked.one_of("language", {"auto", "en", "ja", "ko", "hi", "zh", "pt", "es"}, "")
    output = asked.inside("outputOptions")
    output.only({"mimeType", "compressionQuality"})
    output.whole("compressionQuality", 0, 100)
    images = asked.number("sampleCount", 1, 4)
    scale = 2 if asked.one_of("sampleImageSize", {"1K", "2K"}, "1K") == "2K" else 1
    width, height = SIZES[asked.one_of("aspectRatio", SIZES, "1:1")]
    return Order(
        model=model,
        prompt=instance.text("prompt"),
        width=width * scale,
        height=height * scale,
        images=images,
        micros=PRICES[model] * images,
        media_type=output.one_of("mimeType", {"image/png", "image/jpeg"}, "image/png"),
        options={"includeRaiReason": asked.flag("includeRaiReason")},
    )
