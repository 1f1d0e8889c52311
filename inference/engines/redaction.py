"""Secrets kept out of what people and logs read: keys, and the signatures in addresses."""

from __future__ import annotations

import contextlib
import re
from typing import Final
from urllib.parse import quote

import orjson

from inference.engines.http_errors import excerpt

HIDDEN: Final = "[hidden]"

# Providers quote keys half masked ("sk-proj-****wxyz") or whole, and links carry their own signature.
_SHAPES: Final = (
    (re.compile(r"\b(?:sk|rk|pk)-[\w*-]{6,}"), HIDDEN),
    (re.compile(r"\bAIza[\w*-]{10,}"), HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=*-]{16,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)\b(api[-_]?key|authorization)(\"?\s*[:=]\s*\"?)[\w.~+/=*-]{16,}"), rf"\1\2{HIDDEN}"),
    (re.compile(r"(https?://[^\s?#\"'<>]+)[?#][^\s\"'<>]+"), rf"\1?{HIDDEN}"),
    (re.compile(r"(https?://)[^\s/@\"'<>]+@"), rf"\1{HIDDEN}@"),
)
_HELD: Final = 65_536


class Redactor:
    """Takes one provider's key, and whatever looks like a key, out of a text."""

    __slots__ = ("_secrets",)

    def __init__(self, *secrets: str) -> None:
        known = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""))}
        self._secrets = sorted(known, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        for shape, hidden in _SHAPES:
            text = shape.sub(hidden, text)
        return text

    def __repr__(self) -> str:
        return f"Redactor({len(self._secrets)} secrets)"

    def line(self, text: str) -> str:
        """`text` as one printable line of 300 characters at most."""
        return excerpt(self(text).encode("utf-8", "replace"))

    def quoted(self, body: bytes) -> str:
        """What an answer says, as one printable line of 300 characters at most."""
        head = body[:_HELD]
        # Escapes such as \/ would hide a key from the search.
        with contextlib.suppress(orjson.JSONDecodeError):
            head = orjson.dumps(orjson.loads(head))
        return self.line(head.decode("utf-8", "replace"))
