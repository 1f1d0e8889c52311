"""Finals as the line makes them, for tests that only look at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.events import Asset, Attempt, Legibility, Pictures, PromptRef, Result, TextReading

SHA = "0" * 63


def asset(number: int = 0, *, width: int = 512, height: int = 768) -> Asset:
    sha256 = f"{SHA}{number}"
    return Asset(f"file:///nowhere/{sha256}.png", sha256, "image/png", 10, width, height)


def reading(score: float | None, *texts: tuple[str, str]) -> Legibility:
    return Legibility(
        score=score,
        recall=score,
        precision=score,
        critical_exact=True,
        texts=tuple(TextReading(text=text, verdict=verdict, read="") for text, verdict in texts),  # type: ignore[arg-type]  # literals by hand
    )


def attempt(ordinal: int, engine: str = "sd3.5_medium", **fields: Any) -> Attempt:
    """One that drew a picture; `fields` change it."""
    picture = asset(ordinal)
    values: dict[str, Any] = {
        "ordinal": ordinal,
        "purpose": "preview",
        "engine": engine,
        "outcome": "rendered",
        "resolved_engine": engine,
        "pictures": Pictures(image=picture, original=picture),
        "legibility": reading(1.0, ("SALE", "read")),
        "usd": 0.01,
        "seconds": 1.0,
        "emulated": True,
    }
    return Attempt(**(values | fields))


def final(id: str, attempts: Sequence[Attempt], *, variant: int = 0, **fields: Any) -> Result:
    """One that shows the last attempt; `fields` change it."""
    shown = attempts[-1]
    values: dict[str, Any] = {
        "id": f"result-{id}-{variant}",
        "ref": PromptRef("s", id, variant),
        "final": True,
        "status": "accepted",
        "locale": "en",
        "pictures": shown.pictures,
        "legibility": shown.legibility,
        "engine": shown.engine,
        "route": "local-sd_medium",
        "attempts": tuple(attempts),
        "usd": sum(each.usd for each in attempts),
        "seconds": sum(each.seconds for each in attempts),
    }
    return Result(**(values | fields))
