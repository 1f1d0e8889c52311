"""HTTP clients that keep nothing and tell nobody: no cookies, no redirects, no addresses in logs."""

from __future__ import annotations

import logging
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx


def make_client(*, timeout: httpx.Timeout, limits: httpx.Limits, trust_env: bool) -> httpx.AsyncClient:
    """A client for one server; `trust_env` lets a proxy from the environment carry what is sent."""
    # They log each address, and a picture's address holds the signature that opens it.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.AsyncClient(
        timeout=timeout,
        limits=limits,
        trust_env=trust_env,
        follow_redirects=False,
        # A cookie would tie the calls of one account together, and go along to whoever has the host next.
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
    )
