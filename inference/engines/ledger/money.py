"""Money as whole micro-dollars: sums are exact, and the same in every database."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

MICROS_PER_USD = 1_000_000
# A slip of the pen, and far from what 64 bits hold.
MAX_USD = 1_000_000_000


def micros(usd: float | str | Decimal) -> int:
    """US dollars as micro-dollars, to the nearest. A float counts as the decimal it is written as.

    Raises:
        ValueError: not a number, negative, not finite or above a thousand million dollars.
    """
    try:
        amount = Decimal(str(usd))
    except InvalidOperation:
        raise ValueError(f"usd: {usd!r} is no amount; give dollars such as 0.04") from None
    if not amount.is_finite() or not 0 <= amount <= MAX_USD:
        raise ValueError(f"usd: {usd!r} is out of range; give dollars from 0 to {MAX_USD}")
    return int((amount * MICROS_PER_USD).to_integral_value(ROUND_HALF_UP))


def dollars(amount: int) -> float:
    """Micro-dollars as US dollars, for events and pages; nothing is computed with it."""
    return amount / MICROS_PER_USD


def spelled(amount: int) -> str:
    """Micro-dollars in words a person can check: $0.04, $12.345678."""
    whole, rest = divmod(abs(amount), MICROS_PER_USD)
    digits = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if amount < 0 else ''}${whole:,}.{digits}"
