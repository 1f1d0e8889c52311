"""What a bench compares: anything that makes a picture of a prompt, with what it costs and whom."""

from __future__ import annotations

from typing import Protocol

from inference.bench.details import Detail
from inference.bench.plan import Draw
from inference.bench.samples import Payee
from schemas.events import PromptEvent


class NotAtHand(ValueError):
    """A contestant cannot take part here; the text names it and says what is missing."""


class Contestant(Protocol):
    """An engine, or a policy over several."""

    @property
    def name(self) -> str:
        """As reports call it."""
        ...

    @property
    def model(self) -> str:
        """What draws for it now: a sample of another model is drawn anew when a bench goes on."""
        ...

    @property
    def payee(self) -> Payee:
        """Whom a picture pays. Several of a hosted one may be under way at once."""
        ...

    @property
    def live(self) -> str:
        """The variable that holds the key a picture is paid with; empty where none is."""
        ...

    def price(self, event: PromptEvent) -> float:
        """The most that one picture may cost in dollars really paid, at list prices; 0 for our machines."""
        ...

    def paid(self, event: PromptEvent, detail: Detail) -> float:
        """Dollars that really went to a provider for it: none where the emulator stood in.

        Where a picture that did not come may be billed all the same, its list price.
        """
        ...

    async def draw(self, event: PromptEvent, draw: Draw) -> Detail:
        """Draws and reads one picture; whatever goes wrong with the engine is a sample without one.

        Raises:
            StoreFailed: the picture could not be kept or read back; the engine is not to blame.
        """
        ...
