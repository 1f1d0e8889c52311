"""The providers' own Python clients, against the emulator: they must find what they look for."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any, Protocol

import httpx
import openai
import pytest
from google import genai
from google.genai import errors, types
from PIL import Image

from inference.engines.emulator.core import Emulator
from inference.engines.emulator.ledger import Row


class Counter(Protocol):
    url: str
    client: httpx.Client
    emulator: Emulator
    last: Row


# The client warns that Google has ended Imagen; that is why it is spoken here.
ended = pytest.mark.filterwarnings("ignore:The generate_images method is deprecated")


def scripted(**script: Any) -> dict[str, str]:
    return {"X-Emulator-Script": json.dumps(script)}


def size_of(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as image:
        return image.size


@pytest.fixture
def openai_sdk(counter: Counter) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="a-key", base_url=f"{counter.url}/v1", max_retries=0) as sdk:
        yield sdk


@pytest.fixture
def google_sdk(counter: Counter) -> Iterator[genai.Client]:
    # Without these the client reads the environment, which may name another account's project.
    options = types.HttpOptions(base_url=counter.url, api_version="v1beta")
    with genai.Client(api_key="a-key", vertexai=False, http_options=options) as sdk:
        yield sdk


def test_openai_finds_pictures_usage_and_what_was_used(openai_sdk: openai.OpenAI, counter: Counter) -> None:
    told = openai_sdk.images.generate(
        model="gpt-image-2.5-flare", prompt="A poster", n=2, size="1536x1024", quality="medium"
    )
    assert told.data is not None
    assert [size_of(base64.b64decode(image.b64_json or "")) for image in told.data] == [(1536, 1024)] * 2
    assert (told.size, told.quality, told.output_format) == ("1536x1024", "medium", "png")
    assert told.usage is not None
    # 5 dollars a million tokens of text in, 30 a million of picture out, as published
    assert counter.last.micros == told.usage.input_tokens * 5 + told.usage.output_tokens * 30


def test_openai_fetches_dalles_picture_from_its_address(openai_sdk: openai.OpenAI, counter: Counter) -> None:
    told = openai_sdk.images.generate(model="dall-e-3", prompt="A poster", size="1792x1024", quality="hd")
    assert told.data is not None
    assert told.data[0].url is not None
    assert told.data[0].revised_prompt
    assert size_of(httpx.get(told.data[0].url).content) == (1792, 1024)
    assert counter.last.micros == 120_000


@pytest.mark.parametrize(
    ("script", "raised", "code"),
    [
        ({"fault": "auth"}, openai.AuthenticationError, "invalid_api_key"),
        ({"fault": "rate"}, openai.RateLimitError, "rate_limit_exceeded"),
        ({"fault": "quota"}, openai.RateLimitError, "insufficient_quota"),
        ({"fault": "gone"}, openai.NotFoundError, "model_not_found"),
        ({"fault": "refuse_prompt"}, openai.BadRequestError, "moderation_blocked"),
        ({"fault": "server_error"}, openai.InternalServerError, None),
    ],
)
def test_openai_raises_what_it_has_for_each(
    openai_sdk: openai.OpenAI, script: dict[str, Any], raised: type[openai.APIStatusError], code: str | None
) -> None:
    with pytest.raises(raised) as caught:
        openai_sdk.images.generate(model="gpt-image-2", prompt="A poster", extra_headers=scripted(**script))
    assert caught.value.code == code
    assert caught.value.request_id


def test_openai_is_told_that_a_field_is_not_taken(openai_sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        openai_sdk.images.generate(model="gpt-image-2", prompt="A poster", response_format="b64_json")
    assert (caught.value.param, caught.value.code) == ("response_format", "unknown_parameter")


def test_openai_retries_a_lost_answer_by_itself_and_pays_twice(counter: Counter) -> None:
    paid = counter.emulator.ledger.charged_micros
    steps = [{"fault": "lost", "contract": "openai_images", "prompt": "paid twice"}]
    counter.client.post("/__scripts", json=steps)
    with openai.OpenAI(api_key="a-key", base_url=f"{counter.url}/v1", max_retries=1) as sdk:
        told = sdk.images.generate(model="dall-e-3", prompt="paid twice")
    assert told.data
    assert counter.emulator.ledger.charged_micros - paid == 2 * 40_000


def test_google_finds_geminis_picture_and_its_tokens(google_sdk: genai.Client, counter: Counter) -> None:
    told = google_sdk.models.generate_content(
        model="gemini-3.1-flash-image",
        contents="A poster",
        config=types.GenerateContentConfig(
            response_modalities=["IMAGE"], image_config=types.ImageConfig(aspect_ratio="2:3", image_size="2K")
        ),
    )
    assert told.parts is not None
    inline = told.parts[-1].inline_data
    assert inline is not None
    assert inline.data is not None
    assert size_of(inline.data) == (1696, 2528)
    assert told.usage_metadata is not None
    assert told.usage_metadata.candidates_token_count == 1680
    assert told.usage_metadata.prompt_token_count == 2
    assert counter.last.micros == 1680 * 60 + 1


def test_google_sees_thoughts_as_thoughts(google_sdk: genai.Client) -> None:
    told = google_sdk.models.generate_content(model="gemini-3-pro-image", contents="A poster")
    assert told.parts is not None
    drawn = [part for part in told.parts if part.inline_data]
    assert [bool(part.thought) for part in drawn] == [True, False]


@pytest.mark.parametrize("reason", ["IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER", "NO_IMAGE"])
def test_google_knows_each_reason_for_no_picture(
    google_sdk: genai.Client, counter: Counter, reason: str
) -> None:
    counter.client.post("/__scripts", json=[{"fault": "withhold", "reason": reason, "prompt": reason}])
    told = google_sdk.models.generate_content(model="gemini-3.1-flash-image", contents=reason)
    assert told.candidates is not None
    assert told.candidates[0].finish_reason == types.FinishReason(reason)


def test_google_knows_a_blocked_prompt(google_sdk: genai.Client, counter: Counter) -> None:
    counter.client.post("/__scripts", json=[{"fault": "refuse_prompt", "prompt": "blocked by google"}])
    told = google_sdk.models.generate_content(model="gemini-3.1-flash-image", contents="blocked by google")
    assert told.prompt_feedback is not None
    assert told.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
    assert not told.candidates


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [("quota", 429, "RESOURCE_EXHAUSTED"), ("gone", 404, "NOT_FOUND"), ("overloaded", 503, "UNAVAILABLE")],
)
def test_google_raises_what_it_has_for_each(
    google_sdk: genai.Client, counter: Counter, fault: str, code: int, status: str
) -> None:
    words = f"raised for {fault}"
    counter.client.post("/__scripts", json=[{"fault": fault, "prompt": words}])
    with pytest.raises(errors.APIError) as caught:
        google_sdk.models.generate_content(model="gemini-3.1-flash-image", contents=words)
    assert (caught.value.code, caught.value.status) == (code, status)


@ended
def test_google_finds_imagens_pictures(google_sdk: genai.Client, counter: Counter) -> None:
    told = google_sdk.models.generate_images(
        model="imagen-4.0-ultra-generate-001",
        prompt="A poster",
        config=types.GenerateImagesConfig(
            number_of_images=2, aspect_ratio="9:16", output_mime_type="image/jpeg", include_rai_reason=True
        ),
    )
    assert told.generated_images is not None
    images = [generated.image for generated in told.generated_images]
    assert [size_of((image and image.image_bytes) or b"") for image in images] == [(768, 1408)] * 2
    assert counter.last.micros == 120_000


@ended
def test_google_is_told_why_imagen_filtered(google_sdk: genai.Client, counter: Counter) -> None:
    counter.client.post("/__scripts", json=[{"fault": "withhold", "prompt": "filtered by imagen"}])
    told = google_sdk.models.generate_images(
        model="imagen-4.0-generate-001",
        prompt="filtered by imagen",
        config=types.GenerateImagesConfig(include_rai_reason=True),
    )
    assert told.generated_images is not None
    assert told.generated_images[0].rai_filtered_reason
    assert told.generated_images[0].image is None or not told.generated_images[0].image.image_bytes
