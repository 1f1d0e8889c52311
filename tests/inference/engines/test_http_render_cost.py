"""What a stranger's server may cost: its own word for it, its lost answers, what came for the money."""

from __future__ import annotations

import asyncio
import datetime as dt
import traceback

import msgspec
import pytest

from inference.engines.base import Broken, Refused, Transient, Uncertain, Unsupported
from inference.engines.entries import Registry, load_registry
from inference.engines.http_render import HttpRenderEngine, Server
from inference.engines.registry import Engines
from inference.pictures import PictureError, normalise
from tests.inference.engines.test_http_render import MakeSpec, Reply, Serve, failure, make_engine, png


async def test_what_the_server_says_of_its_picture_is_believed(
    serve_script: Serve, http_reply: Reply, make_spec: MakeSpec
) -> None:
    said = {"X-Seed": "99", "X-Cost-Usd": "0.013", "X-Model": "rev-2", "X-Emulated": "true"}
    server = await serve_script(http_reply(200, {"Content-Type": "image/png; q=1", **said}, png()))
    engine = make_engine(server.url)
    picture = await engine.render(make_spec(negative_prompt="fog"))
    await engine.aclose()
    assert (picture.usd, picture.model, picture.emulated) == (0.013, "rev-2", True)
    assert picture.used == {"seed": 99, "negative_prompt": ""}


@pytest.mark.parametrize("cost", ["free", "nan", "-1", "inf"])
async def test_a_price_that_is_none_leaves_the_list_price(
    serve_script: Serve, http_reply: Reply, make_spec: MakeSpec, cost: str
) -> None:
    server = await serve_script(http_reply(200, {"Content-Type": "image/png", "X-Cost-Usd": cost}, png()))
    engine = make_engine(server.url)
    assert (await engine.render(make_spec())).usd == 0.04
    await engine.aclose()


@pytest.mark.parametrize("honours_key", [True, False])
async def test_no_answer_in_time_is_of_unknown_outcome_and_asked_again_only_by_a_key_that_counts(
    serve_script: Serve, make_spec: MakeSpec, honours_key: bool
) -> None:
    async def hang(_writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    server = await serve_script(hang)
    error = await failure(server.url, make_spec(), timeout_s=0.2, honours_key=honours_key)
    assert isinstance(error, Transient if honours_key else Uncertain)
    assert (error.kind, error.billed) == ("unknown", "unknown")
    assert "no answer in 0.2 s; outcome unknown" in str(error)


async def test_a_connection_cut_in_the_picture_is_of_unknown_outcome(
    serve_script: Serve, make_spec: MakeSpec
) -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 5000\r\n\r\n" + png()
    server = await serve_script(cut)
    error = await failure(server.url, make_spec())
    assert isinstance(error, Uncertain)
    assert error.billed == "unknown"
    assert "connection lost" in str(error)
    assert "outcome unknown" in str(error)


@pytest.mark.parametrize(
    ("content_type", "body", "words"),
    [
        ("image/jpeg", png(), "is image/png by its first bytes; claimed 'image/jpeg'"),
        ("image/png", b"GIF89a.......", "none of image/png"),
    ],
)
async def test_a_picture_that_is_not_what_it_claims_is_handed_on_with_its_price(
    serve_script: Serve,
    http_reply: Reply,
    make_spec: MakeSpec,
    content_type: str,
    body: bytes,
    words: str,
) -> None:
    server = await serve_script(http_reply(200, {"Content-Type": content_type, "X-Cost-Usd": "0.01"}, body))
    engine = make_engine(server.url)
    picture = await engine.render(make_spec())
    await engine.aclose()
    assert (picture.data, picture.media_type, picture.usd) == (body, content_type, 0.01)
    with pytest.raises(PictureError, match=words):
        normalise(picture.data, picture.media_type)


@pytest.mark.parametrize(
    ("cost", "billed", "usd"),
    [({}, "unknown", None), ({"X-Cost-Usd": "0.013"}, "billed", 0.013), ({"X-Cost-Usd": "0"}, "never", 0.0)],
    ids=["untold", "charged", "free"],
)
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "image/png", "X-Finish-Reason": "CONTENT_FILTERED"}, png()),
        ({"Content-Type": "image/png"}, b""),
        ({"Content-Type": "text/html"}, b"<html>"),
        ({"Content-Type": "image/png", "Content-Encoding": "gzip"}, b"x"),
        ({"Content-Type": "image/png"}, b"x" * 2000),
    ],
    ids=["withheld", "empty", "page", "packed", "large"],
)
async def test_an_answer_without_a_picture_costs_what_the_server_says(
    serve_script: Serve,
    http_reply: Reply,
    make_spec: MakeSpec,
    headers: dict[str, str],
    body: bytes,
    cost: dict[str, str],
    billed: str,
    usd: float | None,
) -> None:
    server = await serve_script(http_reply(200, {**headers, **cost}, body))
    error = await failure(server.url, make_spec(), max_bytes=1000)
    assert isinstance(error, (Refused, Broken))
    assert (error.billed, error.usd) == (billed, usd)


@pytest.mark.parametrize(("cost", "said"), [("0.04", False), ("0.05", True)])
async def test_a_price_above_the_most_by_the_registry_is_taken_and_said(
    serve_script: Serve, http_reply: Reply, make_spec: MakeSpec, cost: str, said: bool
) -> None:
    server = await serve_script(http_reply(200, {"Content-Type": "image/png", "X-Cost-Usd": cost}, png()))
    engine = make_engine(server.url)
    picture = await engine.render(make_spec())
    await engine.aclose()
    assert picture.usd == float(cost)
    assert ("$0.05; by the registry $0.04 is the most" in picture.note) == said


@pytest.mark.parametrize(
    ("status", "body", "billed"),
    [
        (502, b"", "unknown"),
        (500, b"<html>", "unknown"),
        (500, b'{"error": "busy"}', "never"),
        (503, b"", "never"),
    ],
)
async def test_a_server_that_honours_keys_is_asked_again_after_any_trouble_of_its_own(
    serve_script: Serve, http_reply: Reply, make_spec: MakeSpec, status: int, body: bytes, billed: str
) -> None:
    server = await serve_script(http_reply(status, {"Retry-After": "3"}, body))
    error = await failure(server.url, make_spec(), honours_key=True)
    assert isinstance(error, Transient)
    assert (error.billed, error.after_s) == (billed, 3.0)


async def test_a_refusal_whose_words_break_off_is_a_refusal(serve_script: Serve, make_spec: MakeSpec) -> None:
    server = await serve_script(b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\nwho are")
    assert isinstance(await failure(server.url, make_spec()), Unsupported)


@pytest.mark.parametrize("scheme", ["http", "ftp"])
async def test_no_error_shows_what_an_address_hides(make_spec: MakeSpec, scheme: str) -> None:
    url = f"{scheme}://user:passw0rd@127.0.0.1:9/draw?token=t0ken"
    error = await failure(url, make_spec(), key="sesame-123")
    shown = "".join(traceback.format_exception(error)) + repr(
        Server(url=url, engine="e", model="m", usd=lambda *_: 0.0)
    )
    assert f"{scheme}://127.0.0.1:9/draw" in str(error)
    assert not any(secret in shown for secret in ("passw0rd", "t0ken", "sesame"))
    assert error.__cause__ is None


async def test_a_key_that_no_header_holds_is_said_without_it(make_spec: MakeSpec) -> None:
    error = await failure("http://127.0.0.1:9/draw", make_spec(), key="sés\name")
    assert isinstance(error, Unsupported)
    assert "name" not in str(error)


async def test_a_stranger_s_server_is_trusted_with_keys_only_where_the_registry_says_so() -> None:
    registry = load_registry()
    known = msgspec.structs.replace(registry.get("http_render"), name="ours", honours_key=True)
    engines = Engines(
        Registry({**{entry.name: entry for entry in registry}, "ours": known}),
        today=lambda: dt.date(2026, 11, 23),
        render_url="http://127.0.0.1:9/draw",
        emulator_url="http://127.0.0.1:9",
        environ={},
    )
    trusted = {}
    for name in ("http_render", "ours", "ideogram-4.5"):
        engine = engines.engine(name)
        assert isinstance(engine, HttpRenderEngine)
        trusted[name] = engine.honours_key
    await engines.aclose()
    assert trusted == {"http_render": False, "ours": True, "ideogram-4.5": True}, "the emulator honours keys"
