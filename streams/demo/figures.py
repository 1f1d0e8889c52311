"""Three axes out of finals: seconds, legibility, dollars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.events import Attempt, Legibility, Result

Z_95 = 1.959964


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFigures:
    """One logical engine over all its attempts.

    `models` are those that drew. `rendered` counts pictures really drawn, `found` those taken from the asset
    store at no cost; seconds and dollars are over the drawn ones alone. `accepted` counts its pictures that
    became an accepted final. `legibility` is the mean score of its `judged` pictures. None: there was nothing
    to count.
    """

    engine: str
    resolved: tuple[str, ...]
    models: tuple[str, ...]
    emulated: bool
    attempts: int
    rendered: int
    found: int
    accepted: int
    judged: int
    p50_s: float | None
    p95_s: float | None
    legibility: float | None
    usd_per_1000_rendered: float | None
    usd_per_1000_accepted: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """`hits` of `total`, with Wilson's 95 % interval."""

    hits: int
    total: int

    @property
    def value(self) -> float | None:
        return self.hits / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return wilson(self.hits, self.total) if self.total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Yardstick:
    """The first picture of every prompt beside its final, over all finals that have pictures."""

    finals: int
    accepted: int
    first_median_s: float | None
    final_median_s: float | None
    first_read: Share
    final_read: Share
    usd_per_1000: float | None
    usd_per_1000_accepted: float | None
    usd_per_1000_hosted_only: float | None


def engine_figures(finals: Sequence[Result]) -> list[EngineFigures]:
    """A row for each engine that tried, the busiest first."""
    by_engine: dict[str, list[tuple[Attempt, bool]]] = {}
    for final in finals:
        for attempt in final.attempts:
            won = final.status == "accepted" and attempt.ordinal == shown_attempt(final).ordinal
            by_engine.setdefault(attempt.engine, []).append((attempt, won))
    rows = [_engine(name, tried) for name, tried in by_engine.items()]
    return sorted(rows, key=lambda row: (-row.attempts, row.engine))


def _engine(name: str, tried: Sequence[tuple[Attempt, bool]]) -> EngineFigures:
    drawn = [a for a, _ in tried if a.pictures is not None and not a.cached]
    seconds = [attempt.seconds for attempt in drawn]
    scores = [
        a.legibility.score for a, _ in tried if a.legibility is not None and a.legibility.score is not None
    ]
    accepted = sum(won for _, won in tried)
    usd = sum(attempt.usd for attempt, _ in tried)
    return EngineFigures(
        engine=name,
        resolved=tuple(sorted({a.resolved_engine for a, _ in tried if a.resolved_engine})),
        models=tuple(sorted({a.model for a, _ in tried if a.pictures is not None and a.model})),
        emulated=any(attempt.emulated for attempt, _ in tried),
        attempts=len(tried),
        rendered=len(drawn),
        found=sum(attempt.cached for attempt, _ in tried),
        accepted=accepted,
        judged=len(scores),
        p50_s=percentile(seconds, 50),
        p95_s=percentile(seconds, 95),
        legibility=sum(scores) / len(scores) if scores else None,
        usd_per_1000_rendered=1000 * usd / len(drawn) if drawn else None,
        usd_per_1000_accepted=1000 * usd / accepted if accepted else None,
    )


def yardstick(finals: Sequence[Result], hosted_only_usd: Sequence[float]) -> Yardstick:
    """`hosted_only_usd` is what each final would cost at list price, sent straight to the best speller."""
    pictured = [final for final in finals if first_attempt(final) is not None]
    firsts = [attempt for final in pictured if (attempt := first_attempt(final)) is not None]
    accepted = sum(final.status == "accepted" for final in finals)
    usd = sum(final.usd for final in finals)
    return Yardstick(
        finals=len(finals),
        accepted=accepted,
        first_median_s=percentile([attempt.seconds for attempt in firsts if not attempt.cached], 50),
        final_median_s=percentile([final.seconds for final in pictured], 50),
        first_read=_read_share(attempt.legibility for attempt in firsts),
        final_read=_read_share(final.legibility for final in pictured),
        usd_per_1000=1000 * usd / len(finals) if finals else None,
        usd_per_1000_accepted=1000 * usd / accepted if accepted else None,
        usd_per_1000_hosted_only=1000 * sum(hosted_only_usd) / len(hosted_only_usd)
        if hosted_only_usd
        else None,
    )


def first_attempt(final: Result) -> Attempt | None:
    """The first attempt that gave a picture."""
    return next((attempt for attempt in final.attempts if attempt.pictures is not None), None)


def shown_attempt(final: Result) -> Attempt:
    """The attempt whose picture the final shows; the last one where it shows none."""
    if final.pictures is not None:
        for attempt in reversed(final.attempts):
            if attempt.pictures is not None and attempt.pictures.image == final.pictures.image:
                return attempt
    return (
        final.attempts[-1]
        if final.attempts
        else Attempt(ordinal=0, purpose="final", engine="", outcome="failed")
    )


def _read_share(readings: Iterable[Legibility | None]) -> Share:
    """Expected texts that were read, of those that some reader could read."""
    verdicts = [text.verdict for reading in readings if reading is not None for text in reading.texts]
    judged = [verdict for verdict in verdicts if verdict != "unreadable_by_reader"]
    return Share(hits=judged.count("read"), total=len(judged))


def percentile(values: Iterable[float], percent: float) -> float | None:
    """Linear between the nearest ranks, as NumPy's default; None of nothing."""
    ranked = sorted(values)
    if not ranked:
        return None
    place = (len(ranked) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Wilson's score interval at 95 % for a share (Wilson 1927, JASA 22:209)."""
    share, z2 = hits / total, Z_95 * Z_95
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    spread = Z_95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    return max(0.0, middle - spread), min(1.0, middle + spread)
