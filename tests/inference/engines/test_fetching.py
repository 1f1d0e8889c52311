from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from inference.engines.adapters import HostedEngines
from inference.engines.base import Broken
from tests.inference.engines.playback import KEY, SPEC, checked_in, engine_at, playing, reply


def drawn(url: str) -> bytes:
    picture = {"url": url, "prompt": SPEC.prompt, "is_image_safe": True, "seed": 7}
    return reply(200, {}, json.dumps({"generation_id": "gen-42", "data": [picture]}).encode())


async def test_one_deadline_is_for_the_answer_and_for_all_tries_to_fetch() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 99999\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with playing({"/p.png": drip}) as player:
        player.answers["/v2"] = drawn(f"{player.url}/p.png")
        engine = engine_at(player.url, "ideogram-4.5", timeout_s=1.0)
        async with asyncio.timeout(30):
            with pytest.raises(Broken, match=r"could not be fetched: .*no answer in 1 s") as caught:
                await engine.render(SPEC)
        await engine.aclose()
        assert [heard.path for heard in player.heard] == ["/v2/image/generate/ideogram-4-5", "/p.png"]
    assert (caught.value.billed, caught.value.usd) == ("billed", 0.06)


async def test_a_try_that_would_begin_after_the_deadline_is_not_waited_for() -> None:
    slept: list[float] = []
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    registry = checked_in()
    entry = msgspec.structs.replace(registry.get("ideogram-4.5"), timeout_s=2.0)
    async with playing({"/p.png": reply(503, {}, b"busy")}) as player:
        player.answers["/v2"] = drawn(f"{player.url}/p.png")
        hosted = HostedEngines(
            registry, addresses={"ideogram_v2": player.url}, clock=lambda: now, sleep=sleep
        )
        engine = hosted.engine(entry, KEY)
        with pytest.raises(Broken, match="could not be fetched"):
            await engine.render(SPEC)
        await engine.aclose()
    assert slept == [0.5], "of the next two seconds only one and a half were left"
