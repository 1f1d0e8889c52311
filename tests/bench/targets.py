"""The targets, and what the figures say of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.figures import Spread, median_interval, paired_ratio

RAW_SHARE = 0.8
QUIX_TIMES = 1.0
FASTSTREAM_TIMES = 10.0
LATENCY_TIMES = 2.0
POISON_TIMES = 1.05
Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    target: str
    asked: str
    measured: str
    met: bool

    @property
    def word(self) -> str:
        return "met" if self.met else "**not met**"


@dataclass(frozen=True, slots=True)
class Series:
    """One contestant's drains: `rates` in events/s, `cpu_us` for each event."""

    name: str
    setting: str
    same_job: bool
    rates: Sequence[float]
    cpu_us: Sequence[float]
    rss_mb: Sequence[float]
    start_s: Sequence[float]
    foreign: Sequence[float]

    @classmethod
    def of(cls, plain: Figures) -> Series:
        drains: Sequence[Figures] = plain["drains"]
        return cls(
            plain["name"],
            plain["setting"],
            plain["same_job"],
            [drain["events"] / drain["wall_s"] for drain in drains],
            [drain["cpu_s"] / drain["events"] * 1e6 for drain in drains],
            [drain["rss_mb"] for drain in drains],
            [drain["start_s"] for drain in drains],
            [drain["foreign"] for drain in drains],
        )

    @property
    def title(self) -> str:
        return self.name if self.setting == "defaults" else f"{self.name}, {self.setting}"


def measured(found: Figures) -> list[Series]:
    return [Series.of(plain) for plain in found["measured"]]


def ours(series: Sequence[Series]) -> Series:
    return next(each for each in series if each.name == "glyphstream")


def speed_of(series: Sequence[Series], other: Series) -> Spread:
    """Our rate over theirs, of each turn."""
    return paired_ratio(ours(series).rates, other.rates)


def verdicts(found: Figures) -> list[Verdict]:
    return [
        *(_routing(found["routing"]) if "routing" in found else ()),
        *(_latency(found["latency"]) if "latency" in found else ()),
        *(_poison(found["poison"]) if "poison" in found else ()),
    ]


def _routing(found: Figures) -> list[Verdict]:
    series = measured(found)
    asked = {
        "raw aiokafka": (RAW_SHARE, "at its best batch size"),
        "Quix Streams": (QUIX_TIMES, "exactly-once, at its best setting"),
        "FastStream": (FASTSTREAM_TIMES, "at-least-once"),
    }
    verdicts = []
    for other in series:
        if other.name not in asked or not other.same_job:
            continue
        least, how = asked[other.name]
        ratio = speed_of(series, other)
        way = _faststream_way(other) if other.name == "FastStream" else how
        verdicts.append(
            Verdict(
                f"routing, exactly-once, beside {other.name} ({way})",
                f">= {least:g} x",
                f"{ratio.median:.2f} x ({ratio.least:.2f} to {ratio.most:.2f})",
                ratio.median >= least,
            )
        )
    return verdicts


def _faststream_way(series: Series) -> str:
    return "at-least-once, " + ("single subscriber" if series.setting == "single" else "batch subscriber")


def _latency(found: Figures) -> list[Verdict]:
    mine, bare = ({p: entry["percentiles_ms"][p] for p in ("50", "99")} for entry in found["contestants"])
    return [
        Verdict(
            f"latency at {found['rate']:,} events/s, p{share}, beside a bare transaction",
            f"<= {LATENCY_TIMES:g} x",
            f"{mine[share] / bare[share]:.2f} x ({mine[share]:.1f} ms, bare {bare[share]:.1f} ms)",
            mine[share] <= LATENCY_TIMES * bare[share],
        )
        for share in ("50", "99")
    ]


def _poison(found: Figures) -> list[Verdict]:
    ratio, (low, high) = poison_cost(found)
    return [
        Verdict(
            f"CPU for each good event with {found['plan']['share']:.0%} poison, beside clean",
            f"<= {POISON_TIMES:g} x",
            f"{ratio.median:.3f} x (95 % interval {low:.3f} to {high:.3f})",
            ratio.median <= POISON_TIMES,
        )
    ]


def poison_cost(found: Figures) -> tuple[Spread, tuple[float, float]]:
    """Poisoned over clean of each pair, and the interval of its median."""
    ratios = [bad / clean for bad, clean in zip(found["poisoned_us"], found["clean_us"], strict=True)]
    return Spread.of(ratios), median_interval(ratios)
