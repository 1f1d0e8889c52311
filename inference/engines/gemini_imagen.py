"""Imagen on the Gemini API (`:predict`), as it was spoken until August 2026; research page A1."""

from __future__ import annotations

from typing import Final

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
    text_in,
    unsent,
)
from inference.engines.entries import Entry
from inference.engines.google_errors import told_by
from inference.engines.transport import Answer
from schemas.events import Spec

# What it draws for a shape is not that shape to the pixel (Vertex AI's Imagen page lists the sizes).
_NATIVE: Final = {
    (896, 1280): "3:4",
    (1280, 896): "4:3",
    (768, 1408): "9:16",
    (1408, 768): "16:9",
    (1792, 2560): "3:4",
    (2560, 1792): "4:3",
    (1536, 2816): "9:16",
    (2816, 1536): "16:9",
}


def native_shape(width: int, height: int) -> str | None:
    """The shape for which Imagen draws this very size; None where it is none of its sizes."""
    return _NATIVE.get((width, height))


class _Prediction(msgspec.Struct, frozen=True):
    bytesBase64Encoded: bytes | None = None
    mimeType: object = None
    prompt: object = None
    raiFilteredReason: object = None


class _Answer(msgspec.Struct, frozen=True):
    predictions: tuple[_Prediction, ...] | None = None


class GeminiImagen:
    """The developer API takes neither seed nor negative prompt: with one it would refuse the request."""

    provider: Provider = "google"
    address = "https://generativelanguage.googleapis.com"
    id_header = ""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def key_headers(self, key: str) -> dict[str, str]:
        return {"x-goog-api-key": key}

    def request(self, spec: Spec) -> Request:
        ratios = self._entry.sizes.ratios
        shape = native_shape(spec.width, spec.height) or ratio_of(spec.width, spec.height, ratios)
        tier = self._entry.sizes.tier(spec.width, spec.height)
        if shape is None or tier is None:
            raise no_such_size(self._entry.name, spec, ratios, most="2K")
        parameters = {
            "sampleCount": 1,
            "aspectRatio": shape,
            "sampleImageSize": tier,
            "includeRaiReason": True,
        }
        body = {"instances": [{"prompt": spec.prompt}], "parameters": parameters}
        return Request(
            path=f"/v1beta/models/{self._entry.model}:predict",
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
        # Filtered: a prediction without bytes or, where no reason is given, no prediction at all.
        if not value.predictions:
            return Told(status=200, words=("no-predictions",))
        first = value.predictions[0]
        if not first.bytesBase64Encoded:
            word = "raiFilteredReason" if first.raiFilteredReason else "prediction-without-bytes"
            return Told(status=200, words=(word,), message=text_in(first.raiFilteredReason))
        prompt = text_in(first.prompt)
        used: Used = {"prompt": prompt} if prompt else {}
        return Found(data=first.bytesBase64Encoded, media_type=text_in(first.mimeType), used=used)
