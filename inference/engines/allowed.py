"""Which addresses a provider may send us to: its own hosts over https, and nothing else.

A picture's address comes out of an answer, so whoever can forge one could have us ask any server that this
machine can reach.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

# A name that begins with a dot stands for every host below it.
HOSTS: Final[Mapping[str, tuple[str, ...]]] = {
    # The storage account in every DALL·E address; others exist under the same domain, rented by anybody.
    "openai": ("oaidalleapiprodscus.blob.core.windows.net", "dalleproduse.blob.core.windows.net"),
    # Example addresses of its API reference: https://ideogram.ai/api/images/ephemeral/...
    "ideogram": ("ideogram.ai", ".ideogram.ai"),
    "google": (),
    "stability": (),
}


class NotAllowed(ValueError):
    """An address that is not followed; the text says why, without the query."""


def shown(url: str) -> str:
    """Scheme, host and path of `url`: without a user's name, which a key may be, and without its query."""
    try:
        parts = urlsplit(url)
        where = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.scheme}://{where}{parts.path}"[:200]


def is_loopback(url: str) -> bool:
    """Whether `url` names this machine."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    return host is not None and _is_loopback_host(host)


def check_address(url: str, hosts: Collection[str], *, here: bool = False) -> str:
    """`url`, which leads to one of `hosts` over https; `here` allows this machine over http besides.

    `here` is for a provider that itself was reached on this machine (the emulator): no other may name it.

    Raises:
        NotAllowed
    """
    parts = _parts(url)
    host = parts.hostname or ""
    shown = f"{parts.scheme}://{host}{parts.path}"[:200]
    if parts.username is not None or parts.password is not None:
        raise NotAllowed(f"{shown}: an address with a user name is not followed")
    if here and _is_loopback_host(host) and parts.scheme in ("http", "https"):
        return url
    if parts.scheme != "https":
        raise NotAllowed(f"{shown}: must be https")
    if parts.port not in (None, 443):
        raise NotAllowed(f"{shown}: port {parts.port} is not followed; 443 is")
    if not any(host == name or (name.startswith(".") and host.endswith(name)) for name in hosts):
        known = ", ".join(hosts) or "none"
        raise NotAllowed(f"{shown}: no host of this provider's; known: {known}")
    return url


def _parts(url: str) -> SplitResult:
    # Parsers differ on these characters, and so on the host: nobody honest sends them.
    if (
        len(url) > 8_192
        or not url.isascii()
        or any(char in url for char in "\\ \t\r\n")
        or not url.isprintable()
    ):
        raise NotAllowed(f"{url[:60]!a}: is no plain address")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 # reading it is what checks it
    except ValueError as error:
        raise NotAllowed(f"{url[:60]!a}: {error}") from error
    return parts


def _is_loopback_host(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
