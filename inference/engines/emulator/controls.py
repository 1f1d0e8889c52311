"""For whoever runs the emulator: its books, and what shall go wrong. No provider has these addresses."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from inference.engines.emulator.core import Emulator
from inference.engines.emulator.intake import MAX_BODY, error, read_body
from inference.engines.emulator.scripts import ScriptError, plan_of, steps_of


def control_routes(emulator: Emulator) -> list[Route]:
    async def ledger(request: Request) -> Response:
        after = request.query_params.get("after", "0")
        if not after.isdecimal():
            return error(400, "invalid_request", f"after: must be a row's number; got {after!r:.40}")
        return JSONResponse(emulator.ledger.told(int(after)))

    async def scripts(request: Request) -> Response:
        body = await read_body(request)
        try:
            steps = steps_of(body or b"")
        except ScriptError as wrong:
            return _refused(body, wrong)
        emulator.scripts.add(*steps)
        return JSONResponse({"added": len(steps)})

    async def plan(request: Request) -> Response:
        body = await read_body(request)
        try:
            emulator.scripts.set_plan(plan_of(body or b""))
        except ScriptError as wrong:
            return _refused(body, wrong)
        return JSONResponse({"set": True})

    return [
        Route("/__ledger", ledger, methods=["GET"]),
        Route("/__scripts", scripts, methods=["POST"]),
        Route("/__plan", plan, methods=["POST"]),
    ]


def _refused(body: bytes | None, wrong: ScriptError) -> Response:
    if body is None:
        return error(413, "too_large", f"the body may have at most {MAX_BODY} bytes")
    return error(400, "invalid_script", str(wrong))
