"""Gemini's image models (`:generateContent`); research page A2."""

from __future__ import annotations

import msgspec
import orjson

from inference.engines.contract import (
    UNCOUNTED,
    Count,
    Found,
    Provider,
    Request,
    Told,
    Used,
    counted,
    decoded,
    no_such_size,
    ratio_of,
    text_in,
    unsent,
)
from inference.engines.entries import Entry, TokenPrices
from inference.engines.gemini_imagen import native_shape
from inference.engines.google_errors import told_by
from inference.engines.transport import Answer
from schemas.events import Spec


class _Inline(msgspec.Struct, frozen=True):
    mimeType: object = None
    data: bytes | None = None


class _Part(msgspec.Struct, frozen=True):
    text: object = None
    thought: object = None
    inlineData: _Inline | None = None


class _Content(msgspec.Struct, frozen=True):
    parts: tuple[_Part, ...] | None = None


class _Candidate(msgspec.Struct, frozen=True):
    content: _Content | None = None
    finishReason: object = None
    finishMessage: object = None

    @property
    def parts(self) -> tuple[_Part, ...]:
        return (self.content.parts if self.content else None) or ()


class _Feedback(msgspec.Struct, frozen=True):
    blockReason: str | None = None
    blockReasonMessage: object = None


class _Share(msgspec.Struct, frozen=True):
    modality: str | None = None
    tokenCount: Count | None = None


class _Usage(msgspec.Struct, frozen=True):
    promptTokenCount: Count | None = None
    candidatesTokenCount: Count | None = None
    candidatesTokensDetails: tuple[_Share, ...] | None = None
    thoughtsTokenCount: Count | None = None

    def usd(self, prices: TokenPrices) -> float:
        """Dollars; output that nobody says to be words is the picture's."""
        output = self.candidatesTokenCount or 0
        words = sum(
            share.tokenCount or 0
            for share in self.candidatesTokensDetails or ()
            if (share.modality or "").upper() == "TEXT"
        )
        return prices.usd(
            text_in=self.promptTokenCount or 0,
            image_out=max(0, output - words),
            text_out=words + (self.thoughtsTokenCount or 0),
        )


class _Answer(msgspec.Struct, frozen=True):
    candidates: tuple[_Candidate, ...] | None = None
    promptFeedback: _Feedback | None = None
    usageMetadata: msgspec.Raw = msgspec.Raw()
    modelVersion: object = None


class Gemini:
    """No seed, no negative prompt; a size is a shape and the smallest tier that holds it."""

    provider: Provider = "google"
    address = "https://generativelanguage.googleapis.com"
    id_header = ""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def key_headers(self, key: str) -> dict[str, str]:
        return {"x-goog-api-key": key}

    def request(self, spec: Spec) -> Request:
        sizes = self._entry.sizes
        # Who asked Imagen for its own sizes is drawn the same shape by what follows it.
        shape = native_shape(spec.width, spec.height) or ratio_of(spec.width, spec.height, sizes.ratios)
        tier = sizes.tier(spec.width, spec.height)
        if shape is None or tier is None:
            raise no_such_size(self._entry.name, spec, sizes.ratios, most=sizes.largest_tier)
        config = {"responseModalities": ["IMAGE"], "imageConfig": {"aspectRatio": shape, "imageSize": tier}}
        body = {"contents": [{"parts": [{"text": spec.prompt}]}], "generationConfig": config}
        return Request(
            path=f"/v1beta/models/{self._entry.model}:generateContent",
            body=orjson.dumps(body),
            width=spec.width,
            height=spec.height,
            used={**unsent(spec, ()), "shape": f"{shape} at {tier}"},
        )

    def read(self, answer: Answer) -> Found | Told:
        if answer.status != 200:
            return told_by(answer)
        value = decoded(answer, _Answer)
        if isinstance(value, Told):
            return value
        candidates = value.candidates or ()
        # A thinking model shows its drafts too; the last picture that is no thought is the one.
        drawn = [
            part.inlineData
            for candidate in candidates
            for part in candidate.parts
            if not part.thought and part.inlineData is not None and part.inlineData.data
        ]
        usage, prices = counted(value.usageMetadata, _Usage), self._entry.price.per_million_tokens
        usd = usage.usd(prices) if usage and prices else None
        if not drawn:
            return _without_picture(value, usd)
        # A picture of no tokens is a count that was left out, not a picture for nothing.
        is_counted = usage is not None and bool(usage.candidatesTokenCount)
        return Found(
            data=drawn[-1].data or b"",
            media_type=text_in(drawn[-1].mimeType),
            usd=usd if is_counted else None,
            used=_counts(usage or _Usage(), text_in(value.modelVersion)),
            note=UNCOUNTED if prices and not is_counted else "",
        )


def _without_picture(value: _Answer, usd: float | None) -> Told:
    if value.promptFeedback and value.promptFeedback.blockReason:
        feedback = value.promptFeedback
        words = (f"blockReason={feedback.blockReason}",)
        # The prompt was counted and turned away; whether that is paid for, no count tells.
        return Told(status=200, words=words, message=text_in(feedback.blockReasonMessage))
    if not value.candidates:
        return Told(status=200, words=("no-candidates",), usd=usd)
    first = value.candidates[0]
    texts = [text_in(first.finishMessage), *(text_in(part.text) for part in first.parts if not part.thought)]
    words = (f"finishReason={text_in(first.finishReason)}",)
    return Told(status=200, words=words, message=" ".join(filter(None, texts)), usd=usd)


def _counts(usage: _Usage, version: str) -> Used:
    counts = {
        "input_tokens": usage.promptTokenCount,
        "output_tokens": usage.candidatesTokenCount,
        "thought_tokens": usage.thoughtsTokenCount,
    }
    used: Used = {name: count for name, count in counts.items() if count is not None}
    return {**used, "model_version": version} if version else used
