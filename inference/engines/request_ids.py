"""The provider's own name for a call: what its support, its logs or its API are asked about.

Documented are OpenAI's header, Gemini's `responseId`, the `generation_id` of Ideogram's second API and the
`id` of Stability's errors (research page A2 to A5), and google.rpc.RequestInfo in Google's errors. The usual
header is read of whoever sends it. Imagen and Ideogram's first API give their answers no name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from inference.engines.contract import Provider

_HEADERS: Final = ("x-request-id", "request-id")
_MEMBERS: Final[Mapping[Provider, tuple[str, ...]]] = {
    "google": ("responseId", "requestId"),
    "openai": (),
    "ideogram": ("generation_id", "request_id"),
    "stability": ("id",),
}
_NAME: Final = r"[\w.:/+=@-]{1,200}"
_PLAIN: Final = re.compile(_NAME, re.ASCII)
_MEMBER: Final = re.compile(rf'"\w+"\s*:\s*"({_NAME})"'.encode())


def request_id_in(provider: Provider, headers: Mapping[str, str], body: bytes) -> str:
    """The name that the answer gives itself, or ""; header names are in lower case.

    The body is searched and not decoded: what broke off has its name all the same. Inside a text a quote is
    escaped, so a prompt cannot pass for a member.
    """
    for member in _MEMBERS[provider]:
        at = body.find(f'"{member}"'.encode())
        if at >= 0 and (found := _MEMBER.match(body, at)):
            return found[1].decode()
    said = (headers.get(name, "").strip() for name in _HEADERS)
    return next((name for name in said if _PLAIN.fullmatch(name)), "")
