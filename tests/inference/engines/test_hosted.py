from __future__ import annotations

import asyncio
import datetime as dt
import json
from dataclasses import replace

import msgspec
import pytest

from inference.engines.adapters import ADAPTERS, HostedEngines
from inference.engines.base import Broken, Keyed, Refused, Transient, Unsupported
from inference.engines.entries import Entry, load_registry
from inference.engines.hosted import HostedEngine
from inference.engines.registry import Engines
from inference.engines.transport import Answer, Call, Transport
from tests.inference.engines.playback import KEY, SPEC, Player, checked_in, engine_at, playing, png, reply

PNG = reply(200, {"Content-Type": "image/png"}, png())


def drawn(url: str) -> bytes:
    picture = {"url": url, "prompt": SPEC.prompt, "is_image_safe": True, "seed": 7}
    return reply(200, {}, json.dumps({"generation_id": "gen-42", "data": [picture]}).encode())


def ideogram(player: Player) -> HostedEngine:
    return engine_at(player.url, "ideogram-4.5")


async def test_a_picture_is_fetched_again_when_the_first_try_fails_and_drawn_once() -> None:
    async with playing({}) as player:
        player.answers["/v2"] = drawn(f"{player.url}/p.png?sig=s")
        tries = iter([reply(503, {}, b""), b"", PNG])

        async def sometimes(writer: asyncio.StreamWriter) -> None:
            writer.write(next(tries))

        player.answers["/p.png"] = sometimes
        engine = ideogram(player)
        assert (await engine.render(SPEC)).data == png()
        await engine.aclose()
        assert [heard.path for heard in player.heard].count("/v2/image/generate/ideogram-4-5") == 1
        assert len(player.heard) == 4


@pytest.mark.parametrize("answer", [reply(503, {}, b"busy"), b"", reply(403, {}, b"expired")])
async def test_a_picture_that_cannot_be_fetched_is_billed_and_named_for_whoever_looks_for_it(
    answer: bytes,
) -> None:
    async with playing({"/p.png": answer}) as player:
        player.answers["/v2"] = drawn(f"{player.url}/p.png?sig=topsecret")
        engine = ideogram(player)
        with pytest.raises(Broken, match="drawn and billed by its provider, which calls it gen-42") as caught:
            await engine.render(SPEC)
        await engine.aclose()
    assert (caught.value.billed, caught.value.usd) == ("billed", 0.06)
    assert caught.value.request_id == "gen-42"
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "https://evil.test/p.png", "file:///etc/passwd", "x"]
)
async def test_an_address_that_is_not_the_provider_s_is_never_asked(url: str) -> None:
    async with playing({"/v2": drawn(url)}) as player:
        engine = ideogram(player)
        with pytest.raises(Broken, match="its address is not followed") as caught:
            await engine.render(SPEC)
        await engine.aclose()
        assert len(player.heard) == 1
    assert caught.value.billed == "billed"


async def test_a_provider_elsewhere_may_not_send_us_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    async with playing({"/": PNG}) as player:
        body = drawn(f"{player.url}/admin").partition(b"\r\n\r\n")[2]

        async def answered(_transport: Transport, _call: Call, **_until: float) -> Answer:
            return Answer(status=200, headers={}, body=body)

        monkeypatch.setattr(Transport, "send", answered)
        engine = engine_at("https://api.ideogram.ai", "ideogram-4.5")
        with pytest.raises(Broken, match=r"127\.0\.0\.1/admin: must be https"):
            await engine.render(SPEC)
        await engine.aclose()
        assert player.heard == []


async def test_the_picture_s_server_never_sees_the_key() -> None:
    async with playing({"/p.png": PNG}) as player:
        player.answers["/v2"] = drawn(f"{player.url}/p.png")
        engine = ideogram(player)
        await engine.render(SPEC)
        await engine.aclose()
        posted, fetched = player.heard
    assert posted.headers["api-key"] == KEY
    assert KEY not in str(fetched)


async def test_bytes_that_a_file_store_does_not_describe_are_looked_at() -> None:
    plain = reply(200, {"Content-Type": "application/octet-stream"}, png())
    async with playing({"/p.png": plain}) as player:
        player.answers["/v2"] = drawn(f"{player.url}/p.png")
        engine = ideogram(player)
        assert (await engine.render(SPEC)).media_type == "image/png"
        await engine.aclose()


@pytest.mark.parametrize("key", ["", "with space", "line\nbreak", "schlüssel", "tab\t"])
def test_a_key_that_no_header_may_hold_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(Unsupported, match=r"OPENAI_API_KEY: must be printable ASCII") as caught:
        engine_at("http://127.0.0.1:1", "gpt-image-2.5-flare", key=key)
    assert caught.value.kind == "auth"
    assert not key or key not in str(caught.value)


async def test_a_shut_engine_is_not_asked_and_says_why() -> None:
    async with playing({"/": reply(401, {}, b'{"error": "wrong key"}')}) as player:
        engine = ideogram(player)
        with pytest.raises(Unsupported, match="HTTP 401, auth"):
            await engine.render(SPEC)
        with pytest.raises(Unsupported, match=r"not asked, since it answered: .*HTTP 401") as caught:
            await engine.render(SPEC)
        await engine.aclose()
        assert len(player.heard) == 1
    assert caught.value.kind == "auth"


async def test_a_call_that_is_cancelled_leaves_neither_a_place_nor_a_probe_behind() -> None:
    never, arrived = asyncio.Event(), asyncio.Event()

    async def silent(_writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await never.wait()

    async with playing({"/": silent}) as player:
        engine = engine_at(player.url, "ideogram-4.5", in_flight=1)
        async with asyncio.timeout(10):
            for _ in range(3):
                task = asyncio.create_task(engine.render(SPEC))
                await arrived.wait()
                arrived.clear()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
        never.set()
        await engine.aclose()


async def test_a_probe_that_is_cancelled_lets_the_next_call_probe() -> None:
    now = 0.0
    arrived = asyncio.Event()

    async def silent(_writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await asyncio.Event().wait()

    registry = checked_in()
    async with playing({"/": reply(503, {}, b'{"error": "busy"}')}) as player:
        hosted = HostedEngines(registry, addresses={"ideogram_v2": player.url}, clock=lambda: now)
        engine = hosted.engine(registry.get("ideogram-4.5"), KEY)
        for _ in range(5):
            with pytest.raises(Transient, match="HTTP 503"):
                await engine.render(SPEC)
        with pytest.raises(Transient, match="not asked"):
            await engine.render(SPEC)
        now = 20.0
        player.answers["/"] = silent
        probe = asyncio.create_task(engine.render(SPEC))
        async with asyncio.timeout(10):
            await arrived.wait()
        with pytest.raises(Transient, match="not asked"):
            await engine.render(SPEC)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        player.answers["/"] = reply(422, {}, b"{}")
        with pytest.raises(Refused):
            await engine.render(SPEC)
        await engine.aclose()


async def test_no_more_pictures_than_allowed_are_in_the_making_across_engines_of_one_account() -> None:
    most = now = 0
    go, full = asyncio.Event(), asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        if now == 10:
            full.set()
        await go.wait()
        now -= 1
        writer.write(reply(422, {}, b'{"error": "unsafe"}'))

    registry = load_registry()
    async with playing({"/": slow}) as player:
        addresses = {"ideogram_v1": player.url, "ideogram_v2": player.url}
        hosted = HostedEngines(registry, addresses=addresses)
        greedy = msgspec.structs.replace(registry.get("ideogram_v2a_turbo"), in_flight=20)
        engines = [hosted.engine(greedy, KEY), hosted.engine(registry.get("ideogram-4.5"), KEY)]
        tasks = [asyncio.create_task(engine.render(SPEC)) for engine in engines * 15]
        async with asyncio.timeout(10):
            await full.wait()
        go.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for engine in engines:
            await engine.aclose()
    assert most == registry.get("ideogram-4.5").in_flight == 10
    assert all(isinstance(outcome, Refused) for outcome in outcomes)


async def test_it_sets_no_type_and_draws_no_size_that_the_registry_denies_it() -> None:
    engine = engine_at("http://127.0.0.1:1", "dalle3_hd")
    with pytest.raises(Unsupported, match="`layout` does"):
        await engine.render(SPEC, background=png())
    with pytest.raises(Unsupported, match="draws no 512x512; it draws 1024x1024"):
        await engine.render(replace(SPEC, width=512, height=512))
    await engine.aclose()


def test_an_account_does_not_show_its_key() -> None:
    engine = engine_at("http://127.0.0.1:1", "dalle3_hd")
    assert isinstance(engine, Keyed)
    assert KEY not in repr(engine) + repr(engine.keyed("x"))


async def test_the_registry_builds_an_adapter_by_its_name_where_a_key_is_set() -> None:
    registry = load_registry()
    engines = Engines(
        registry,
        today=lambda: dt.date(2026, 11, 23),
        environ={"GEMINI_API_KEY": KEY, "STABILITY_API_KEY": KEY, "IDEOGRAM_API_KEY": ""},
        emulator_url="http://127.0.0.1:1",
        hosted=HostedEngines(registry),
    )
    resolved = engines.resolve("imagen4_ultra")
    assert (resolved.entry.name, resolved.model, resolved.emulated) == (
        "gemini-3-pro-image",
        "gemini-3-pro-image",
        False,
    )
    assert isinstance(engines.engine_for(resolved), HostedEngine)
    assert isinstance(engines.engine("sd3.5_medium_hosted"), HostedEngine)
    keyless = engines.resolve("ideogram-4.5")
    assert keyless.emulated
    assert "no key is set: set IDEOGRAM_API_KEY" in keyless.reason
    await engines.aclose()


def test_every_hosted_entry_has_an_adapter_and_every_adapter_an_entry() -> None:
    hosted = {entry.adapter for entry in checked_in() if entry.key_env and not entry.key_optional}
    assert hosted == set(ADAPTERS)


def test_the_text_trained_model_is_a_local_one_with_a_lora() -> None:
    entry: Entry = checked_in().get("sd3.5_medium_text")
    assert entry.adapter == "sd3_local"
    assert entry.model.endswith("+jieliu/SD3.5M-FlowGRPO-Text")


async def test_nobody_there_is_transient_and_never_billed() -> None:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    engine = engine_at(f"http://127.0.0.1:{port}", "gpt-image-2.5-flare")
    with pytest.raises(Transient, match="nothing was sent") as caught:
        await engine.render(SPEC)
    assert caught.value.billed == "never"
    await engine.aclose()
