"""Nothing is lost that was paid for: from the wire through the service into the store and the ledger."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import sqlite3
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from inference.assets import AssetStore
from inference.engines.adapters import HostedEngines
from inference.engines.emulator.pictures import cmyk_jpeg
from inference.engines.registry import Engines
from inference.render import RenderService
from inference.spending import Spending
from schemas.events import Asset, PromptRef, Render, RenderJob
from tests.inference.engines.playback import KEY, SPEC, Player, checked_in, no_wait, playing, png, reply

PAGE = b"<!DOCTYPE html><html><body><h1>Please wait</h1></body></html>"
# Of each way that a picture comes: the engine, its price in micro-dollars, its adapter.
WAYS = {
    "in the body": ("sd3.5_medium_hosted", 35_000, "stability"),
    "by address": ("ideogram-4.5", 60_000, "ideogram_v2"),
}
BOTH_WAYS = pytest.mark.parametrize("way", WAYS)


def gif() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "navy").save(out, "GIF")
    return out.getvalue()


def bomb() -> bytes:
    data = bytearray(png())
    data[16:24] = (9_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


@dataclass(slots=True)
class Desk:
    """A provider that sends `picture`, and a service that pays it through a ledger."""

    player: Player
    service: RenderService
    store: AssetStore
    ledger: Path
    way: str

    def send(self, picture: bytes, media_type: str) -> None:
        self.player.answers["/p.png"] = reply(200, {"Content-Type": media_type}, picture)
        told = {"image": base64.b64encode(picture).decode(), "finish_reason": "SUCCESS", "seed": 7}
        drawn = {"url": f"{self.player.url}/p.png", "prompt": SPEC.prompt, "is_image_safe": True, "seed": 7}
        answer = told if self.way == "in the body" else {"generation_id": "call-1", "data": [drawn]}
        self.player.answers["/v2"] = reply(200, {"x-request-id": "call-1"}, json.dumps(answer).encode())

    async def render(self) -> Render:
        ref = PromptRef("s", "1")
        engine = WAYS[self.way][0]
        job = RenderJob(
            ref=ref, spec=SPEC, engine=engine, purpose="final", ordinal=0, route="r", reason="", policy="p"
        )
        return await self.service.render(job)

    @property
    def booked(self) -> tuple[str, str, int | None, str]:
        """State, billed, settled micro-dollars and the provider's name of the only call."""
        with sqlite3.connect(self.ledger) as database:
            ((*row,),) = database.execute("SELECT state, billed, settled, provider_id FROM calls")
        return tuple(row)

    @property
    def drawn(self) -> int:
        return sum(heard.method == "POST" for heard in self.player.heard)

    async def kept(self, render: Render, media_type: str) -> bytes:
        """The bytes at the address that the reason names, as whoever reads the result would look for them."""
        uri = render.reason.partition("kept as ")[2]
        sha256 = uri.rpartition("/")[2].partition(".")[0]
        return await self.store.get(Asset(uri=uri, sha256=sha256, media_type=media_type, bytes=0))


@asynccontextmanager
async def desk_at(tmp_path: Path, way: str) -> AsyncIterator[Desk]:
    registry = checked_in()
    async with playing({}) as player:
        engines = Engines(
            registry,
            today=lambda: dt.date(2026, 11, 24),
            environ={"STABILITY_API_KEY": KEY, "IDEOGRAM_API_KEY": KEY},
            hosted=HostedEngines(registry, addresses={WAYS[way][2]: player.url}, sleep=no_wait),
        )
        store = AssetStore.open(tmp_path / "assets")
        spending = Spending.open(str(tmp_path / "ledger.db"))
        yield Desk(
            player, RenderService(engines, store, spending=spending), store, tmp_path / "ledger.db", way
        )
        await spending.aclose()
        await engines.aclose()


SPOILT = {
    "a decompression bomb": (bomb(), "image/png", "9000x9000 is 81000000 pixels; at most"),
    "a wrong media type": (gif(), "image/png", "which is none of image/png"),
    "a page called a picture": (PAGE, "image/png", "which is none of image/png"),
    "a truncated PNG": (png(256, 256)[:200], "image/png", "cannot be decoded"),
}


@BOTH_WAYS
@pytest.mark.parametrize("spoilt", SPOILT)
async def test_bytes_that_cannot_be_read_are_paid_for_once_named_and_kept_as_they_came(
    tmp_path: Path, way: str, spoilt: str
) -> None:
    data, media_type, says = SPOILT[spoilt]
    async with desk_at(tmp_path, way) as desk:
        desk.send(data, media_type)
        render = await desk.render()
        assert (render.outcome, round(render.usd * 1_000_000)) == ("failed", WAYS[way][1])
        assert says in render.reason
        claimed = media_type if way == "by address" or data[:4] == png()[:4] else "application/octet-stream"
        assert await desk.kept(render, claimed) == data
        assert desk.booked == ("failed", "billed", WAYS[way][1], "call-1")
        again = await desk.render()
        assert (again.outcome, again.usd, desk.drawn) == ("failed", render.usd, 1)


@BOTH_WAYS
async def test_a_picture_in_inks_with_a_profile_is_a_picture(tmp_path: Path, way: str) -> None:
    inks = cmyk_jpeg(png(64, 64))
    async with desk_at(tmp_path, way) as desk:
        desk.send(inks, "image/jpeg")
        render = await desk.render()
        assert render.outcome == "rendered", render.reason
        assert render.pictures is not None
        assert await desk.store.get(render.pictures.original) == inks
        assert render.pictures.original.media_type == "image/jpeg"
        with Image.open(io.BytesIO(await desk.store.get(render.pictures.image))) as image:
            red, green, blue = image.convert("RGB").getpixel((32, 32))
        # Navy is (0, 0, 128).
        assert blue > 80 > 40 > max(red, green)
        assert desk.booked == ("image", "billed", WAYS[way][1], "call-1")


@BOTH_WAYS
@pytest.mark.parametrize("answer", ["a page", "five gigabytes"])
async def test_what_is_no_answer_is_named_and_has_a_price_that_nobody_knows(
    tmp_path: Path, way: str, answer: str
) -> None:
    headers = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nx-request-id: call-1\r\nConnection: close\r\n"
    length = len(PAGE) if answer == "a page" else 5_000_000_000
    async with desk_at(tmp_path, way) as desk:
        desk.player.answers["/v2"] = headers + f"Content-Length: {length}\r\n\r\n".encode() + PAGE
        render = await desk.render()
        assert render.outcome == "failed"
        assert ("Please wait" if answer == "a page" else "answer is larger than") in render.reason
        assert desk.booked == ("failed", "unknown", None, "call-1")
        again = await desk.render()
        assert (again.outcome, desk.drawn) == ("failed", 1)


@pytest.mark.parametrize("answer", ["a page", "five gigabytes"])
async def test_a_picture_that_is_drawn_and_cannot_be_fetched_is_booked_under_its_name(
    tmp_path: Path, answer: str
) -> None:
    headers = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
    length = len(PAGE) if answer == "a page" else 5_000_000_000
    async with desk_at(tmp_path, "by address") as desk:
        desk.send(png(), "image/png")
        desk.player.answers["/p.png"] = headers + f"Content-Length: {length}\r\n\r\n".encode() + PAGE
        render = await desk.render()
        assert render.outcome == "failed"
        assert (
            "drawn and billed by its provider, which calls it call-1, and could not be fetched"
            in render.reason
        )
        assert render.usd == 0.06
        assert desk.booked == ("failed", "billed", 60_000, "call-1")
        assert desk.drawn == 1
