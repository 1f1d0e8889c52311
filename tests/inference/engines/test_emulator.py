from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from inference.engines.base import Refused, Transient, Unsupported
from inference.engines.emulator.app import MAX_BODY, MAX_WAITING, Emulator
from inference.engines.emulator.drawing import Drawing, Undrawable, draw
from inference.engines.emulator.profiles import Profile, ProfileError, load_profiles
from inference.engines.emulator.serving import EmulatorFailed, emulator_process, emulator_thread
from inference.engines.http_render import HttpRenderEngine, Server
from schemas.events import Spec

PROFILES = {
    "default": Profile(misspell=0.0),
    "clumsy": Profile(misspell=1.0),
    "prim": Profile(refuse=("gore",)),
    "moody": Profile(refuse_at=0.5),
    "slow": Profile(delay_s=2.0),
}


class MakeSpec(Protocol):
    def __call__(self, prompt: str = ..., *texts: str, **changes: Any) -> Spec: ...


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with ThreadPoolExecutor(2) as pool:
        yield Emulator(profiles=PROFILES, draw=draw, executor=pool)


@pytest.fixture(scope="module")
def url(emulator: Emulator) -> Iterator[str]:
    with emulator_thread(emulator) as base:
        yield base


def engine(url: str, name: str = "default") -> HttpRenderEngine:
    settings = Server(
        url=f"{url}/render",
        engine=name,
        model=f"emulator:{name}",
        usd=lambda *_: 0.02,
        fields=("seed", "engine"),
        emulated=True,
    )
    return HttpRenderEngine(settings)


async def test_our_adapter_gets_a_picture_of_the_size_it_asked_for(url: str, make_spec: MakeSpec) -> None:
    drawer = engine(url)
    picture = await drawer.render(make_spec())
    await drawer.aclose()
    with Image.open(io.BytesIO(picture.data)) as image:
        assert (image.format, image.size) == ("PNG", (256, 192))
    assert (picture.emulated, picture.model, picture.usd, picture.used) == (
        True,
        "emulator:default",
        0.02,
        {},
    )


async def test_the_bare_contract_is_enough(url: str) -> None:
    async with httpx.AsyncClient() as client:
        body = {"prompt": 'A poster with "OPEN"', "width": 128, "height": 128}
        answer = await client.post(f"{url}/render", json=body)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-emulated"] == "true"
    assert int(answer.headers["x-seed"]) >= 0


async def test_the_same_request_draws_the_same_and_another_seed_anew(url: str, make_spec: MakeSpec) -> None:
    drawer = engine(url, "clumsy")
    seeds = (1, 1, 2)
    pictures = [await drawer.render(make_spec(seed=seed)) for seed in seeds]
    await drawer.aclose()
    assert pictures[0].data == pictures[1].data
    assert pictures[0].data != pictures[2].data


async def test_without_a_seed_a_repeated_key_repeats_its_picture(url: str) -> None:
    body = {"prompt": 'A poster with "OPEN"', "width": 64, "height": 64, "engine": "clumsy"}
    async with httpx.AsyncClient() as client:
        answers = [
            await client.post(f"{url}/render", json=body, headers={"Idempotency-Key": key})
            for key in ("a", "a", "b")
        ]
    seeds = [answer.headers["x-seed"] for answer in answers]
    assert seeds[0] == seeds[1] != seeds[2]
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize(
    "words", ["تخفيضات الصيف", "מבצע קיץ", "महोत्सव", "เทศกาลดนตรี", "夏のセール", "夏季大促销"]
)
def test_every_script_is_drawn_and_spelling_shows(words: str) -> None:
    asked = Drawing(
        prompt=f"A poster that says “{words}”", width=256, height=256, seed=5, engine="e", misspell=0.0
    )
    right, wrong = draw(asked), draw(replace(asked, misspell=1.0))
    assert right != wrong


def test_words_that_cannot_be_set_are_refused_and_not_drawn_as_boxes() -> None:
    ogham = Drawing(prompt="A stone with “ᚁᚂᚃᚄᚅ”", width=256, height=256, seed=5, engine="e", misspell=0.0)
    with pytest.raises(Undrawable, match="ᚁ"):
        draw(ogham)


async def test_a_scripted_word_is_refused_and_only_as_a_word(url: str, make_spec: MakeSpec) -> None:
    drawer = engine(url, "prim")
    with pytest.raises(Refused, match="'gore'"):
        await drawer.render(make_spec('All the GORE: "RED"'))
    picture = await drawer.render(make_spec('Regoreous "RED"'))
    await drawer.aclose()
    assert picture.data


async def test_a_refusal_by_chance_is_the_same_each_time(url: str, make_spec: MakeSpec) -> None:
    async def refused(drawer: HttpRenderEngine, seed: int) -> bool:
        try:
            await drawer.render(make_spec("plain", seed=seed, width=64, height=64))
        except Refused:
            return True
        return False

    drawer = engine(url, "moody")
    first = [await refused(drawer, seed) for seed in range(12)]
    second = [await refused(drawer, seed) for seed in range(12)]
    await drawer.aclose()
    assert first == second
    assert 0 < sum(first) < 12


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"not json", "malformed"),
        (b'{"prompt": "x", "width": 256}', "height"),
        (b'{"prompt": "x", "width": 100, "height": 64}', "$.width"),
        (b'{"prompt": 3, "width": 64, "height": 64}', "$.prompt"),
        (b'{"prompt": "x", "width": 64, "height": 64, "engine": "a\\r\\nX-Evil: 1"}', "$.engine"),
        (b'{"prompt": "x", "width": 64, "height": 64, "seed": 4294967296}', "$.seed"),
    ],
)
async def test_a_bad_request_is_told_which_field(url: str, body: bytes, words: str) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{url}/render", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"
    assert words in answer.json()["error"]["message"]


async def test_a_body_too_large_is_not_read(url: str) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{url}/render", content=b"x" * (MAX_BODY + 1))
    assert answer.status_code == 413


async def test_a_delay_is_scripted_and_scaled() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    with ThreadPoolExecutor(1) as pool:
        paced = Emulator(profiles=PROFILES, draw=lambda _: b"", executor=pool, sleep=sleep, pace=0.25)
        with emulator_thread(paced) as base:
            async with httpx.AsyncClient() as client:
                body = {"prompt": "x", "width": 64, "height": 64, "engine": "slow"}
                await client.post(f"{base}/render", json=body)
    assert slept == [0.5]


async def test_drawing_leaves_the_event_loop_free_and_failures_are_answered() -> None:
    drawing, go = threading.Event(), threading.Event()

    def block(_drawing: Drawing) -> bytes:
        drawing.set()
        go.wait(60)
        raise RuntimeError("no ink")

    with ThreadPoolExecutor(1) as pool:
        blocked = Emulator(profiles=PROFILES, draw=block, executor=pool)
        with emulator_thread(blocked) as base:
            async with httpx.AsyncClient() as client:
                body = {"prompt": "x", "width": 64, "height": 64}
                request = asyncio.create_task(client.post(f"{base}/render", json=body))
                await asyncio.to_thread(drawing.wait, 60)
                health = await client.get(f"{base}/healthz")
                go.set()
                answer = await request
    assert health.json()["ok"] is True
    assert health.json()["waiting"] == 1
    assert answer.status_code == 500
    assert "no ink" not in answer.text


async def test_more_requests_than_it_holds_are_sent_away_to_come_again(make_spec: MakeSpec) -> None:
    go = threading.Event()

    def block(_drawing: Drawing) -> bytes:
        go.wait(60)
        return b""

    with ThreadPoolExecutor(1) as pool:
        full = Emulator(profiles=PROFILES, draw=block, executor=pool)
        with emulator_thread(full) as base:
            limits = httpx.Limits(max_connections=None)
            async with httpx.AsyncClient(limits=limits, timeout=60) as client:
                body = {"prompt": "x", "width": 64, "height": 64}
                tasks = {
                    asyncio.create_task(client.post(f"{base}/render", json=body))
                    for _ in range(MAX_WAITING + 3)
                }
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=60)
                drawer = engine(base)
                with pytest.raises(Transient) as caught:
                    await drawer.render(make_spec())
                await drawer.aclose()
                go.set()
                answers = await asyncio.gather(*tasks)
    assert {task.result().status_code for task in done} == {503}
    assert caught.value.after_s == 1.0
    assert [answer.status_code for answer in answers].count(200) == MAX_WAITING


async def test_what_the_typography_cannot_set_is_unsupported(url: str, make_spec: MakeSpec) -> None:
    drawer = engine(url)
    with pytest.raises(Unsupported, match="ᚁ"):
        await drawer.render(make_spec("A stone with “ᚁᚂᚃᚄᚅ”"))
    await drawer.aclose()


def test_the_process_serves_and_ends_with_its_context() -> None:
    with emulator_process(pace=0.0, workers=1) as base:
        body = {"prompt": 'Says "HI"', "width": 64, "height": 64, "engine": "imagen4_ultra"}
        answer = httpx.post(f"{base}/render", json=body, timeout=60)
        assert answer.status_code == 200
        assert answer.headers["x-model"] == "emulator:imagen4_ultra"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{base}/healthz")


def test_the_process_dies_when_its_parent_is_killed() -> None:
    code = (
        "from inference.engines.emulator.serving import emulator_process\n"
        "with emulator_process(pace=0.0) as base:\n"
        "    print(base, flush=True)\n"
        "    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        address = urlsplit(parent.stdout.readline().strip())
        assert address.port is not None
        with socket.create_connection(("127.0.0.1", address.port), timeout=30) as watching:
            watching.sendall(b"GET /healthz HTTP/1.1\r\nHost: emulator\r\n\r\n")
            assert watching.recv(4096).startswith(b"HTTP/1.1 200")
            os.kill(parent.pid, signal.SIGKILL)
            # The kept connection ends with the server, which has nobody left to serve.
            while watching.recv(4096):
                pass
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", address.port), timeout=30)


def test_a_profile_file_that_is_wrong_is_named_at_the_start(tmp_path: Path) -> None:
    wrong = tmp_path / "profiles.yaml"
    wrong.write_text("default: {misspell: 2}")
    with pytest.raises(ProfileError, match=r"profiles\.yaml: default: .*misspell"):
        load_profiles(wrong)
    with pytest.raises(EmulatorFailed, match="exit status"), emulator_process(profiles=wrong):
        pass


def test_every_engine_the_registry_knows_has_a_part_to_play() -> None:
    from inference.engines.registry import load_registry

    stand_ins = {entry.name for entry in load_registry() if entry.stands_in}
    assert stand_ins <= set(load_profiles())
