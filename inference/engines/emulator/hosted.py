"""The routes of the hosted contracts, and of what their providers keep for a while."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inference.engines.emulator.contracts import ideogram
from inference.engines.emulator.contracts.base import (
    Answer,
    Contract,
    Receipt,
    Trouble,
    Turned,
    json_answer,
    opaque,
)
from inference.engines.emulator.contracts.gemini import Gemini
from inference.engines.emulator.contracts.ideogram_v1 import IdeogramV1
from inference.engines.emulator.contracts.ideogram_v2 import IdeogramV2, image
from inference.engines.emulator.contracts.imagen import Imagen
from inference.engines.emulator.contracts.openai import OpenAIImages
from inference.engines.emulator.contracts.stability import Stability
from inference.engines.emulator.core import Emulator, Generation
from inference.engines.emulator.counter import PICTURES, asked_of, fetched, serve
from inference.engines.emulator.delivery import delivered
from inference.engines.emulator.intake import MAX_BODY, Waiting, error, read_body
from inference.engines.emulator.scripts import Script, ScriptError

Endpoint = Callable[[Request], Awaitable[Response]]

CONTRACTS: Mapping[str, Contract] = {
    "/v1beta/models/{model}:predict": Imagen(),
    "/v1beta/models/{model}:generateContent": Gemini(),
    "/v1/images/generations": OpenAIImages(),
    "/generate": IdeogramV1(),
    "/v2/image/generate/{model}": IdeogramV2(),
    "/v2beta/stable-image/generate/sd3": Stability(),
}


def hosted_routes(emulator: Emulator, waiting: Waiting) -> list[Route]:
    async def picture(request: Request) -> Response:
        return await fetched(emulator, request.path_params["name"])

    async def generation(request: Request) -> Response:
        return delivered(_polled(emulator, request), Script(), emulator.sleep)

    counters = [
        Route(path, _counter(emulator, contract, waiting), methods=["POST"])
        for path, contract in CONTRACTS.items()
    ]
    kept = [Route(f"{PICTURES}/{{name}}", picture, methods=["GET"])]
    return [*counters, *kept, Route("/v2/generations/{id}", generation, methods=["GET"])]


def _counter(emulator: Emulator, contract: Contract, waiting: Waiting) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if waiting.full:
            return delivered(_overloaded(emulator, contract), Script(), emulator.sleep)
        with waiting.one_more():
            body = await read_body(request)
            if body is None:
                return error(413, "too_large", f"the body may have at most {MAX_BODY} bytes")
            try:
                return await serve(emulator, contract, request, body)
            except ScriptError as wrong:
                return error(400, "invalid_script", str(wrong))

    return endpoint


def _overloaded(emulator: Emulator, contract: Contract) -> Answer:
    receipt = Receipt(id=opaque(emulator.clock()), now=emulator.clock(), charged=False)
    return contract.without(None, Trouble(fault="overloaded"), receipt)


def _polled(emulator: Emulator, request: Request) -> Answer:
    """`GET /v2/generations/{id}`: developer.ideogram.ai/api-reference/generations/get-generation."""
    try:
        ideogram.check_key(asked_of(request, b"", emulator.clock()))
    except Turned as turned:
        return turned.answer
    name = cast(str, request.path_params["id"])
    found = emulator.shelf.generation(name)
    if found is None:
        return ideogram.error(404, f"There is no generation {name!r}.")
    created = dt.datetime.fromtimestamp(found.created, dt.UTC).isoformat().replace("+00:00", "Z")
    told: dict[str, object] = {"generation_id": name, "status": "pending", "created": created}
    if emulator.clock() < found.ready:
        return json_answer(200, told)
    return json_answer(200, {**told, "status": "completed", "response_type": "url", "data": _results(found)})


def _results(found: Generation) -> list[dict[str, object]]:
    order = found.order
    return [{"object_type": "image", **image(order, shot.seed, shot.url or None)} for shot in found.shots]
