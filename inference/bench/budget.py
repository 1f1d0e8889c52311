"""What a bench may cost: asked before the first picture, and kept to until the last."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from inference.bench.plan import Draw

# A draw's list price in dollars; 0 for our own machines.
Price = Callable[[Draw], float]
# Sums of prices are not exact: a budget of ten pictures must buy ten.
_SLACK = 1e-9


class OverBudget(ValueError):
    """The next picture could cost more than is left."""


def expected_usd(draws: Sequence[Draw], price: Price) -> float:
    """The list prices of all draws, warm-ups too."""
    return math.fsum(price(draw) for draw in draws)


def objection(
    draws: Sequence[Draw], price: Price, max_usd: float | None, live: Mapping[str, str]
) -> str | None:
    """Why these draws must not begin, or None. `live` names the variable whose key each paid engine uses."""
    if max_usd is not None and not (math.isfinite(max_usd) and max_usd >= 0):
        return f"--max-usd: must be a number of dollars from 0; got {max_usd}"
    paying = list(dict.fromkeys(draw.engine for draw in draws if draw.engine in live))
    expected = expected_usd(draws, price)
    if max_usd is None:
        if not paying:
            return None
        keys = ", ".join(f"{engine} (key in {live[engine]})" for engine in paying)
        if not expected:
            return (
                f"--max-usd: is required, since {keys} may be paid for; no list price is known, so only what "
                "the server says of its price counts: give the most that you will pay, or unset the key"
            )
        return (
            f"--max-usd: is required, since {keys} will be paid for; {len(draws)} pictures are about "
            f"${expected:,.2f} at list prices: give --max-usd {_up(expected)}, or unset the key"
        )
    if expected > max_usd + _SLACK:
        fitting = _fitting(draws, price, max_usd)
        return (
            f"--max-usd: {len(draws)} pictures are about ${expected:,.2f} at list prices, above "
            f"${max_usd:,.2f}, which buys the first {fitting}; give --max-usd {_up(expected)}, "
            "fewer --samples or fewer --models"
        )
    return None


@dataclass(frozen=True, slots=True)
class Purse:
    """Money spent and money promised to pictures under way. With no limit everything is affordable."""

    limit: float | None
    spent: float = 0.0
    reserved: float = 0.0

    @property
    def left(self) -> float:
        return math.inf if self.limit is None else self.limit - self.spent - self.reserved

    def affords(self, usd: float) -> bool:
        return usd <= self.left + _SLACK

    def reserve(self, usd: float) -> Purse:
        """Sets the most that a picture may cost apart, before it is asked for.

        Raises:
            OverBudget
        """
        if not self.affords(usd):
            raise OverBudget(
                f"--max-usd: ${self.spent:,.4f} of ${self.limit or 0:,.2f} are spent and "
                f"${self.reserved:,.4f} under way; the next picture may cost ${usd:,.4f}; "
                "give more to go on where this stopped"
            )
        return replace(self, reserved=self.reserved + usd)

    def settle(self, reserved: float, usd: float) -> Purse:
        """The picture has come, or not: what was set apart for it is free again, and `usd` is spent."""
        return replace(self, spent=self.spent + usd, reserved=max(0.0, self.reserved - reserved))


def _fitting(draws: Sequence[Draw], price: Price, max_usd: float) -> int:
    purse = Purse(max_usd)
    for count, draw in enumerate(draws):
        if not purse.affords(price(draw)):
            return count
        purse = purse.settle(0.0, price(draw))
    return len(draws)


def _up(usd: float) -> str:
    """Rounded up to a cent."""
    return f"{math.ceil(usd * 100 - _SLACK) / 100:.2f}"
