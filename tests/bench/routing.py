"""Measures the routing stage: glyphstream beside raw aiokafka, Quix Streams and FastStream.

A first round tries the rivals' settings and picks each one's fastest; then those and the product take
turns. After every run all outputs are counted: each prompt's job once, by its key.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import contestants
from tests.bench.backlog import BenchError, committed_records
from tests.bench.job import JOB_TOPICS, Router
from tests.bench.stand import Contestant, Drain, Stand
from tests.bench.workload import Row, good_rows

Say = Callable[[str], None]
RAW_BATCHES = (100, 500, 1_000, 2_000, 5_000)
QUIX_COMMITS = (0, 1_000, 2_000, 5_000, 10_000)
FASTSTREAM_BATCHES = (100, 500, 2_000)
FASTSTREAM_PUBLISHED = (100, 500, 1_000)
# One record at a time takes milliseconds each.
SLOW_EVENTS = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingPlan:
    events: int = 60_000
    repetitions: int = 5
    tries: int = 2
    rivals: bool = True


@dataclass(slots=True)
class Series:
    """All drains of one contestant in one setting.

    `same_job` False: it does less than the others. `fault`: why its figures count for nothing.
    """

    name: str
    setting: str
    same_job: bool = True
    fault: str = ""
    drains: list[Drain] = field(default_factory=list)

    @property
    def best_rate(self) -> float:
        return max(drain.rate for drain in self.drains)


@dataclass(frozen=True, slots=True)
class Entry:
    contestant: Contestant
    events: int
    series: Series

    @classmethod
    def of(cls, contestant: Contestant, events: int, *, same_job: bool = True) -> Entry:
        return cls(contestant, events, Series(contestant.name, contestant.setting, same_job))

    def afresh(self) -> Entry:
        return Entry.of(self.contestant, self.events, same_job=self.series.same_job)


def measure_routing(stand: Stand, plan: RoutingPlan, folder: Path, say: Say) -> dict[str, object]:
    """The two rounds as plain data: `tried` and `measured`, each a list of series; `job_us` without Kafka."""
    tried = candidates(plan)
    take_turns(stand, tried, plan.tries, say, trial=True)
    chosen = [Entry.of(contestants.glyphstream(folder), plan.events), *fastest(tried)]
    take_turns(stand, chosen, plan.repetitions, say)
    return {
        "plan": dataclasses.asdict(plan),
        "tried": [plain(entry.series) for entry in tried],
        "measured": [plain(entry.series) for entry in chosen],
        "job_us": [job_us(plan.events) for _ in range(plan.repetitions)],
    }


def job_us(events: int) -> float:
    """CPU microseconds an event of the job alone, which no contestant can go below."""
    router, rows = Router(), good_rows(events)
    started = time.process_time()
    for row in rows:
        router.jobs(row.value, row.headers)
    return (time.process_time() - started) / events * 1e6


def candidates(plan: RoutingPlan) -> list[Entry]:
    raw = [
        Entry.of(contestants.raw_aiokafka(way=way, batch=batch), plan.events)
        for way in ("send", "batch")
        for batch in RAW_BATCHES
    ]
    if not plan.rivals:
        return raw
    return [
        *raw,
        *(Entry.of(contestants.quix(commit_every=every), plan.events) for every in QUIX_COMMITS),
        Entry.of(contestants.faststream(way="single"), min(plan.events, SLOW_EVENTS)),
        *(
            Entry.of(contestants.faststream(way="batch", batch=batch), plan.events)
            for batch in FASTSTREAM_BATCHES
        ),
        *(
            Entry.of(contestants.faststream(way="publish", batch=batch), plan.events, same_job=False)
            for batch in FASTSTREAM_PUBLISHED
        ),
    ]


def fastest(tried: Iterable[Entry]) -> list[Entry]:
    """Each contestant's fastest setting; FastStream's single subscriber and its lesser job count apart."""
    best: dict[tuple[str, bool, bool], Entry] = {}
    for entry in tried:
        series = entry.series
        if series.fault:
            continue
        kind = series.name, series.same_job, series.setting == "single"
        if kind not in best or series.best_rate > best[kind].series.best_rate:
            best[kind] = entry
    return [entry.afresh() for entry in best.values()]


def take_turns(
    stand: Stand, entries: Sequence[Entry], repetitions: int, say: Say, *, trial: bool = False
) -> None:
    """One drain of each in each repetition. In a trial, a setting that loses events is out and told of.

    Raises:
        BenchError: a contestant lost events or did not do the job.
    """
    rows = good_rows(max(entry.events for entry in entries))
    total = repetitions * len(entries)
    for repetition in range(repetitions):
        for place, entry in enumerate(entries):
            series = entry.series
            if series.fault:
                continue
            done = repetition * len(entries) + place + 1
            label = f"{done:3} of {total}: {series.name:13} {series.setting:18}"
            try:
                drain = drained(stand, entry.contestant, rows[: entry.events])
            except BenchError as error:
                if not trial:
                    raise
                series.fault = str(error).partition("\n")[0]
                say(f"{label} OUT: {error}")
            else:
                series.drains.append(drain)
                say(f"{label} {described(drain)}")


def drained(stand: Stand, contestant: Contestant, rows: Sequence[Row]) -> Drain:
    """One drain whose outputs were counted.

    Raises:
        BenchError: a prompt has no job, or more than one.
    """
    with stand.topics() as prefix:
        drain = stand.drain(contestant, prefix, rows)
        check_outputs(stand.bootstrap, prefix, rows, contestant)
    return drain


def check_outputs(bootstrap: str, prefix: str, rows: Sequence[Row], contestant: Contestant) -> None:
    keys = [
        found.key() for found in committed_records(bootstrap, [prefix + topic.name for topic in JOB_TOPICS])
    ]
    owed = {row.key for row in rows}
    if len(keys) != len(rows) or set(keys) != owed:
        raise BenchError(
            f"{contestant.name} ({contestant.setting}) wrote {len(keys)} jobs with {len(set(keys) & owed)} "
            f"of the {len(rows)} keys owed: its figures count for nothing"
        )


def described(drain: Drain) -> str:
    return (
        f"{drain.rate:7.0f} events/s  {drain.cpu_us:6.1f} us CPU an event  "
        f"started in {drain.start_s:.1f} s  {drain.rss_mb:.0f} MB  others used {drain.foreign:.0%}"
    )


def plain(series: Series) -> dict[str, object]:
    return dataclasses.asdict(series)
