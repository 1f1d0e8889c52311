"""What comes instead of a picture, over the real wire: by each adapter, and by both ways a picture comes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import io
import re
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from inference.engines.base import Broken, EngineError, Picture, Transient, Uncertain
from inference.engines.emulator.pictures import cmyk_profile
from inference.engines.transport import ANSWER_BYTES
from inference.pictures import MAX_BYTES, PictureError, normalise
from tests.inference.engines.playback import SPEC, SUCCESSES, Answer, Case, engine_at, playing, png, reply

PAGE = b"<!DOCTYPE html><html><body><h1>Please wait</h1></body></html>"
FIVE_GB, MIB = 5_000_000_000, 1024 * 1024
EACH = pytest.mark.parametrize("case", SUCCESSES, ids=lambda case: case.name)


def by_address(case: Case) -> bool:
    return b"{HERE}" in case.bytes_at("{HERE}")


IN_BODY = next(case for case in SUCCESSES if case.name == "stability-drawn")
AT_ADDRESS = next(case for case in SUCCESSES if case.name == "ideogram_v2-drawn")
BOTH_WAYS = pytest.mark.parametrize("case", [IN_BODY, AT_ADDRESS], ids=["in the body", "by address"])
ADDRESSED = pytest.mark.parametrize(
    "case", [case for case in SUCCESSES if by_address(case)], ids=lambda case: case.name
)


def gif() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "navy").save(out, "GIF")
    return out.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes that says it is 9,000 pixels wide and high."""
    data = bytearray(png())
    data[16:24] = (9_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


def claims(case: Case) -> bool:
    """Whether the provider says of what kind its picture is."""
    body = case.bytes_at("")
    return by_address(case) or b'"image/png"' in body or b"output_format" in body


async def outcome(case: Case, answer: bytes | Answer, picture: bytes | Answer = b"") -> Picture | EngineError:
    """What the engine of `case` makes of `answer`, its provider keeping `picture` at every address."""
    async with playing({}) as player:
        player.answers = {"/picture": picture, "/api/images": picture}
        whole: bytes | Answer = answer
        if isinstance(answer, bytes):
            head, gap, body = answer.replace(b"{HERE}", player.url.encode()).partition(b"\r\n\r\n")
            whole = re.sub(rb"(?<=Content-Length: )\d+", str(len(body)).encode(), head) + gap + body
        player.answers["/"] = whole
        engine = engine_at(player.url, case.engine)
        try:
            return await engine.render(case.spec)
        except EngineError as error:
            return error
        finally:
            await engine.aclose()
            drawn = [heard for heard in player.heard if heard.method == "POST"]
            assert len(drawn) == 1, "a request was repeated"


async def handed_on(case: Case, data: bytes, media_type: str) -> Picture | EngineError:
    """`data` in the place of the recorded picture, claimed to be of `media_type`."""
    answer = case.bytes_at("{HERE}").replace(base64.b64encode(png()), base64.b64encode(data))
    answer = answer.replace(b'"image/png"', f'"{media_type}"'.encode())
    answer = answer.replace(b'"output_format": "png"', f'"output_format": "{media_type[6:]}"'.encode())
    return await outcome(case, answer, reply(200, {"Content-Type": media_type}, data))


SPOILT = {
    "a GIF": (gif(), "image/png", "which is none of image/png"),
    "a page called a picture": (PAGE, "image/png", "which is none of image/png"),
    "cut short": (png(256, 256)[:200], "image/png", "cannot be decoded"),
    "a bomb": (bomb(), "image/png", "9000x9000 is 81000000 pixels; at most"),
    "another kind": (png(), "image/webp", "is image/png by its first bytes; claimed 'image/webp'"),
}


@pytest.mark.parametrize("spoilt", SPOILT)
@EACH
async def test_bytes_that_are_paid_for_and_came_whole_are_handed_on_with_the_error_they_will_give(
    case: Case, spoilt: str
) -> None:
    data, media_type, says = SPOILT[spoilt]
    picture = await handed_on(case, data, media_type)
    assert isinstance(picture, Picture), picture
    assert picture.data == data
    assert picture.usd == pytest.approx(case.expect["usd"])
    assert picture.request_id == case.expect.get("request_id", "")
    if spoilt == "another kind" and not claims(case):
        assert normalise(picture.data, picture.media_type).width == 8
        return
    with pytest.raises(PictureError, match=says):
        normalise(picture.data, picture.media_type)


def grey_of(lightness: float) -> float:
    """sRGB's value for L* (CIE 15, IEC 61966-2-1), of 0 to 255."""
    linear = ((lightness + 16) / 116) ** 3 if lightness > 8 else lightness / 903.3
    return 255 * (12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055)


@EACH
async def test_a_picture_in_inks_is_shown_in_the_colours_that_its_profile_means(case: Case) -> None:
    inked = np.repeat(np.arange(0, 256, 51, dtype=np.uint8), 16)
    none = Image.new("L", (len(inked), 16), 0)
    out = io.BytesIO()
    black = Image.fromarray(np.tile(inked, (16, 1)))
    Image.merge("CMYK", (none, none, none, black)).save(out, "JPEG", quality=95, icc_profile=cmyk_profile())
    inks = out.getvalue()
    with Image.open(io.BytesIO(inks)) as image:
        assert (image.format, image.mode, bool(image.info["icc_profile"])) == ("JPEG", "CMYK", True)
    picture = await handed_on(case, inks, "image/jpeg")
    assert isinstance(picture, Picture), picture
    assert (picture.data, picture.media_type) == (inks, "image/jpeg")
    with Image.open(io.BytesIO(normalise(picture.data, picture.media_type).png)) as image:
        assert image.mode == "RGB"
        shown = np.asarray(image).astype(float)[8, 8::16]
    # By this profile more ink darkens L* in equal steps; without it sRGB's values would fall so.
    meant = np.array([grey_of(100 - 100 * int(ink) / 255) for ink in inked[8::16]])
    assert np.abs(shown - meant[:, None]).max() < 4
    assert np.abs(meant - (255 - inked[8::16])).max() > 8


@EACH
async def test_a_page_instead_of_an_answer_is_quoted_and_may_have_cost(case: Case) -> None:
    error = await outcome(case, reply(200, {"Content-Type": "text/html", "x-request-id": "req-1"}, PAGE))
    assert isinstance(error, Broken)
    assert (error.kind, error.billed, error.usd, error.request_id) == ("unclear", "unknown", None, "req-1")
    assert "Please wait" in str(error)


@ADDRESSED
async def test_a_page_instead_of_the_picture_is_asked_past_and_then_billed_by_name(case: Case) -> None:
    tries = 0

    async def page(writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        tries += 1
        writer.write(reply(200, {"Content-Type": "text/html; charset=utf-8"}, PAGE))

    error = await outcome(case, case.bytes_at("{HERE}"), page)
    assert isinstance(error, Broken)
    assert (error.kind, error.billed, tries) == ("unclear", "billed", 3)
    assert error.usd == pytest.approx(case.expect["usd"])
    assert error.request_id == case.expect.get("request_id", "")
    assert "HTTP 200 of 'text/html; charset=utf-8'" in str(error)
    assert "Please wait" in str(error)


@ADDRESSED
@pytest.mark.parametrize("claimed", ["text/html", "", "application/octet-stream"])
async def test_a_picture_that_is_called_something_else_is_not_lost(case: Case, claimed: str) -> None:
    picture = await outcome(case, case.bytes_at("{HERE}"), reply(200, {"Content-Type": claimed}, png()))
    assert isinstance(picture, Picture), picture
    assert picture.data == png()
    assert picture.media_type == (claimed if claimed == "text/html" else "image/png")


class Flood:
    """An answer of 5 GB, announced or not; it counts what it got rid of."""

    def __init__(self, *, announced: bool) -> None:
        length = f"Content-Length: {FIVE_GB}\r\n" if announced else ""
        self.head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nx-request-id: req-5\r\n{length}\r\n".encode()
        )
        self.sent = 0

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        writer.write(self.head)
        filler = b" " * MIB
        with contextlib.suppress(ConnectionError):
            while self.sent < FIVE_GB and not writer.is_closing():
                writer.write(filler)
                await writer.drain()
                self.sent += len(filler)


@EACH
async def test_five_gigabytes_that_are_announced_are_not_read(case: Case) -> None:
    flood = Flood(announced=True)
    error = await outcome(case, flood)
    assert isinstance(error, Broken)
    assert (error.kind, error.billed, error.request_id) == ("unclear", "unknown", "req-5")
    assert f"answer is larger than {ANSWER_BYTES} bytes" in str(error)
    assert flood.sent < 32 * MIB


@ADDRESSED
async def test_five_gigabytes_instead_of_the_picture_are_billed_and_not_read(case: Case) -> None:
    flood = Flood(announced=True)
    error = await outcome(case, case.bytes_at("{HERE}"), flood)
    assert isinstance(error, Broken)
    assert (error.kind, error.billed) == ("unclear", "billed")
    assert error.usd == pytest.approx(case.expect["usd"])
    assert error.request_id == case.expect.get("request_id", "")
    assert f"larger than {MAX_BYTES} bytes" in str(error)
    assert flood.sent < 32 * MIB


async def cut_at_the_limit(case: Case, answer: bytes | Answer) -> int:
    """The limit at which `answer` is cut where the picture of `case` comes, having never been held."""
    addressed = by_address(case)
    limit = MAX_BYTES if addressed else ANSWER_BYTES
    tracemalloc.start()
    try:
        error = await outcome(case, case.bytes_at("{HERE}") if addressed else answer, answer)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(error, Broken)
    assert f"answer is larger than {limit} bytes; reading stopped there" in str(error)
    assert error.billed == ("billed" if addressed else "unknown")
    assert peak < 1.5 * limit
    return limit


@BOTH_WAYS
async def test_five_gigabytes_without_a_word_are_cut_and_never_held(case: Case) -> None:
    flood = Flood(announced=False)
    limit = await cut_at_the_limit(case, flood)
    assert flood.sent < limit + 32 * MIB


@BOTH_WAYS
async def test_a_packet_that_unpacks_without_measure_is_cut_at_the_same_limit(case: Case) -> None:
    packed = gzip.compress(bytes(ANSWER_BYTES + MIB), 1)
    await cut_at_the_limit(case, reply(200, {"Content-Encoding": "gzip"}, packed))


@EACH
async def test_an_answer_that_breaks_off_has_the_name_that_came_before(case: Case) -> None:
    async def hang_up_midway(writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nx-request-id: req-6\r\n\r\n{"data": [')
        await writer.drain()

    error = await outcome(case, hang_up_midway)
    assert isinstance(error, Uncertain)
    assert (error.kind, error.billed, error.request_id) == ("unknown", "unknown", "req-6")


@pytest.mark.parametrize(
    ("engine", "body", "name"),
    [
        ("ideogram-4.5", b'{"generation_id": "gen-6", "data": [', "gen-6"),
        ("gemini-3.1-flash-image", b'{"responseId" : "r-6", "candidates": [', "r-6"),
        ("gemini-3.1-flash-image", b'{"text": "\\"responseId\\": \\"forged\\"", "x": [', ""),
    ],
)
@pytest.mark.parametrize("announced", [True, False], ids=["broken off", "closed early"])
async def test_a_name_in_a_body_that_ends_early_is_found(
    engine: str, body: bytes, name: str, announced: bool
) -> None:
    case = next(case for case in SUCCESSES if case.engine == engine)

    async def early(writer: asyncio.StreamWriter) -> None:
        length = b"Content-Length: 1000\r\n" if announced else b""
        writer.write(b"HTTP/1.1 200 OK\r\n" + length + b"Connection: close\r\n\r\n" + body)
        await writer.drain()

    error = await outcome(case, early)
    assert isinstance(error, Uncertain if announced else Broken)
    assert (error.billed, error.request_id) == ("unknown", name)


async def test_who_sends_no_pictures_again_and_again_is_not_asked_for_more_of_them() -> None:
    page = reply(200, {"Content-Type": "image/png"}, PAGE)
    async with playing({"/api/images": page}) as player:
        player.answers["/"] = AT_ADDRESS.bytes_at(player.url)
        engine = engine_at(player.url, AT_ADDRESS.engine)
        for _ in range(5):
            assert (await engine.render(SPEC)).data == PAGE
        with pytest.raises(Transient, match=r"not asked, since it answered: ideogram-4\.5: starts with"):
            await engine.render(SPEC)
        await engine.aclose()
