"""Ports on loopback that stay the same from start to start."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection
from dataclasses import astuple, dataclass
from itertools import islice

from streams.broker.errors import BrokerError

LOOPBACK = "127.0.0.1"
# Below those that Linux and macOS give to outgoing connections: a client that keeps trying to reach a broker
# that is down would sooner or later be given the broker's own port.
UNASSIGNED = range(20_000, 32_768)
_RANDOM = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Ports:
    """Where one node listens: for clients, for the other controllers, for the other brokers."""

    client: int
    controller: int
    internal: int


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the broker itself does: a port that only lingers in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int, *, avoid: Collection[int] = ()) -> tuple[int, ...]:
    """Different ports that nobody listens on now. Raises `BrokerError` when so many cannot be found."""
    shuffled = _RANDOM.sample(UNASSIGNED, len(UNASSIGNED))
    found = tuple(islice((port for port in shuffled if port not in avoid and is_free(port)), count))
    if len(found) < count:
        raise BrokerError(
            f"{len(found)} ports of {UNASSIGNED.start} to {UNASSIGNED.stop - 1} on {LOOPBACK} are free, "
            f"{count} are needed: stop something that listens there"
        )
    return found


def choose_ports(wanted: int, remembered: Ports | None = None, *, avoid: Collection[int] = ()) -> Ports:
    """`wanted` for clients (0: the remembered one); the remembered others; what is taken is chosen anew.

    `avoid` are ports that others will take, though they are free now.
    Raises `BrokerError` where `wanted` itself is taken.
    """
    if wanted and not is_free(wanted):
        raise BrokerError(
            f"port {wanted} on {LOOPBACK} is taken: stop what listens there, or leave the port out"
        )
    known = astuple(remembered) if remembered else (0, 0, 0)
    fresh = iter(free_ports(len(known), avoid={wanted, *known, *avoid}))
    kept = [port if port and port != wanted and is_free(port) else next(fresh) for port in known]
    return Ports(wanted or kept[0], *kept[1:])
