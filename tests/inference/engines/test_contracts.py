from __future__ import annotations

import json

import pytest

from tests.inference.engines.playback import KEY, SUCCESSES, Case, engine_at, playing, png, reply


@pytest.mark.parametrize("case", SUCCESSES, ids=lambda case: case.name)
async def test_a_recorded_picture_is_taken_with_its_price_and_what_was_done_otherwise(case: Case) -> None:
    async with playing({"/picture": reply(200, {"Content-Type": "image/png"}, png())}) as player:
        player.answers["/api/images"] = player.answers["/picture"]
        player.answers["/"] = case.bytes_at(player.url)
        engine = engine_at(player.url, case.engine)
        picture = await engine.render(case.spec)
        await engine.aclose()
    assert picture.data == png()
    assert picture.media_type == case.expect["media_type"]
    assert picture.usd == pytest.approx(case.expect["usd"], abs=1e-9)
    assert picture.used == case.expect["used"]
    assert picture.request_id == case.expect.get("request_id", "")
    assert picture.seconds > 0
    assert not picture.emulated


@pytest.mark.parametrize(
    "case", [case for case in SUCCESSES if case.request], ids=lambda case: case.name
)  # fmt: skip
async def test_the_request_is_the_contract_s_and_nothing_more(case: Case) -> None:
    assert case.request is not None
    async with playing({"/picture": reply(200, {"Content-Type": "image/png"}, png())}) as player:
        player.answers["/api/images"] = player.answers["/picture"]
        player.answers["/"] = case.bytes_at(player.url)
        engine = engine_at(player.url, case.engine)
        await engine.keyed("render-1").render(case.spec)
        await engine.aclose()
    heard = player.heard[0]
    assert (heard.method, heard.path) == ("POST", case.request["path"])
    for name, value in case.request["headers"].items():
        assert heard.headers[name] == value.replace("{KEY}", KEY)
    assert "idempotency-key" not in heard.headers, "none of these providers honours one"
    if "json" in case.request:
        assert json.loads(heard.body) == case.request["json"]
    else:
        assert heard.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert heard.form() == case.request["form"]
    assert all(KEY not in str(later.headers) + later.path for later in player.heard[1:]), (
        "the key went astray"
    )


async def test_openai_is_told_our_name_of_the_request_for_its_logs() -> None:
    case = next(case for case in SUCCESSES if case.name == "openai_images-drawn_gpt_image")
    async with playing({}) as player:
        player.answers["/"] = case.bytes_at(player.url)
        engine = engine_at(player.url, case.engine)
        await engine.keyed("render-1").render(case.spec)
        await engine.aclose()
    assert player.heard[0].headers["x-client-request-id"] == "render-1"


async def test_what_an_emulator_drew_is_never_taken_for_the_provider_s() -> None:
    case = next(case for case in SUCCESSES if case.name == "stability-drawn")
    async with playing({}) as player:
        player.answers["/"] = case.bytes_at(player.url).replace(b"\r\n", b"\r\nX-Emulated: true\r\n", 1)
        engine = engine_at(player.url, case.engine)
        assert (await engine.render(case.spec)).emulated
        await engine.aclose()
