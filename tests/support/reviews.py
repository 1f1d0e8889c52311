"""Results that a person can judge, and their pictures."""

from __future__ import annotations

from inference.assets import AssetStore
from schemas.events import Asset, Legibility, Pictures, PromptRef, Result, Status, TextReading
from schemas.ids import digest

PNG = b"\x89PNG\r\n\x1a\n "


def reading(score: float, text: str = "OPEN LATE") -> Legibility:
    """Accepted where `score` is enough."""
    return Legibility(
        score=score,
        recall=score,
        precision=1.0,
        critical_exact=True,
        texts=(TextReading(text=text, verdict="read", similarity=1.0, exact=True, critical=True),),
    )


def final(
    id: str,
    image: Asset,
    legibility: Legibility,
    *,
    status: Status | None = "accepted",
    engine: str = "layout",
) -> Result:
    """A final, or a preview where `status` is None."""
    return Result(
        id=f"result-{id}",
        ref=PromptRef("s", id),
        final=status is not None,
        status=status,
        locale="en",
        pictures=Pictures(image=image, original=image),
        legibility=legibility,
        engine=engine,
        model="secret-model",
        render_id=digest("test render", id),
        usd=0.0625,
        reason="every expected text was read",
    )


async def stored(store: AssetStore, id: str, media_type: str = "image/png") -> Asset:
    return await store.put(PNG + id.encode(), media_type, 8, 8)
