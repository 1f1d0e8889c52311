"""What both of Google's contracts share: the key, the model's address, and google.rpc.Status as JSON.

Shapes: google/rpc/status.proto and error_details.proto; python-genai 2.18.1 `errors.py` reads the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from inference.engines.emulator.contracts.base import Answer, Asked, Trouble, Turned, json_answer
from inference.engines.emulator.contracts.fields import Wrong

STATUS = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    410: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
RETRY_S = 17.0
_RPC = "type.googleapis.com/google.rpc."


def error(code: int, message: str, *details: Mapping[str, object]) -> Answer:
    """An error as google.rpc.Status."""
    told: dict[str, object] = {"code": code, "message": message, "status": STATUS.get(code, "UNKNOWN")}
    if details:
        told["details"] = [dict(detail) for detail in details]
    return json_answer(code, {"error": told})


def check_key(asked: Asked) -> None:
    """Raises:
    Turned: neither the header `x-goog-api-key` nor the query's `key`.
    """
    if not (asked.headers.get("x-goog-api-key") or asked.query.get("key")):
        answer = error(403, "The caller sent no API key; unregistered callers may not use this method.")
        raise Turned("auth", answer)


def check_model(model: str, known: object, method: str) -> None:
    """Raises:
    Turned: `known` holds no such model.
    """
    if not isinstance(known, dict) or model not in known:
        raise Turned("gone", no_model(model, method))


def no_model(model: str, method: str) -> Answer:
    return error(
        404, f"models/{model} is not found for API version v1beta, or is not supported for {method}."
    )


def invalid(wrong: Wrong) -> Turned:
    """A field that is wrong, as google.rpc.BadRequest."""
    if wrong.kind == "unknown":
        message = f'Invalid JSON payload received. Unknown name "{wrong.field}": Cannot find field.'
    else:
        message = f"Invalid value at '{wrong.field}': {wrong.why}"
    violation = {"field": wrong.field, "description": message}
    detail = {"@type": f"{_RPC}BadRequest", "fieldViolations": [violation]}
    return Turned("invalid", error(400, message, detail))


def common_trouble(model: str, method: str, trouble: Trouble) -> Answer | None:
    """The troubles that are the same for every method; None for the others."""
    match trouble.fault:
        case "auth" if trouble.reason == "forbidden":
            return error(403, "The caller does not have permission.")
        case "auth":
            info = {"@type": f"{_RPC}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
            return error(400, "API key not valid. Pass a valid API key.", info)
        case "rate":
            wait = RETRY_S if trouble.after_s is None else trouble.after_s
            retry = {"@type": f"{_RPC}RetryInfo", "retryDelay": f"{wait:g}s"}
            return error(429, "Quota exceeded for requests per minute.", _quota("Minute", model), retry)
        case "quota":
            return error(429, "Quota exceeded for requests per day.", _quota("Day", model))
        case "gone":
            answer = no_model(model, method)
            return Answer(trouble.status or answer.status, answer.body)
        case "server_error":
            return error(trouble.status or 500, "An internal error has occurred.")
        case "overloaded":
            return error(trouble.status or 503, "The model is overloaded. Please try again later.")
        case _:
            return None


def _quota(period: str, model: str) -> dict[str, object]:
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_requests_per_model",
        "quotaId": f"GenerateRequestsPer{period}PerProjectPerModel",
        "quotaDimensions": {"location": "global", "model": model},
    }
    return {"@type": f"{_RPC}QuotaFailure", "violations": [violation]}
