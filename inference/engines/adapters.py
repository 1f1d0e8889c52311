"""The adapters of hosted engines by their names, built when asked for, with what they share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from inference.engines.allowed import is_loopback, shown
from inference.engines.base import Unsupported
from inference.engines.breaker import Breaker
from inference.engines.contract import Contract
from inference.engines.entries import Entry, Registry
from inference.engines.fetching import Sleep
from inference.engines.hosted import Account, HostedEngine
from inference.engines.transport import Limits, Slots


class HostedEngines:
    """Builds the adapters by their names, with what they share: the breaker, and the places under one key."""

    def __init__(
        self,
        registry: Registry,
        *,
        addresses: Mapping[str, str] | None = None,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`addresses` are other addresses than the providers' own, by adapter (an emulator's)."""
        self._registry = registry
        self._addresses = addresses or {}
        self.breaker = breaker or Breaker(clock)
        self._clock = clock
        self._sleep = sleep
        self._slots: dict[str, Slots] = {}

    def speaks(self, adapter: str) -> bool:
        """Whether there is an adapter of that name."""
        return adapter in ADAPTERS

    def engine(self, entry: Entry, key: str, *, address: str | None = None) -> HostedEngine:
        """The engine of `entry`; `address` is where, if not at its provider's.

        Raises:
            Unsupported: the key cannot be sent, or only in clear.
        """
        contract = ADAPTERS[entry.adapter](entry)
        where = address or self._addresses.get(entry.adapter) or entry.url or contract.address
        if not where.startswith("https://") and not is_loopback(where):
            raise Unsupported(
                f"{entry.name}: {shown(where)} would be sent the key in clear; give an https address"
            )
        return HostedEngine(
            Account(entry=entry, address=where, key=key),
            contract,
            breaker=self.breaker,
            slots=self._slots_of(entry),
            limits=Limits(total_s=entry.timeout_s),
            clock=self._clock,
            sleep=self._sleep,
        )

    def _slots_of(self, entry: Entry) -> Slots:
        # Providers count an organisation's pictures, whichever of its models draws them.
        account = entry.key_env or entry.name
        if account not in self._slots:
            sharing = [other for other in self._registry if (other.key_env or other.name) == account]
            self._slots[account] = Slots(min(one.in_flight for one in (entry, *sharing)))
        return self._slots[account]


def _gemini_imagen(entry: Entry) -> Contract:
    from inference.engines.gemini_imagen import GeminiImagen

    return GeminiImagen(entry)


def _gemini(entry: Entry) -> Contract:
    from inference.engines.gemini import Gemini

    return Gemini(entry)


def _openai_images(entry: Entry) -> Contract:
    from inference.engines.openai_images import OpenAIImages

    return OpenAIImages(entry)


def _ideogram_v1(entry: Entry) -> Contract:
    from inference.engines.ideogram_v1 import IdeogramV1

    return IdeogramV1(entry)


def _ideogram_v2(entry: Entry) -> Contract:
    from inference.engines.ideogram_v2 import IdeogramV2

    return IdeogramV2(entry)


def _stability(entry: Entry) -> Contract:
    from inference.engines.stability import Stability

    return Stability(entry)


ADAPTERS: Final[Mapping[str, Callable[[Entry], Contract]]] = {
    "gemini_imagen": _gemini_imagen,
    "gemini": _gemini,
    "openai_images": _openai_images,
    "ideogram_v1": _ideogram_v1,
    "ideogram_v2": _ideogram_v2,
    "stability": _stability,
}
