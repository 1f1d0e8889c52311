"""Gemini API `:generateContent` for image models: blocks are a 200, the price is a count of tokens."""

from __future__ import annotations

import base64
import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inference.engines.emulator.contracts import google
from inference.engines.emulator.contracts.base import (
    Answer,
    Asked,
    Order,
    Receipt,
    Shot,
    Trouble,
    json_answer,
    tokens_in,
)
from inference.engines.emulator.contracts.fields import Fields, Wrong, json_fields


@dataclass(frozen=True, slots=True)
class Model:
    """Output tokens of a picture by image size, and what tokens cost in millionths of a dollar.

    `micros` is for one of the picture, `asked` for one of the prompt, `thought` for one of thinking.
    """

    tokens: Mapping[str, int]
    micros: int
    asked: float
    thought: int = 0
    wide: bool = False
    thinks: bool = False


MODELS = {
    "gemini-3.1-flash-image": Model({"512": 747, "1K": 1120, "2K": 1680, "4K": 2520}, 60, 0.5, 3, wide=True),
    "gemini-3.1-flash-lite-image": Model({"1K": 1120}, 30, 0.25),
    "gemini-3-pro-image": Model({"1K": 1120, "2K": 1120, "4K": 2000}, 120, 2.0, 12, thinks=True),
    "gemini-2.5-flash-image": Model({"1K": 1290}, 30, 0.3),
}
# pixels at 1K; 512, 2K and 4K are half, twice and four times that
SIZES = {
    "1:1": (1024, 1024), "2:3": (848, 1264), "3:2": (1264, 848), "3:4": (896, 1200), "4:3": (1200, 896),
    "4:5": (928, 1152), "5:4": (1152, 928), "9:16": (768, 1376), "16:9": (1376, 768), "21:9": (1584, 672),
}  # fmt: skip
WIDE = {"1:4": (512, 2048), "4:1": (2048, 512), "1:8": (384, 3072), "8:1": (3072, 384)}
SCALES = {"512": 0.5, "1K": 1.0, "2K": 2.0, "4K": 4.0}

_CONFIG = frozenset({
    "responseModalities", "imageConfig", "candidateCount", "seed", "temperature", "topP", "topK",
    "maxOutputTokens", "stopSequences", "responseMimeType", "presencePenalty", "frequencyPenalty",
    "thinkingConfig", "mediaResolution",
})  # fmt: skip


class Gemini:
    """Fields: google/ai/generativelanguage/v1beta/generative_service.proto; `imageSize` from python-genai."""

    name = "gemini"
    bills_withheld = False
    ends: Mapping[str, dt.date] = {"gemini-2.5-flash-image": dt.date(2026, 10, 2)}
    keeps_s = 0.0

    def order(self, asked: Asked) -> Order:
        google.check_key(asked)
        model = asked.path["model"]
        google.check_model(model, MODELS, "generateContent")
        try:
            return _read(model, json_fields(asked.body))
        except Wrong as wrong:
            raise google.invalid(wrong) from wrong

    def done(self, order: Order, shots: Sequence[Shot], receipt: Receipt) -> Answer:
        parts = [part for shot in shots for part in _parts(shot, thinks=MODELS[order.model].thinks)]
        candidate = {"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0}
        return _told(order, receipt, candidates=[candidate])

    def without(self, order: Order | None, trouble: Trouble, receipt: Receipt) -> Answer:
        common = google.common_trouble(order.model if order else "", "generateContent", trouble)
        if common is not None:
            return common
        if trouble.fault == "refuse_prompt":
            return _told(
                order, receipt, promptFeedback={"blockReason": trouble.reason or "PROHIBITED_CONTENT"}
            )
        if trouble.reason == "text":
            parts = [{"text": "I am unable to draw this poster."}]
            candidate: dict[str, object] = {
                "content": {"parts": parts, "role": "model"},
                "finishReason": "STOP",
            }
        else:
            usual = "NO_IMAGE" if trouble.fault == "no_image" else "IMAGE_SAFETY"
            candidate = {"finishReason": trouble.reason or usual, "finishMessage": "No picture can be shown."}
        return _told(order, receipt, candidates=[{**candidate, "index": 0}])


def _read(model: str, body: Fields) -> Order:
    body.only({"contents", "generationConfig", "safetySettings", "systemInstruction"})
    asked = body.inside("generationConfig")
    asked.only(_CONFIG)
    asked.whole("seed", -(2**31), 2**31 - 1)
    if asked.number("candidateCount", 1, 8) != 1:
        raise Wrong(
            "value", "generationConfig.candidateCount", "Multiple candidates is not enabled for this model"
        )
    modalities = asked.items("responseModalities")
    if not set(map(str, modalities)) <= {"IMAGE", "TEXT"} or (modalities and "IMAGE" not in modalities):
        why = f"must be IMAGE, or TEXT and IMAGE; got {modalities!r:.80}"
        raise Wrong("value", "generationConfig.responseModalities", why)
    picture = asked.inside("imageConfig")
    picture.only({"aspectRatio", "imageSize"})
    drawer = MODELS[model]
    size = picture.one_of("imageSize", drawer.tokens, "1K")
    ratios = SIZES | WIDE if drawer.wide else SIZES
    width, height = ratios[picture.one_of("aspectRatio", ratios, "1:1")]
    prompt = _prompt(body.items("contents"))
    return Order(
        model=model,
        prompt=prompt,
        width=round(width * SCALES[size]),
        height=round(height * SCALES[size]),
        # Half a millionth is rounded up, as money is.
        micros=drawer.tokens[size] * drawer.micros + math.floor(tokens_in(prompt) * drawer.asked + 0.5),
        thought_micros=drawer.thought,
        options={"tokens": drawer.tokens[size]},
    )


def _prompt(contents: list[object]) -> str:
    """The texts of the last content."""
    if not contents:
        raise Wrong("missing", "contents", "contents is not specified")
    at = f"contents[{len(contents) - 1}]"
    last = Fields(contents[-1], at)
    last.only({"role", "parts"})
    last.one_of("role", {"user"}, "user")
    parts = [Fields(part, f"{at}.parts[{index}]") for index, part in enumerate(last.items("parts"))]
    for part in parts:
        part.only({"text"}, {"inlineData", "fileData"})
    if not parts:
        raise Wrong("missing", f"{at}.parts", "must have one or more parts")
    return "\n".join(part.text("text") for part in parts)


def _parts(shot: Shot, *, thinks: bool) -> list[dict[str, object]]:
    data: dict[str, object] = {
        "inlineData": {"mimeType": shot.media_type, "data": base64.b64encode(shot.data).decode()}
    }
    if not thinks:
        return [data]
    # A thinking model sends its drafts first, marked as thoughts: they are not the picture.
    draft = {"inlineData": {"mimeType": "image/png", "data": _DRAFT}, "thought": True}
    return [{"text": "Setting the words first.", "thought": True}, draft, data]


def _told(order: Order | None, receipt: Receipt, **told: object) -> Answer:
    """With the tokens that are charged for; a prompt that was blocked is counted, and costs nothing."""
    is_counted = receipt.charged or "promptFeedback" in told
    prompt = tokens_in(order.prompt) if order and is_counted else 0
    image = int(str(order.options["tokens"])) if order and receipt.charged else 0
    thoughts = int(str(order.options.get("thoughts", 0))) if order and receipt.charged else 0
    usage: dict[str, object] = {"promptTokenCount": prompt, "totalTokenCount": prompt + image + thoughts}
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    if image:
        usage["candidatesTokenCount"] = image
        usage["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": image}]
    version = {"modelVersion": order.model if order else "", "responseId": receipt.id}
    return json_answer(200, {**told, "usageMetadata": usage, **version})


# one grey pixel, PNG
_DRAFT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
