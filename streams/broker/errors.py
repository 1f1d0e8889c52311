"""What every part of this folder raises."""

from __future__ import annotations


class BrokerError(RuntimeError):
    """The local broker cannot do what was asked; the message says why and what to do."""
