"""Ports on loopback that stay the same from start to start."""

from __future__ import annotations

import contextlib
import socket

from streams.broker.errors import BrokerError
from streams.broker.folder import Identity

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the broker itself does: a port that only lingers in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_ports(wanted: int, remembered: Identity | None) -> tuple[int, int]:
    """(clients' port, controller's port); 0 asks for the remembered one, or any that is free."""
    if wanted and not is_free(wanted):
        raise BrokerError(
            f"port {wanted} on {LOOPBACK} is taken: stop what listens there, or leave the port out"
        )
    with contextlib.ExitStack() as held:
        free = [held.enter_context(socket.socket()) for _ in range(2)]
        for one in free:
            one.bind((LOOPBACK, 0))
        clients, controller = (int(one.getsockname()[1]) for one in free)
    if remembered and is_free(remembered.controller_port) and remembered.controller_port != wanted:
        controller = remembered.controller_port
    if wanted:
        return wanted, controller
    if remembered and is_free(remembered.port):
        clients = remembered.port
    return clients, controller
