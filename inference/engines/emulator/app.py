"""The emulator's server: the plain render contract, answered with our own typography.

POST /render   {"prompt", "width", "height", and optionally "seed", "engine", ...} -> image/png
GET  /healthz  {"ok": true}
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from random import Random
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from inference.engines.emulator.drawing import Drawing, Undrawable
from inference.engines.emulator.profiles import DEFAULT, Profile, Profiles
from schemas.events import Seed, Side

MAX_BODY = 256 * 1024
MAX_WAITING = 256

Sleep = Callable[[float], Awaitable[None]]
Draw = Callable[[Drawing], bytes]

_log = logging.getLogger(__name__)


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """The request body; fields it does not know are ignored, as the contract allows more."""

    prompt: Annotated[str, Meta(min_length=1, max_length=40_000)]
    width: Side
    height: Side
    seed: Seed | None = None
    engine: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,200}$")] = DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """What the server runs on. `draw` blocks, so it runs in `executor`; `pace` scales every delay."""

    profiles: Profiles
    draw: Draw
    executor: Executor
    sleep: Sleep = asyncio.sleep
    pace: float = 1.0


def make_app(emulator: Emulator) -> Starlette:
    """The ASGI application. Beyond 256 requests at once it answers 503 with Retry-After."""
    waiting = 0

    async def render(request: Request) -> Response:
        nonlocal waiting
        if waiting >= MAX_WAITING:
            return _error(503, "overloaded", f"{waiting} requests are waiting", {"Retry-After": "1"})
        waiting += 1
        try:
            return await _render(emulator, request)
        finally:
            waiting -= 1

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"ok": True, "waiting": waiting, "engines": sorted(emulator.profiles)})

    return Starlette(
        routes=[Route("/render", render, methods=["POST"]), Route("/healthz", healthz, methods=["GET"])]
    )


async def _render(emulator: Emulator, request: Request) -> Response:
    body = await _body(request)
    if body is None:
        return _error(413, "too_large", f"the body may have at most {MAX_BODY} bytes")
    try:
        ask = msgspec.json.decode(body, type=Ask)
    except msgspec.DecodeError as error:
        return _error(400, "invalid_request", str(error))
    profile = emulator.profiles.get(ask.engine, emulator.profiles[DEFAULT])
    seed = ask.seed if ask.seed is not None else _own_seed(ask, request.headers.get("idempotency-key", ""))
    dice = dice_of(ask, seed)
    await emulator.sleep(profile.delay(dice) * emulator.pace)
    refusal = profile.refusal(ask.prompt, dice)
    if refusal is not None:
        return _error(422, "refused", f"{ask.engine} does not draw this: {refusal}")
    return await _picture(emulator, ask, profile, seed)


async def _picture(emulator: Emulator, ask: Ask, profile: Profile, seed: int) -> Response:
    drawing = Drawing(
        prompt=ask.prompt,
        width=ask.width,
        height=ask.height,
        seed=seed,
        engine=ask.engine,
        misspell=profile.misspell,
        style=profile.style or ask.engine,
    )
    try:
        png = await asyncio.get_running_loop().run_in_executor(emulator.executor, emulator.draw, drawing)
    except Undrawable as error:
        return _error(400, "unsupported", str(error))
    except Exception:
        _log.exception("drawing failed: engine %s, seed %d, %dx%d", ask.engine, seed, ask.width, ask.height)
        return _error(500, "internal", "drawing failed; the emulator's log says why")
    headers = {
        "X-Seed": str(seed),
        "X-Model": f"emulator:{ask.engine}",
        "X-Emulated": "true",
        "X-Finish-Reason": "SUCCESS",
    }
    return Response(png, media_type="image/png", headers=headers)


def dice_of(ask: Ask, seed: int) -> Random:
    """Dice for the course of one answer: the same request rolls the same, another seed anew."""
    return Random(f"course\x1f{ask.engine}\x1f{seed}\x1f{ask.prompt}")


def _own_seed(ask: Ask, key: str) -> int:
    """Where no seed is sent: by the idempotency key, so that a repeated request repeats its picture."""
    return int.from_bytes(hashlib.sha256(f"{key}\x1f{ask.prompt}".encode()).digest()[:4], "big")


async def _body(request: Request) -> bytes | None:
    """The body, or None as soon as it is too large."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
    return b"".join(parts)


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    answer = {"error": {"code": code, "message": message}}
    return JSONResponse(answer, status, headers={"X-Emulated": "true", **(headers or {})})
