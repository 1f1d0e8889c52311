"""What an HTTP answer without a picture means.

422, or 400 that names a refusal      Refused       (422 with a validation report: Unsupported)
408, 425, 429, 503                    Transient     after Retry-After, where given
other 5xx                             Uncertain     it may have come after the picture
other 4xx                             Unsupported
1xx, 2xx but 200, 3xx                 Broken

Of a server that draws once for one key, a 5xx is Transient: of unknown outcome where a gateway may say it.
"""

from __future__ import annotations

import email.utils
import math
import re
from collections.abc import Mapping
from typing import Final

import orjson

from inference.engines.base import Broken, EngineError, Refused, Transient, Uncertain, Unsupported

# Whoever asks for more than a day has made a mistake, or wants us to stop for good.
LONGEST_S: Final = 86_400.0
REFUSAL = re.compile(
    r"content[_ -]?policy|moderation|safety|content[_ -]?filter|prohibited|refus|not allowed to generate",
    re.IGNORECASE,
)
_RETRYABLE = frozenset({408, 425, 429, 503})
_GATEWAYS = frozenset({502, 504, *range(520, 530)})
_HINTS = {
    401: "; is the key right?",
    402: "; the account has no credit",
    403: "; is the key allowed to?",
    404: "; is the address right?",
}
_EXCERPT = 300


def error_of(
    engine: str, status: int, headers: Mapping[str, str], body: bytes, *, honours_key: bool = False
) -> EngineError:
    """The error for an answer with a status other than 200; its text quotes the start of the body.

    `honours_key`: the server draws once for one key, so what is doubtful may be asked again.
    """
    said = excerpt(body)
    text = f"{engine}: HTTP {status}" + (f": {said}" if said else "") + _HINTS.get(status, "")
    if status in _RETRYABLE:
        return Transient(text, after_s=retry_after_s(headers))
    if status >= 500:
        return _server_error(text, status, headers, body, honours_key=honours_key)
    if status == 422:
        return Unsupported(text) if _is_validation_report(body) else Refused(text)
    if status == 400 and REFUSAL.search(said):
        return Refused(text)
    if 400 <= status < 500:
        return Unsupported(text)
    return Broken(text)


def lost(why: str, *, honours_key: bool, after_s: float | None = None) -> EngineError:
    """Sent, and nobody knows the outcome; asked again by the same key, a server that honours it says."""
    text = f"{why}; outcome unknown, it may have been billed"
    if honours_key:
        return Transient(text, kind="unknown", billed="unknown", after_s=after_s)
    return Uncertain(text, billed="unknown")


def _server_error(
    text: str, status: int, headers: Mapping[str, str], body: bytes, *, honours_key: bool
) -> EngineError:
    after_s = retry_after_s(headers)
    if honours_key and status not in _GATEWAYS and _message(body):
        return Transient(text, after_s=after_s)
    return lost(text, honours_key=honours_key, after_s=after_s)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds by Retry-After (RFC 9110 10.2.3), a day at most: a number, or a date read against the answer's
    own Date.
    """
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        seconds = _until(text, headers.get("date", ""))
    return min(max(0.0, seconds), LONGEST_S) if math.isfinite(seconds) else None


def excerpt(body: bytes) -> str:
    """The message in an error body, or its beginning: one line, printable, 300 characters at most."""
    text = _message(body) or body[: 4 * _EXCERPT].decode("utf-8", "replace")
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= _EXCERPT else line[: _EXCERPT - 1] + "…"


def _until(date: str, now: str) -> float:
    try:
        moment, reference = (email.utils.parsedate_to_datetime(text) for text in (date, now))
        return (moment - reference).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _message(body: bytes) -> str:
    """Code and message of the usual JSON shapes: `error` or `detail`, a text or an object, or `message`."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(value, dict):
        return ""
    said = value.get("error") or value.get("errors") or value.get("detail") or value.get("message")
    if isinstance(said, dict):
        parts = [said.get("code"), said.get("type"), said.get("message")]
        return ": ".join(str(part) for part in parts if part)
    return said if isinstance(said, str) else ""


def _is_validation_report(body: bytes) -> bool:
    """FastAPI's 422 is a malformed request: {"detail": [{"loc": [...], ...}]}."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    detail = value.get("detail") if isinstance(value, dict) else None
    return isinstance(detail, list) and any(isinstance(item, dict) and "loc" in item for item in detail)
