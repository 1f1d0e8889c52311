"""What both of Ideogram's contracts share: the key's header, and errors with a `reject_reason`.

Source: developer.ideogram.ai, pages errors, rate-limits and images/generate/ideogram-4-5 (October 2026).
The shape of a 400, 401, 403 and 404 is published as "any": `{"error": text}` is our choice.
"""

from __future__ import annotations

from inference.engines.emulator.contracts.base import Answer, Asked, Trouble, Turned, json_answer
from inference.engines.emulator.contracts.fields import Wrong

IN_FLIGHT = 10
LONGEST = 10_000
MAX_SEED = 2**31 - 1


def error(status: int, message: str, reject_reason: str = "", **more: object) -> Answer:
    reason = {"reject_reason": reject_reason} if reject_reason else {}
    return json_answer(status, {"error": message, **reason, **more})


def check_key(asked: Asked) -> None:
    """Raises:
    Turned: no header `Api-Key`.
    """
    if not asked.headers.get("api-key"):
        raise Turned("auth", error(401, "The header Api-Key is missing."))


def invalid(wrong: Wrong) -> Turned:
    return Turned("invalid", error(400, f"{wrong.field} {wrong.why}"))


def common_trouble(trouble: Trouble) -> Answer:
    match trouble.fault:
        case "auth":
            return error(trouble.status or 401, "This key is not valid here.")
        case "rate":
            message = f"At most {IN_FLIGHT} images may be in progress at once."
            limit = {"max_inflight_requests": IN_FLIGHT, "task_completion_speed": "fast"}
            return error(429, message, "inflight_limit", **limit)
        case "quota":
            reason = trouble.reason or "insufficient_funds"
            return error(402, "The balance or the plan does not allow this request.", reason)
        case "gone":
            return error(trouble.status or 404, "There is no such model.")
        case "refuse_prompt":
            return error(422, "The prompt failed the safety check.")
        case "overloaded":
            return error(trouble.status or 503, "The endpoint is temporarily unavailable.")
        case _:
            return error(trouble.status or 500, "Internal server error.")
