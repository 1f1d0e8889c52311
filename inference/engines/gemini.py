"""Gemini's image models (`:generateContent`); research page A2."""

from __future__ import annotations

import msgspec
import orjson

from inference.engines.contract import (
    Found,
    Provider,
    Request,
    Told,
    Used,
    decoded,
    no_such_size,
    ratio_of,
    unsent,
)
from inference.engines.entries import Entry, TokenPrices
from inference.engines.google_errors import told_by
from inference.engines.transport import Answer
from schemas.events import Spec


class _Inline(msgspec.Struct, frozen=True):
    mimeType: str | None = None
    data: bytes | None = None


class _Part(msgspec.Struct, frozen=True):
    text: str | None = None
    thought: bool | None = None
    inlineData: _Inline | None = None


class _Content(msgspec.Struct, frozen=True):
    parts: tuple[_Part, ...] | None = None


class _Candidate(msgspec.Struct, frozen=True):
    content: _Content | None = None
    finishReason: str | None = None
    finishMessage: str | None = None

    @property
    def parts(self) -> tuple[_Part, ...]:
        return (self.content.parts if self.content else None) or ()


class _Feedback(msgspec.Struct, frozen=True):
    blockReason: str | None = None
    blockReasonMessage: str | None = None


class _Share(msgspec.Struct, frozen=True):
    modality: str | None = None
    tokenCount: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    promptTokenCount: int | None = None
    candidatesTokenCount: int | None = None
    candidatesTokensDetails: tuple[_Share, ...] | None = None
    thoughtsTokenCount: int | None = None

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
    usageMetadata: _Usage | None = None
    modelVersion: str | None = None


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
        shape = ratio_of(spec.width, spec.height, sizes.ratios)
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
        if not drawn:
            return _without_picture(value, self._usd(value.usageMetadata))
        # A picture of no tokens is a count that was left out, not a picture for nothing.
        counted = value.usageMetadata is not None and value.usageMetadata.candidatesTokenCount
        return Found(
            data=drawn[-1].data or b"",
            media_type=drawn[-1].mimeType or "",
            usd=self._usd(value.usageMetadata) if counted else None,
            used=_counts(value),
        )

    def _usd(self, usage: _Usage | None) -> float | None:
        prices = self._entry.price.per_million_tokens
        return usage.usd(prices) if usage and prices else None


def _without_picture(value: _Answer, usd: float | None) -> Told:
    if value.promptFeedback and value.promptFeedback.blockReason:
        feedback = value.promptFeedback
        words = (f"blockReason={feedback.blockReason}",)
        return Told(status=200, words=words, message=feedback.blockReasonMessage or "", usd=usd)
    if not value.candidates:
        return Told(status=200, words=("no-candidates",), usd=usd)
    first = value.candidates[0]
    texts = [first.finishMessage, *(part.text for part in first.parts if not part.thought)]
    words = (f"finishReason={first.finishReason or ''}",)
    return Told(status=200, words=words, message=" ".join(filter(None, texts)), usd=usd)


def _counts(value: _Answer) -> Used:
    usage = value.usageMetadata or _Usage()
    counts = {
        "input_tokens": usage.promptTokenCount,
        "output_tokens": usage.candidatesTokenCount,
        "thought_tokens": usage.thoughtsTokenCount,
    }
    used: Used = {name: count for name, count in counts.items() if count is not None}
    return {**used, "model_version": value.modelVersion} if value.modelVersion else used
