"""The emulator's server: the plain render contract and each hosted one, answered with our own typography.

POST /render   {"prompt", "width", "height", and optionally "seed", "engine", ...} -> image/png
POST           /v1beta/models/{model}:predict | :generateContent      Google
               /v1/images/generations                                 OpenAI
               /generate, /v2/image/generate/{model}                  Ideogram
               /v2beta/stable-image/generate/sd3                      Stability
GET            /v2/generations/{id}, /api/images/ephemeral/{name}     what a provider keeps
GET            /healthz, /__ledger?after=N    POST /__scripts, /__plan    for whoever runs it
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from inference.engines.emulator.contracts.base import opaque
from inference.engines.emulator.controls import control_routes
from inference.engines.emulator.core import Emulator
from inference.engines.emulator.delivery import EMULATED, with_transport
from inference.engines.emulator.drawing import Drawing, Undrawable
from inference.engines.emulator.hosted import CONTRACTS, hosted_routes
from inference.engines.emulator.intake import MAX_BODY, MAX_WAITING, Waiting, error, read_body
from inference.engines.emulator.ledger import Outcome
from inference.engines.emulator.profiles import DEFAULT, Profile
from schemas.events import Seed, Side

__all__ = ["MAX_BODY", "MAX_WAITING", "Emulator", "make_app"]

_log = logging.getLogger(__name__)


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """The request body; fields it does not know are ignored, as the contract allows more."""

    prompt: Annotated[str, Meta(min_length=1, max_length=40_000)]
    width: Side
    height: Side
    seed: Seed | None = None
    engine: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,200}$")] = DEFAULT


def make_app(emulator: Emulator) -> ASGIApp:
    """The ASGI application. Beyond 256 requests at once it is overloaded, in the words of each contract."""
    waiting = Waiting()

    async def render(request: Request) -> Response:
        if waiting.full:
            return error(503, "overloaded", f"{waiting.now} requests are waiting", {"Retry-After": "1"})
        with waiting.one_more():
            return await _render(emulator, request)

    async def healthz(_request: Request) -> Response:
        contracts = sorted({contract.name for contract in CONTRACTS.values()})
        engines = sorted(emulator.profiles)
        return JSONResponse({"ok": True, "waiting": waiting.now, "engines": engines, "contracts": contracts})

    own = [Route("/render", render, methods=["POST"]), Route("/healthz", healthz, methods=["GET"])]
    routes = [*own, *hosted_routes(emulator, waiting), *control_routes(emulator)]
    return with_transport(Starlette(routes=routes))


async def _render(emulator: Emulator, request: Request) -> Response:
    body = await read_body(request)
    if body is None:
        return error(413, "too_large", f"the body may have at most {MAX_BODY} bytes")
    try:
        ask = msgspec.json.decode(body, type=Ask)
    except msgspec.DecodeError as wrong:
        return error(400, "invalid_request", str(wrong))
    profile = emulator.profiles.get(ask.engine, emulator.profiles[DEFAULT])
    key = request.headers.get("idempotency-key", "")[:200]
    seed = ask.seed if ask.seed is not None else _own_seed(ask, key)
    dice = profile.dice(ask.engine, seed, ask.prompt)
    await emulator.sleep(profile.delay(dice) * emulator.pace)
    refusal = profile.refusal(ask.prompt, dice)
    if refusal is not None:
        answer = error(422, "refused", f"{ask.engine} does not draw this: {refusal}")
        outcome: Outcome = "refused_prompt"
    else:
        answer = await _picture(emulator, ask, profile, seed)
        outcome = "image" if answer.status_code == 200 else "failed"
    _note(emulator, ask, seed, key, outcome, answer.status_code)
    return answer


def _note(emulator: Emulator, ask: Ask, seed: int, key: str, outcome: Outcome, status: int) -> None:
    """A row at no cost: this contract has no price, and it honours the key."""
    emulator.ledger.write(
        id=opaque("render", ask.engine, ask.prompt, seed, key),
        contract="render",
        outcome=outcome,
        status=status,
        model=ask.engine,
        prompt=ask.prompt,
        images=1,
        seed=seed,
        key=key,
    )


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
    except Undrawable as wrong:
        return error(400, "unsupported", str(wrong))
    except Exception:
        _log.exception("drawing failed: engine %s, seed %d, %dx%d", ask.engine, seed, ask.width, ask.height)
        return error(500, "internal", "drawing failed; the emulator's log says why")
    headers = {
        **EMULATED,
        "X-Seed": str(seed),
        "X-Model": f"emulator:{ask.engine}",
        "X-Finish-Reason": "SUCCESS",
    }
    return Response(png, media_type="image/png", headers=headers)


def _own_seed(ask: Ask, key: str) -> int:
    """Where no seed is sent: by the idempotency key, so that a repeated request repeats its picture."""
    return int.from_bytes(hashlib.sha256(f"{key}\x1f{ask.prompt}".encode()).digest()[:4], "big")
