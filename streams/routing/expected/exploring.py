"""Spending a little to learn: how much may be spent, and what the rates might be."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from streams.routing.expected.rates import Beta

Way = Literal["thompson", "none"]


@dataclass(frozen=True, slots=True)
class Purse:
    """All dollars for pictures so far, and those of them for pictures that were drawn to learn.

    The whole price of such a picture counts, though mostly it passes and is no loss. A picture may be drawn
    to learn when its price still fits into `share` of what was spent before it: so `explored` is never more
    than `share` of `spent`, at no moment.
    """

    share: float
    spent: float = 0.0
    explored: float = 0.0

    @property
    def left(self) -> float:
        """Dollars that may be spent on learning now."""
        return max(0.0, self.share * self.spent - self.explored)

    def affords(self, usd: float) -> bool:
        return self.explored + usd <= self.share * self.spent

    def booked(self, usd: float, *, explored: bool) -> Purse:
        """After one more picture; `usd` is what was held against the purse when it was decided."""
        return Purse(self.share, self.spent + usd, self.explored + (usd if explored else 0.0))


def imagined(rates: Mapping[str, Beta], source: random.Random) -> dict[str, float]:
    """Rates as they might be, for all we know (W. R. Thompson, Biometrika 25, 1933)."""
    return {name: rate.sample(source) for name, rate in rates.items()}
