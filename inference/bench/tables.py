"""A report as rows of text: what both command lines show."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from inference.bench.baseline import Report
from inference.bench.figures import Dollars, EngineFigures, Estimate, Pair
from inference.bench.gate import Regression
from inference.bench.metrics import counted
from inference.bench.samples import Sample
from inference.legibility.agreement import Disagreement
from schemas.events import Outcome

_SIGNIFICANT = 0.05
_NOTHING = "-"
_LONGEST_REASON = 300
_DISAGREEMENTS = 5
_REASONS = 5


@dataclass(frozen=True, slots=True)
class Rows:
    """A table; the columns named in `right` hold numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[str, ...] = ()


def engines(report: Report) -> Rows:
    """The three axes of every engine, with 95 % intervals; of several readers how often they agree."""
    numbers = ("s p50", "s p95", "legibility", "accepted", "$/1,000 rendered", "$/1,000 accepted")
    several = len(report.conditions.readers) > 1
    agree = ("readers agree",) if several else ()
    return Rows(
        _title(report),
        ("engine", "pictures", *numbers, *agree),
        tuple(
            (*_engine(each.figures), *([_percent(each.figures.agreement)] if several else []))
            for each in report.engines
        ),
        (*numbers, *agree),
    )


def pairs(report: Report) -> Rows:
    """Each two engines over the prompts and seeds that both drew."""
    return Rows(
        "Pairwise (p by sign flips, Holm-corrected)",
        ("measure", "first - second", "difference", "pairs", "p", ""),
        tuple(_pair(pair) for pair in report.pairs),
        ("difference", "pairs", "p"),
    )


def regressions(found: Mapping[str, Sequence[Regression]]) -> list[str]:
    """The pictures that fell most. Lines, since a path that a table folds cannot be opened."""
    return [
        f"{engine}: {each.ours.prompt}, seed {each.ours.seed}: score {_share(each.theirs.score)} before, "
        f"{_share(each.ours.score)} now: {where(each.ours.image)}"
        for engine, fallen in found.items()
        for each in fallen
    ]


def disagreements(report: Report) -> list[str]:
    """What readers read differently: the first of each engine, and how many more there are."""
    lines: list[str] = []
    for engine in report.engines:
        told = [
            f"{engine.engine}: {sample.prompt}, seed {sample.seed}: {_disagreement(each)}"
            for sample in counted(engine.samples)
            if sample.agreement
            for each in sample.agreement.disagreements
        ]
        lines += told[:_DISAGREEMENTS]
        if len(told) > _DISAGREEMENTS:
            lines.append(f"{engine.engine}: {len(told) - _DISAGREEMENTS} more disagreements are in --json")
    return lines


def missing(samples: Iterable[Sample]) -> list[str]:
    """Why pictures did not come: the most common reasons of each engine and outcome, each with its number."""
    lost = Counter(
        (sample.engine, sample.outcome, sample.reason)
        for sample in samples
        if not sample.rendered and not sample.warm_up
    )
    kinds: dict[tuple[str, Outcome], list[tuple[str, int]]] = {}
    for (engine, outcome, reason), count in lost.most_common():
        kinds.setdefault((engine, outcome), []).append((reason[:_LONGEST_REASON], count))
    lines: list[str] = []
    for (engine, outcome), reasons in kinds.items():
        lines += [f"{engine}: {count} {outcome}: {reason}" for reason, count in reasons[:_REASONS]]
        if rest := sum(count for _, count in reasons[_REASONS:]):
            lines.append(f"{engine}: {rest} {outcome} for other reasons, which are in --json")
    return lines


def where(uri: str) -> str:
    """A picture's file where it is one, else its address."""
    parts = urlsplit(uri)
    return str(Path(unquote(parts.path))) if parts.scheme == "file" else uri


def _title(report: Report) -> str:
    asked = report.conditions
    prompts = len(report.subjects)
    drawn = f"{prompts} prompt{'s' if prompts > 1 else ''} x {asked.samples}, seed {asked.seed}"
    return f"{drawn}; read by {', '.join(asked.readers)}; {asked.machine}"


def _engine(figures: EngineFigures) -> tuple[str, ...]:
    name = f"{figures.engine} (emulated)" if figures.emulated else figures.engine
    return (
        name,
        _pictures(figures),
        _seconds(figures.seconds_p50),
        _seconds(figures.seconds_p95),
        _estimate(figures.legibility),
        _percent(figures.accepted),
        _dollars(figures.usd_per_1000_rendered),
        _dollars(figures.usd_per_1000_accepted),
    )


def _pictures(figures: EngineFigures) -> str:
    lost = [f"{count} {outcome}" for outcome, count in figures.outcomes.items() if outcome != "rendered"]
    unjudged = [f"{figures.unjudged} not judged"] if figures.unjudged else []
    more = ", ".join([*lost, *unjudged])
    return f"{figures.samples} ({more})" if more else str(figures.samples)


def _pair(pair: Pair) -> tuple[str, ...]:
    difference = f"{pair.difference:+.2f}" if pair.measure == "seconds" else f"{pair.difference:+.3f}"
    told = "significant" if pair.p_holm < _SIGNIFICANT else "could be luck"
    return (
        pair.measure,
        f"{pair.first} - {pair.second}",
        difference,
        str(pair.pairs),
        f"{pair.p_holm:.3g}",
        told,
    )


def _disagreement(found: Disagreement) -> str:
    read = ", ".join(f"{reader} {said!r}" if said else f"{reader} nothing" for reader, said in found.read)
    return f"for {found.text!r} read {read}: {where(found.picture)}"


def _estimate(found: Estimate | None) -> str:
    return _NOTHING if found is None else f"{found:.3f}"


def _seconds(found: Estimate | None) -> str:
    return _NOTHING if found is None else f"{found:.2f}"


def _percent(found: Estimate | None) -> str:
    if found is None:
        return _NOTHING
    low, high = ("?" if end is None else f"{100 * end:.0f}" for end in (found.low, found.high))
    return f"{100 * found.value:.0f} % ({low} to {high})"


def _share(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.2f}"


def _dollars(found: Dollars | None) -> str:
    if found is None:
        return _NOTHING
    whole = f"${_amount(found.hosted + found.infrastructure)}"
    return f"{whole} (hosted ${_amount(found.hosted)})" if found.hosted else whole


def _amount(usd: float) -> str:
    """Two decimals, or as many as three digits need."""
    decimals = 2 if usd >= 1 or not usd else min(8, 2 - math.floor(math.log10(usd)))
    return f"{usd:,.{decimals}f}"
