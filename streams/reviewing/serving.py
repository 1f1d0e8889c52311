"""Serving the page on the loopback address until the reviewer, or a signal, ends it."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Callable, Generator
from typing import Final

import uvicorn

from inference.assets import AssetStore
from streams.reviewing.app import make_app
from streams.reviewing.session import Session

HOST: Final = "127.0.0.1"
# Longer than the wait for a review to be written, so that its page is told.
DRAIN_S: Final = 12


class PortTaken(Exception):
    """The port cannot be bound; the text says which, and why."""


class _Server(uvicorn.Server):
    """Leaves the process's signal handlers alone: the verb decides what a signal means."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class PageServer:
    """The page's server, bound already: `address` answers as soon as `run` runs."""

    def __init__(self, session: Session, store: AssetStore, *, port: int = 0, token: str = "") -> None:
        """Raises:
        PortTaken: names the port.
        """
        token = token or secrets.token_urlsafe(16)
        self._socket = _bound(port)
        self.address = f"http://{HOST}:{self._socket.getsockname()[1]}/{token}/"
        config = uvicorn.Config(
            make_app(session, store, token, self.stop),
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=DRAIN_S,
        )
        self._server = _Server(config)

    def stop(self) -> None:
        """Ends `run` after the answers under way; told twice, at once."""
        self._server.force_exit = self._server.should_exit
        self._server.should_exit = True

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serves until `stop`; `ready` is told the address first."""
        try:
            ready(self.address)
            await self._server.serve([self._socket])
        finally:
            self._socket.close()


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        raise PortTaken(f"port {port}: cannot be bound on {HOST}: {error.strerror}; name another") from error
    # Connections queue from now on, before the server runs.
    bound.listen(64)
    return bound
