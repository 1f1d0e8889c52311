"""Where a ledger lies, as people write it. What is wrong with an address is said without showing it: parts of
one that was misread may be parts of a password.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from inference.engines.ledger.calls import LedgerError

FORMS: Final = "give a path, sqlite:///PATH or postgresql://USER@HOST:PORT/DATABASE"

# Connection parameters of libpq that are passed on. `options` and `connect_timeout` are set by ourselves.
QUERY: Final = frozenset({
    "application_name", "channel_binding", "gssencmode", "host", "krbsrvname", "passfile", "service",
    "sslcert", "sslcrl", "sslkey", "sslmode", "sslrootcert", "target_session_attrs",
})  # fmt: skip
_SECRET_KEY: Final = re.compile(r"(?i)(password|passwd|pwd|secret)\s*=")
_USERINFO: Final = re.compile(r":[^@]*@")
_ALMOST_URL: Final = re.compile(r"(?i)(postgres|postgresql|sqlite)(\+\w*)?(:|//)")


def place(address: str) -> URL:
    """A path, `sqlite:///PATH` or `postgresql://USER@HOST/DATABASE` as a URL for SQLAlchemy.

    Raises:
        LedgerError: another database, one in memory, or an address that can be read in two ways.
    """
    wrong = _wrong_in(address)
    url = None if wrong else _parsed(address)
    if url is None:
        raise LedgerError(f"ledger: {wrong or 'its address is no URL, or its port no number'}; {FORMS}")
    match url.get_backend_name():
        case "sqlite":
            return _sqlite(url)
        case "postgresql" | "postgres":
            return _postgresql(url, address)
        case other:
            raise LedgerError(f"ledger: no {other}; {FORMS}")


def shown(url: URL) -> str:
    """The file, or the host and the database: no user, no password and no parameters."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    host = f"[{url.host}]" if ":" in (url.host or "") else url.host or "local"
    port = "" if url.port is None else f":{url.port}"
    return f"{host}{port}/{url.database or ''}"


def holds_password(address: str) -> bool:
    """Whether a password stands in an address, or what may be one where it is misspelled: an address that
    says yes belongs in no file.
    """
    _, is_url, rest = address.partition("://")
    return bool(_USERINFO.search(rest if is_url else address) or _SECRET_KEY.search(unquote(address)))


def _wrong_in(address: str) -> str:
    scheme, is_url, rest = address.partition("://")
    if not is_url:
        if _ALMOST_URL.match(address) or holds_password(address):
            return "its address looks like a URL and has no ://"
        return ""
    if rest.count("@") > 1 and not scheme.startswith("sqlite"):
        return "its address has more than one @; write one in a name or a password as %40"
    if _SECRET_KEY.search(unquote(rest.partition("?")[2])):
        return "its address has a password among its parameters; set PGPASSWORD, or name a `passfile`"
    return ""


def _parsed(address: str) -> URL | None:
    try:
        return make_url(address if "://" in address else f"sqlite:///{address}")
    except (ArgumentError, ValueError):
        return None


def _sqlite(url: URL) -> URL:
    if url.username is not None or url.host or url.query:
        raise LedgerError("ledger: sqlite has no user, no host and no parameters; give sqlite:///PATH")
    if not url.database or ":memory:" in url.database:
        raise LedgerError(
            f"ledger: {url.database or ''!r} would forget what was paid; give the path of a file"
        )
    return URL.create("sqlite+pysqlite", database=url.database)


def _postgresql(url: URL, address: str) -> URL:
    if "@" in address and url.username is None:
        raise LedgerError("ledger: its address has an @ and no user before it; write a / in a name as %2F")
    if not set(":/").isdisjoint(url.database or ""):
        raise LedgerError(f"ledger: the database in its address has a : or a /; {FORMS}")
    if url.port is not None and not 0 < url.port < 65_536:
        raise LedgerError(f"ledger: the port in its address is {url.port}; give one from 1 to 65535")
    unknown = len(url.query.keys() - QUERY)
    if unknown or ("?" in address.rpartition("@")[2] and not url.query):
        raise LedgerError(
            f"ledger: its address has parameters that are not taken ({max(unknown, 1)}); "
            f"known: {', '.join(sorted(QUERY))}"
        )
    return url.set(drivername="postgresql+psycopg")
