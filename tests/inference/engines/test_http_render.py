from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import pytest
from PIL import Image

from inference.engines.base import Broken, EngineError, Refused, Transient, Uncertain, Unsupported
from inference.engines.http_errors import retry_after_s
from inference.engines.http_render import HttpRenderEngine, Server
from schemas.events import Spec

Reply = Callable[..., bytes]


class MakeSpec(Protocol):
    def __call__(self, prompt: str = ..., *texts: str, **changes: Any) -> Spec: ...


class Script(Protocol):
    url: str
    heard: list[Any]


Serve = Callable[[Any], Awaitable[Script]]


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "navy").save(out, "PNG")
    return out.getvalue()


def make_engine(url: str, **changes: Any) -> HttpRenderEngine:
    settings: dict[str, Any] = {
        "url": url,
        "engine": "http_render",
        "model": "their-model",
        "usd": lambda _width, _height, _seconds: 0.04,
    }
    return HttpRenderEngine(Server(**{**settings, **changes}))


async def failure(url: str, spec: Spec, **changes: Any) -> EngineError:
    engine = make_engine(url, **changes)
    with pytest.raises(EngineError) as caught:
        await engine.render(spec)
    await engine.aclose()
    return caught.value


async def test_the_request_is_the_brief_s_contract_and_nothing_more(
    serve_script: Serve, http_reply: Reply, make_spec: MakeSpec
) -> None:
    server = await serve_script(http_reply(200, {"Content-Type": "image/png"}, png()))
    engine = make_engine(server.url)
    picture = await engine.keyed("abc").render(make_spec("A poster", steps=20, guidance=4.5))
    await engine.aclose()
    heard = server.heard[0]
    assert heard.line == "POST /draw HTTP/1.1"
    assert json.loads(heard.body) == {"prompt": "A poster", "width": 256, "height": 192}
    assert heard.headers["idempotency-key"] == "abc"
    assert heard.headers["content-type"] == "application/json"
    assert (picture.data, picture.media_type, picture.usd) == (png(), "image/png", 0.04)
    assert (picture.model, picture.emulated, picture.used) == ("their-model", False, {})


async def test_optional_fields_go_only_to_servers_that_take_them(
    serve_script: Serve, http_reply: Reply, make_spec: MakeSpec
) -> None:
    server = await serve_script(http_reply(200, {"Content-Type": "image/png"}, png()))
    engine = make_engine(server.url, fields=("seed", "steps", "negative_prompt", "engine"))
    await engine.render(make_spec("A poster", steps=20, guidance=4.5, negative_prompt="fog"))
    await engine.aclose()
    body = json.loads(server.heard[0].body)
    assert body == {
        "prompt": "A poster",
        "width": 256,
        "height": 192,
        "seed": 7,
        "steps": 20,
        "negative_prompt": "fog",
        "engine": "http_render",
    }
    assert "idempotency-key" not in server.heard[0].headers


def error_json(code: str, message: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": message}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (422, error_json("refused", "no gore"), Refused, "HTTP 422: refused: no gore"),
        (422, b"", Refused, "HTTP 422"),
        (422, b'{"detail": [{"loc": ["body", "prompt"], "msg": "missing"}]}', Unsupported, "HTTP 422"),
        (400, error_json("moderation_blocked", "safety_violations=[x]"), Refused, "moderation_blocked"),
        (400, error_json("content_policy_violation", "x"), Refused, "content_policy_violation"),
        (400, error_json("invalid_request", "width must be even"), Unsupported, "width must be even"),
        (401, b"who are you", Unsupported, "is the key right"),
        (402, b"", Unsupported, "no credit"),
        (404, b"", Unsupported, "is the address right"),
        (408, b"", Transient, "HTTP 408"),
        (413, b"", Unsupported, "HTTP 413"),
        (429, b'{"detail": "slow down"}', Transient, "slow down"),
        (500, b"<html>\n oops", Uncertain, "<html> oops; outcome unknown, it may have been billed"),
        (500, b'{"error": "internal"}', Uncertain, "internal"),
        (502, b"", Uncertain, "HTTP 502"),
        (503, b"", Transient, "HTTP 503"),
        (524, b"", Uncertain, "HTTP 524"),
        (204, b"", Broken, "HTTP 204"),
        (302, b"", Broken, "HTTP 302"),
    ],
)  # fmt: skip
async def test_each_status_becomes_its_error(
    serve_script: Serve,
    http_reply: Reply,
    make_spec: MakeSpec,
    status: int,
    body: bytes,
    kind: type[EngineError],
    words: str,
) -> None:
    server = await serve_script(http_reply(status, {"Content-Type": "application/json"}, body))
    error = await failure(server.url, make_spec())
    assert type(error) is kind
    assert words in str(error)
    assert str(error).startswith("http_render: ")
    assert len(server.heard) == 1


async def test_retry_after_is_handed_on(serve_script: Serve, http_reply: Reply, make_spec: MakeSpec) -> None:
    server = await serve_script(http_reply(429, {"Retry-After": "17"}))
    error = await failure(server.url, make_spec())
    assert isinstance(error, Transient)
    assert error.after_s == 17.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "-3"}, 0.0),
        (
            {"retry-after": "Mon, 23 Nov 2026 10:00:30 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"},
            30.0,
        ),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:30 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e9"}, 86_400.0),
        ({"retry-after": "9" * 400}, None),
        (
            {"retry-after": "Fri, 31 Dec 9999 23:59:59 -2300", "date": "Mon, 01 Jan 0001 00:00:00 +2300"},
            86_400.0,
        ),
        ({}, None),
    ],
)
def test_retry_after_is_read_as_a_number_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


async def test_a_body_that_trickles_cannot_outlast_the_time_out(
    serve_script: Serve, make_spec: MakeSpec
) -> None:
    async def trickle(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    server = await serve_script(trickle)
    error = await failure(server.url, make_spec(), timeout_s=0.3)
    assert isinstance(error, Uncertain)
    assert "outcome unknown" in str(error)


async def test_a_refused_connection_is_transient_and_nothing_was_sent(make_spec: MakeSpec) -> None:
    listener = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    error = await failure(f"http://127.0.0.1:{port}/draw", make_spec())
    assert isinstance(error, Transient)
    assert "no connection" in str(error)
    assert "unknown" not in str(error)


async def test_an_error_page_with_status_200_is_broken_and_quoted(
    serve_script: Serve, http_reply: Reply, make_spec: MakeSpec
) -> None:
    page = b"<html><body>Gateway\n is sad</body></html>"
    server = await serve_script(http_reply(200, {"Content-Type": "text/html"}, page))
    error = await failure(server.url, make_spec())
    assert isinstance(error, Broken)
    assert "Gateway is sad" in str(error)


async def test_reading_stops_at_the_size_limit(serve_script: Serve, make_spec: MakeSpec) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nConnection: close\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65536)
            await writer.drain()

    server = await serve_script(endless)
    error = await failure(server.url, make_spec(), max_bytes=200_000)
    assert isinstance(error, Broken)
    assert "larger than 200000 bytes" in str(error)


async def test_a_compressed_answer_is_not_unpacked(
    serve_script: Serve, http_reply: Reply, make_spec: MakeSpec
) -> None:
    headers = {"Content-Type": "image/png", "Content-Encoding": "gzip"}
    server = await serve_script(http_reply(200, headers, gzip.compress(png())))
    error = await failure(server.url, make_spec())
    assert isinstance(error, Broken)
    assert server.heard[0].headers["accept-encoding"] == "identity"


async def test_a_withheld_picture_is_refused_though_the_status_is_200(
    serve_script: Serve, http_reply: Reply, make_spec: MakeSpec
) -> None:
    headers = {"Content-Type": "image/png", "X-Finish-Reason": "CONTENT_FILTERED"}
    server = await serve_script(http_reply(200, headers, png()))
    error = await failure(server.url, make_spec())
    assert isinstance(error, Refused)


async def test_a_background_is_not_dropped_in_silence(make_spec: MakeSpec) -> None:
    engine = make_engine("http://127.0.0.1:9/")
    with pytest.raises(Unsupported, match="`layout` does"):
        await engine.render(make_spec(), background=png())
    await engine.aclose()


async def test_the_key_is_sent_and_never_shown(
    serve_script: Serve, http_reply: Reply, make_spec: MakeSpec
) -> None:
    server = await serve_script(http_reply(401, {}, b"bad key"))
    error = await failure(server.url, make_spec(), key="sesame-123")
    assert server.heard[0].headers["authorization"] == "Bearer sesame-123"
    settings = Server(url="http://x", engine="e", model="m", usd=lambda *_: 0.0, key="sesame-123")
    assert "sesame" not in str(error) + repr(settings)


async def test_no_more_requests_are_under_way_than_the_engine_allows(
    serve_script: Serve, http_reply: Reply, make_spec: MakeSpec
) -> None:
    under_way, most = 0, 0
    both, go = asyncio.Event(), asyncio.Event()

    async def answer(writer: asyncio.StreamWriter) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 2:
            both.set()
        await go.wait()
        under_way -= 1
        writer.write(http_reply(200, {"Content-Type": "image/png"}, png()))
        await writer.drain()

    server = await serve_script(answer)
    engine = make_engine(server.url, in_flight=2)
    renders = [asyncio.create_task(engine.render(make_spec())) for _ in range(6)]
    await asyncio.wait_for(both.wait(), 10)
    go.set()
    await asyncio.gather(*renders)
    await engine.aclose()
    assert most == 2
    assert len(server.heard) == 6
