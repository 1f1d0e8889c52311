"""What can be scripted to go wrong, in each provider's own shape, and what it costs."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
from collections.abc import Callable
from typing import Any, Protocol

import httpx
import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from inference.engines.emulator.core import Emulator
from inference.engines.emulator.ledger import Row
from inference.pictures import PictureError, normalise


class Counter(Protocol):
    client: httpx.Client
    emulator: Emulator
    last: Row

    def ask(self, contract: str, fields: dict[str, Any] | None = None, **more: Any) -> httpx.Response: ...


class OpenCounter(Protocol):
    def __call__(self, **changes: Any) -> Counter: ...


class Schema(Protocol):
    def __call__(self, file: str, name: str) -> Draft202012Validator: ...


def error_of(answer: httpx.Response) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()
    return told["error"] if isinstance(told.get("error"), dict) else told


# contract, fault, status, and a word that only this provider's shape of it has
TURNED = [
    ("gemini_imagen", "auth", 400, "API_KEY_INVALID"),
    ("gemini_imagen", "rate", 429, "RetryInfo"),
    ("gemini_imagen", "quota", 429, "PerDay"),
    ("gemini_imagen", "gone", 404, "NOT_FOUND"),
    ("gemini_imagen", "server_error", 500, "INTERNAL"),
    ("gemini_imagen", "overloaded", 503, "UNAVAILABLE"),
    ("gemini", "auth", 400, "API_KEY_INVALID"),
    ("gemini", "rate", 429, "PerMinute"),
    ("gemini", "quota", 429, "PerDay"),
    ("gemini", "gone", 404, "is not found for API version v1beta"),
    ("gemini", "refuse_prompt", 200, "blockReason"),
    ("openai_images", "auth", 401, "invalid_api_key"),
    ("openai_images", "rate", 429, "rate_limit_exceeded"),
    ("openai_images", "quota", 429, "insufficient_quota"),
    ("openai_images", "gone", 404, "model_not_found"),
    ("openai_images", "refuse_prompt", 400, "moderation_blocked"),
    ("dalle", "refuse_prompt", 400, "content_policy_violation"),
    ("openai_images", "server_error", 500, "server_error"),
    ("ideogram_v1", "rate", 429, "inflight_limit"),
    ("ideogram_v1", "quota", 402, "insufficient_funds"),
    ("ideogram_v1", "refuse_prompt", 422, "safety"),
    ("ideogram_v2", "auth", 401, "key"),
    ("ideogram_v2", "rate", 429, "max_inflight_requests"),
    ("ideogram_v2", "quota", 402, "insufficient_funds"),
    ("ideogram_v2", "refuse_prompt", 422, "safety"),
    ("ideogram_v2", "gone", 404, "model"),
    ("stability", "auth", 401, "unauthorized"),
    ("stability", "rate", 429, "rate_limit_exceeded"),
    ("stability", "quota", 402, "payment_required"),
    ("stability", "refuse_prompt", 403, "content_moderation"),
    ("stability", "server_error", 500, "internal_error"),
]


@pytest.mark.parametrize(("contract", "fault", "status", "word"), TURNED)
def test_a_request_turned_away_is_worded_as_the_provider_does_and_costs_nothing(
    counter: Counter, contract: str, fault: str, status: int, word: str
) -> None:
    answer = counter.ask(contract, script={"fault": fault})
    assert answer.status_code == status
    assert word in answer.text
    assert (counter.last.micros, counter.last.fault, counter.last.status) == (0, fault, status)
    assert counter.last.outcome not in ("image", "withheld")


@pytest.mark.parametrize("fault", ["auth", "quota", "rate", "gone", "server_error", "overloaded"])
def test_every_error_fits_its_providers_schema(
    counter: Counter, schema: Schema, contract: str, fault: str
) -> None:
    answer = counter.ask(contract, script={"fault": fault})
    file = {"gemini_imagen": "google", "gemini": "google", "openai_images": "openai", "dalle": "openai"}.get(
        contract, contract
    )
    rejected = file.startswith("ideogram") and fault in ("rate", "quota")
    schema(file, "rejection" if rejected else "error").validate(answer.json())


def test_the_wait_is_asked_for_where_the_provider_says_it(counter: Counter) -> None:
    google = counter.ask("gemini", script={"fault": "rate", "after_s": 2.5})
    openai = counter.ask("openai_images", script={"fault": "rate", "after_s": 2.5})
    ideogram = counter.ask("ideogram_v1", script={"fault": "rate", "after_s": 2.5})
    assert "2.5s" in [detail.get("retryDelay") for detail in error_of(google)["details"]]
    assert "retry-after" not in google.headers
    assert (openai.headers["retry-after"], openai.headers["retry-after-ms"]) == ("2.5", "2500")
    assert "retry-after" not in ideogram.headers


def test_reasons_choose_among_a_providers_own_words(counter: Counter) -> None:
    safety = counter.ask("gemini", script={"fault": "withhold", "reason": "IMAGE_RECITATION"})
    daily = counter.ask("ideogram_v2", script={"fault": "quota", "reason": "daily_limit"})
    forbidden = counter.ask("gemini", script={"fault": "auth", "reason": "forbidden"})
    gone = counter.ask("openai_images", script={"fault": "gone", "status": 410})
    assert safety.json()["candidates"][0]["finishReason"] == "IMAGE_RECITATION"
    assert daily.json()["reject_reason"] == "daily_limit"
    assert (forbidden.status_code, gone.status_code) == (403, 410)


WITHHELD: list[tuple[str, dict[str, Any], Callable[[Any], object], object]] = [
    ("gemini_imagen", {}, lambda told: told, {}),
    (
        "gemini_imagen",
        {"parameters": {"includeRaiReason": True}},
        lambda told: [*told["predictions"][0]],
        ["raiFilteredReason"],
    ),
    ("gemini", {}, lambda told: told["candidates"][0]["finishReason"], "IMAGE_SAFETY"),
    (
        "ideogram_v1",
        {},
        lambda told: (told["data"][0]["is_image_safe"], told["data"][0]["url"]),
        (False, None),
    ),
    (
        "ideogram_v2",
        {},
        lambda told: (told["data"][0]["is_image_safe"], told["data"][0]["url"]),
        (False, None),
    ),
    ("stability", {}, lambda told: told["finish_reason"], "CONTENT_FILTERED"),
]


@pytest.mark.parametrize(("contract", "fields", "look", "seen"), WITHHELD)
def test_a_withheld_picture_is_a_200_in_the_providers_shape(
    counter: Counter,
    schema: Schema,
    contract: str,
    fields: dict[str, Any],
    look: Callable[[Any], object],
    seen: object,
) -> None:
    answer = counter.ask(contract, fields, script={"fault": "withhold"})
    assert answer.status_code == 200
    assert look(answer.json()) == seen
    names = {
        "gemini_imagen": ("google", "predict_response"),
        "gemini": ("google", "generate_content_response"),
    }
    schema(*names.get(contract, (contract, "response"))).validate(answer.json())


def test_who_bills_for_what_it_withholds_does_so_here(
    counter: Counter, contract: str, price_of: Callable[[str], int]
) -> None:
    counter.ask(contract, script={"fault": "withhold"})
    published = contract.startswith("ideogram")
    assert counter.last.micros == (price_of(contract) if published else 0)
    counter.ask(contract, script={"fault": "withhold", "charge": True})
    assert counter.last.micros == price_of(contract)
    counter.ask(contract, script={"fault": "withhold", "charge": False})
    assert counter.last.micros == 0


def test_a_success_without_a_picture_can_be_scripted(counter: Counter, contract: str) -> None:
    answer = counter.ask(contract, script={"fault": "no_image"})
    assert answer.status_code == 200
    assert not any(sign in answer.text for sign in ("iVBOR", "/9j/", "/api/images"))
    # Ideogram publishes that whatever runs to its end is billed; the others publish nothing.
    assert (counter.last.outcome, counter.last.micros > 0) == ("no_image", contract.startswith("ideogram"))


def test_gemini_may_answer_in_words_alone(counter: Counter) -> None:
    told = counter.ask("gemini", script={"fault": "no_image", "reason": "text"}).json()
    assert [*told["candidates"][0]["content"]["parts"][0]] == ["text"]


def test_a_lost_answer_is_lost_after_the_charge(
    counter: Counter, contract: str, price_of: Callable[[str], int]
) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        counter.ask(contract, script={"fault": "lost"})
    assert counter.last.micros == price_of(contract)
    assert (counter.last.outcome, counter.last.status, counter.last.fault) == ("image", 0, "lost")


def test_a_gateway_s_page_may_come_after_the_charge(
    counter: Counter, contract: str, price_of: Callable[[str], int]
) -> None:
    answer = counter.ask(contract, script={"fault": "bad_gateway"})
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (502, "text/html")
    assert (counter.last.outcome, counter.last.status) == ("image", 502)
    assert counter.last.micros == price_of(contract)
    assert counter.ask(contract, script={"fault": "bad_gateway", "status": 524}).status_code == 524
    assert counter.last.status == 524


def test_a_provider_s_own_error_may_come_after_the_charge(
    counter: Counter, contract: str, price_of: Callable[[str], int]
) -> None:
    answer = counter.ask(contract, script={"fault": "server_error", "charge": True})
    assert answer.status_code == 500
    assert answer.json() == counter.ask(contract, script={"fault": "server_error"}).json() | {
        name: value for name, value in answer.json().items() if name == "id"
    }
    assert counter.last.micros == 0
    counter.ask(contract, script={"fault": "server_error", "charge": True})
    assert counter.last.micros == price_of(contract)


def test_thinking_is_told_and_charged_where_the_model_thinks(
    counter: Counter, schema: Schema, contract: str, price_of: Callable[[str], int]
) -> None:
    answer = counter.ask(contract, script={"thoughts": 1000})
    assert answer.status_code == 200
    thinks = contract == "gemini"
    assert counter.last.micros == price_of(contract) + (3_000 if thinks else 0)
    if thinks:
        usage = answer.json()["usageMetadata"]
        assert usage["thoughtsTokenCount"] == 1000
        assert usage["totalTokenCount"] == 8 + 1120 + 1000
        schema("google", "generate_content_response").validate(answer.json())


def test_a_connection_that_ends_before_the_charge_costs_nothing(counter: Counter, contract: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        counter.ask(contract, script={"fault": "hang_up"})
    assert (counter.last.micros, counter.last.outcome) == (0, "hung_up")


def test_an_answer_can_be_cut_and_is_charged(
    counter: Counter, contract: str, price_of: Callable[[str], int]
) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        counter.ask(contract, script={"fault": "cut"})
    assert counter.last.micros == price_of(contract)


def test_a_page_of_html_can_come_with_a_200(counter: Counter, contract: str) -> None:
    answer = counter.ask(contract, script={"fault": "html"})
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/html")
    assert counter.last.micros > 0


def test_an_endless_body_goes_on_until_its_reader_leaves(counter: Counter) -> None:
    with counter.client.stream(
        "POST",
        "/generate",
        headers={"Api-Key": "k", "X-Emulator-Script": json.dumps({"fault": "endless"})},
        json={"image_request": {"prompt": "x"}},
    ) as answer:
        read = 0
        for chunk in answer.iter_raw():
            read += len(chunk)
            if read > 4_000_000:
                break
    assert read > 4_000_000
    assert counter.ask("ideogram_v1").status_code == 200


def test_a_slow_body_takes_the_time_it_was_given(open_counter: OpenCounter) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    counter = open_counter(sleep=sleep)
    answer = counter.ask("gemini", script={"fault": "slow", "delay_s": 40})
    assert answer.status_code == 200
    assert (sum(slept), len(slept)) == (40, 9)


def test_a_delay_is_slept_before_the_charge(open_counter: OpenCounter) -> None:
    slept: list[tuple[float, int]] = []

    async def sleep(seconds: float) -> None:
        slept.append((seconds, len(counter.emulator.ledger.rows)))

    counter = open_counter(sleep=sleep)
    counter.ask("stability", script={"delay_s": 12.5})
    assert slept == [(12.5, 0)]


def picture_of(counter: Counter, contract: str, answer: httpx.Response) -> bytes:
    """The bytes of the first picture, wherever they are."""
    told = answer.json()
    match contract:
        case "gemini_imagen":
            return base64.b64decode(told["predictions"][0]["bytesBase64Encoded"])
        case "gemini":
            return base64.b64decode(told["candidates"][0]["content"]["parts"][-1]["inlineData"]["data"])
        case "openai_images":
            return base64.b64decode(told["data"][0]["b64_json"])
        case "stability":
            return base64.b64decode(told["image"])
        case _:
            return counter.client.get(told["data"][0]["url"]).content


@pytest.mark.parametrize("fault", ["truncated", "wrong_type"])
def test_a_picture_can_be_none(counter: Counter, contract: str, fault: str) -> None:
    data = picture_of(counter, contract, counter.ask(contract, script={"fault": fault}))
    with pytest.raises(PictureError):
        normalise(data, "image/png")


def test_a_picture_can_be_in_four_inks_with_a_profile(counter: Counter, contract: str) -> None:
    data = picture_of(counter, contract, counter.ask(contract, script={"fault": "cmyk"}))
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode) == ("JPEG", "CMYK")
        assert image.info["icc_profile"][36:40] == b"acsp"
    assert normalise(data, "image/jpeg").width >= 1024


@pytest.mark.parametrize("contract", ["dalle", "ideogram_v1", "ideogram_v2"])
def test_a_picture_can_be_gone_from_its_address_or_lost_on_the_way(counter: Counter, contract: str) -> None:
    gone = counter.ask(contract, script={"fault": "picture_gone"}).json()["data"][0]["url"]
    lost = counter.ask(contract, script={"fault": "lost", "where": "fetch"}).json()["data"][0]["url"]
    assert counter.client.get(gone).status_code == 404
    with pytest.raises(httpx.RemoteProtocolError):
        counter.client.get(lost)


def test_a_picture_leaves_its_address_when_the_provider_says(open_counter: OpenCounter) -> None:
    now = [1_000_000.0]
    counter = open_counter(clock=lambda: now[0])
    dalle = counter.ask("dalle").json()["data"][0]["url"]
    ideogram = counter.ask("ideogram_v1").json()["data"][0]["url"]
    now[0] += 3_601
    assert counter.client.get(dalle).status_code == 404
    assert counter.client.get(ideogram).status_code == 200
    now[0] += 86_400
    assert counter.client.get(ideogram).status_code == 404


def test_models_end_on_the_day_that_their_provider_named(open_counter: OpenCounter) -> None:
    before, after = open_counter(today=dt.date(2026, 5, 11)), open_counter(today=dt.date(2026, 11, 22))
    assert before.ask("dalle").status_code == before.ask("gemini_imagen").status_code == 200
    assert after.ask("dalle").status_code == after.ask("gemini_imagen").status_code == 404
    assert after.ask("gemini").status_code == after.ask("ideogram_v1").status_code == 200


def test_a_script_that_is_none_is_said_and_costs_nothing(counter: Counter) -> None:
    answer = counter.ask("gemini", script={"fault": "explode"})
    assert answer.status_code == 400
    assert "fault" in answer.json()["error"]["message"]
