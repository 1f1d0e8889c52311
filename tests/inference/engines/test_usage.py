"""What an answer says beside its picture: however odd it is, the picture is kept and has a price."""

from __future__ import annotations

import base64
import json
import time
import tracemalloc
from typing import Any

import pytest

from inference.engines.adapters import ADAPTERS
from inference.engines.base import Broken, Picture
from inference.engines.contract import UNCOUNTED, Contract, Found, Told
from inference.engines.ledger import micros
from inference.engines.terms import Price, TokenPrices
from inference.engines.transport import Answer
from tests.inference.engines.playback import SPEC, checked_in, engine_at, playing, png, reply

GPT, GEMINI = "gpt-image-2.5-flare", "gemini-3-pro-image"
HOSTED = [entry.name for entry in checked_in() if entry.adapter in ADAPTERS]
B64 = base64.b64encode(png()).decode()
ODD_COUNTS: list[Any] = [-5000, 10**15, 1e300, 1756.0, "1756", True, [], {}]
MIB = 1024 * 1024


def gpt(usage: Any, **more: Any) -> dict[str, Any]:
    return {"data": [{"b64_json": B64, **more}], "usage": usage}


def gemini(usage: Any, **more: Any) -> dict[str, Any]:
    part = {"inlineData": {"mimeType": "image/png", "data": B64}}
    return {"candidates": [{"content": {"parts": [part]}}], "usageMetadata": usage, **more}


def contract(name: str) -> Contract:
    entry = checked_in().get(name)
    return ADAPTERS[entry.adapter](entry)


async def drawn(name: str, body: dict[str, Any]) -> Picture:
    async with playing({"/": reply(200, {}, json.dumps(body).encode())}) as player:
        engine = engine_at(player.url, name)
        try:
            return await engine.render(SPEC)
        finally:
            await engine.aclose()


NO_USAGE: list[Any] = ["1757", [1757], 1757, {}, None]
UNREADABLE = [
    *((GPT, gpt({"input_tokens": 20, "output_tokens": odd})) for odd in [*ODD_COUNTS, None]),
    *((GPT, gpt({"input_tokens": odd, "output_tokens": 1757})) for odd in [*ODD_COUNTS, None]),
    *((GPT, gpt(usage)) for usage in NO_USAGE),
    (GPT, gpt({"input_tokens": 1, "output_tokens": 1, "input_tokens_details": {"image_tokens": -1}})),
    *((GEMINI, gemini({"promptTokenCount": 20, "candidatesTokenCount": odd})) for odd in ODD_COUNTS),
    *((GEMINI, gemini({"thoughtsTokenCount": odd, "candidatesTokenCount": 1120})) for odd in ODD_COUNTS),
    *((GEMINI, gemini(usage)) for usage in NO_USAGE),
    (GEMINI, gemini({"candidatesTokenCount": 1120, "candidatesTokensDetails": [{"tokenCount": "x"}]})),
]


@pytest.mark.parametrize(
    ("name", "body"), UNREADABLE, ids=[f"{n}-{i}" for i, (n, _) in enumerate(UNREADABLE)]
)
async def test_a_picture_whose_tokens_cannot_be_read_is_kept_at_its_list_price(
    name: str, body: dict[str, Any]
) -> None:
    picture = await drawn(name, body)
    assert picture.data == png()
    assert picture.usd == checked_in().get(name).price.list_usd(1024, 1024)
    assert picture.note == UNCOUNTED
    assert micros(picture.usd) > 0


async def test_tokens_that_can_be_read_are_the_price_and_nothing_is_noted() -> None:
    details = {"text_tokens": 20, "image_tokens": 5, "new_tokens": "?"}
    usage = {"input_tokens": 20, "output_tokens": 4160, "input_tokens_details": details}
    picture = await drawn(GPT, gpt(usage))
    assert (micros(picture.usd), picture.note) == (15 * 5 + 5 * 8 + 4160 * 30, "")
    usage = {"promptTokenCount": 20, "candidatesTokenCount": 1120, "thoughtsTokenCount": 3000}
    picture = await drawn(GEMINI, gemini(usage))
    assert (micros(picture.usd), picture.note) == (20 * 2 + 1120 * 120 + 3000 * 12, "")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (GPT, gpt({"input_tokens": 1, "output_tokens": 1}, revised_prompt=7) | {"output_format": ["png"]}),
        (GEMINI, gemini({"candidatesTokenCount": 1120}, modelVersion={"a": 1})),
        ("imagen4_remote", {"predictions": [{"bytesBase64Encoded": B64, "mimeType": 1, "prompt": [2]}]}),
        ("sd3.5_medium_hosted", {"image": B64, "finish_reason": "SUCCESS", "seed": "7"}),
        ("sd3.5_medium_hosted", {"image": B64, "finish_reason": "SUCCESS", "seed": 2**40}),
    ],
)
async def test_no_odd_remark_beside_a_picture_loses_it(name: str, body: dict[str, Any]) -> None:
    picture = await drawn(name, body)
    assert (picture.data, picture.media_type) == (png(), "image/png")
    assert not {"seed", "prompt", "model_version"} & picture.used.keys()


async def test_an_answer_without_a_picture_whose_tokens_cannot_be_read_goes_by_what_is_published() -> None:
    answers = {
        GPT: {"data": [], "usage": {"input_tokens": -1}},
        GEMINI: {"candidates": [], "usageMetadata": {"promptTokenCount": 1e300}},
    }
    for name, body in answers.items():
        with pytest.raises(Broken) as caught:
            await drawn(name, body)
        assert (caught.value.kind, caught.value.billed, caught.value.usd) == ("no_image", "unknown", None)


@pytest.mark.parametrize("name", HOSTED)
@pytest.mark.parametrize(
    "part",
    [b"{}", b"[]", b"1", b'{"parts":[{}]}', b'{"url":""}'],
    ids=["objects", "lists", "numbers", "parts", "urls"],
)
def test_an_answer_of_countless_parts_is_not_unpacked(name: str, part: bytes) -> None:
    bombs = [b'{"%s":[' % member + part + (b"," + part) * (2 * MIB // (len(part) + 1)) + b"]}"
             for member in (b"data", b"candidates", b"predictions", b"image")]  # fmt: skip
    for bomb in bombs:
        tracemalloc.start()
        began = time.perf_counter()
        read = contract(name).read(Answer(status=200, headers={}, body=bomb))
        took, (_, peak) = time.perf_counter() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert isinstance(read, Told)
        assert "parts" in read.message
        assert peak < MIB, f"{took:.1f} s"


def test_a_long_prompt_that_is_told_back_is_no_bomb() -> None:
    prompt = ",[{" * 10_000
    body = {"data": [{"b64_json": B64, "revised_prompt": prompt}]}
    found = contract("dalle3_hd").read(Answer(status=200, headers={}, body=json.dumps(body).encode()))
    assert isinstance(found, Found)
    assert found.used["prompt"] == prompt


def test_the_most_that_a_picture_may_cost_is_its_list_price_its_prompt_and_all_its_thinking() -> None:
    registry = checked_in()
    flash, pro = (registry.get(f"gemini-3{name}-image").price for name in (".1-flash", "-pro"))
    assert flash.most_usd(1024, 1024, 1000) == pytest.approx(0.0672 + 1000 * 0.5e-6 + 32_768 * 3e-6)
    assert pro.most_usd(2048, 2048, 0) == pytest.approx(0.1344 + 32_768 * 12e-6)
    gpt = registry.get(GPT).price
    assert gpt.most_usd(512, 512, 0) == gpt.most_usd(1024, 1024, 0) == pytest.approx(7024 * 30e-6)
    assert gpt.most_usd(2048, 1024, 100) == pytest.approx(2 * 7024 * 30e-6 + 100 * 5e-6)
    plain = registry.get("ideogram-4.5").price
    assert plain.most_usd(1024, 1024, 5000) == plain.list_usd(1024, 1024)


def test_a_list_price_above_what_is_known_of_tokens_is_the_most() -> None:
    tokens = TokenPrices(text_in=0, image_in=0, image_out=30, most_image_out=1000)
    price = Price(priced_on=checked_in().get(GPT).price.priced_on, usd=0.5, per_million_tokens=tokens)
    assert price.most_usd(1024, 1024, 0) == 0.5
