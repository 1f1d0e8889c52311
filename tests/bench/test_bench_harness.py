"""The bench itself, on few events: what it measures was done, and whoever drops an event is refused."""

from __future__ import annotations

import collections
import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from schemas.faults import BadEvent
from schemas.topics import POLISH, PREVIEW
from tests.bench import contestants, report, targets
from tests.bench.backlog import BenchError, hidden_backlog
from tests.bench.chart import picture
from tests.bench.figures import Spread, median_interval, paired_ratio, percentiles
from tests.bench.job import Router
from tests.bench.routing import Entry, check_outputs, drained, fastest
from tests.bench.stand import Contestant, Drain, Stand
from tests.bench.workload import good_rows, mixed, poison_rows

EVENTS = 400


@pytest.fixture
def stand(kafka: str, tmp_path: Path) -> Stand:
    return Stand(kafka, tmp_path / "logs")


@pytest.mark.parametrize("name", ["product", "raw"])
def test_every_event_is_counted_and_its_cost_is_measured(name: str, stand: Stand, tmp_path: Path) -> None:
    choices = {
        "product": contestants.glyphstream(tmp_path),
        "raw": contestants.raw_aiokafka(way="batch", batch=100),
    }
    drain = drained(stand, choices[name], good_rows(EVENTS))
    assert drain.events == EVENTS
    assert drain.wall_s > 0
    assert drain.cpu_s > 0
    assert drain.rss_mb > 10


def test_no_two_measurements_share_their_topics(kafka: str, tmp_path: Path) -> None:
    prefixes = []
    for number in range(2):
        with Stand(kafka, tmp_path / str(number)).topics() as prefix:
            prefixes.append(prefix)
    assert len(set(prefixes)) == 2


def test_a_contestant_that_dropped_events_is_refused(stand: Stand) -> None:
    rows = good_rows(20)
    lazy = Contestant("lazy", "defaults", (), {})
    with stand.topics() as prefix:
        hidden_backlog(stand.bootstrap, prefix + PREVIEW.name, rows[:10]).producer.commit_transaction(30)
        hidden_backlog(stand.bootstrap, prefix + POLISH.name, rows[10:19]).producer.commit_transaction(30)
        with pytest.raises(BenchError, match=r"lazy .* wrote 19 jobs with 19 of the 20 keys"):
            check_outputs(stand.bootstrap, prefix, rows, lazy)


def test_a_contestant_that_ends_by_itself_is_named_with_its_log(stand: Stand) -> None:
    broken = Contestant("broken", "defaults", ("sh", "-c", "echo no such topic; exit 3"), {})
    with stand.topics() as prefix, pytest.raises(BenchError, match=r"broken: ended .* 3\nno such topic"):
        stand.drain(broken, prefix, good_rows(1))


def test_good_rows_fill_both_job_topics_once_each() -> None:
    router, rows = Router(), good_rows(200)
    jobs = [job for row in rows for job in router.jobs(row.value, row.headers)]
    assert collections.Counter(job.topic for job in jobs) == {PREVIEW.name: 100, POLISH.name: 100}
    assert [job.key for job in jobs] == [row.key for row in rows]


def test_no_poison_can_be_decoded() -> None:
    router = Router()
    for row in poison_rows(20, first=1_000):
        with pytest.raises(BadEvent):
            router.jobs(row.value, row.headers)


def test_poison_is_strewn_in_and_the_good_keep_their_order() -> None:
    good, poison = good_rows(50), poison_rows(10, first=50)
    rows = mixed(good, poison, random.Random(7))
    assert len(rows) == 60
    assert [row for row in rows if row in good] == good
    assert [row for row in rows if row in poison] == poison


def test_percentiles_are_values_that_occurred() -> None:
    assert percentiles(range(1, 101), (0.5, 0.99, 1.0)) == [50, 99, 100]
    assert percentiles([7.0], (0.5,)) == [7.0]


def test_ratios_pair_neighbours() -> None:
    assert paired_ratio([10, 40, 9], [10, 20, 3]) == Spread(2.0, 1.0, 3.0)
    assert median_interval([1.0] * 5) == (1.0, 1.0)


def test_the_fastest_setting_of_each_contestant_goes_on() -> None:
    slow, quick = (Entry.of(contestants.raw_aiokafka(way="batch", batch=batch), 10) for batch in (1, 2))
    single = Entry.of(contestants.faststream(way="single"), 10)
    batch = Entry.of(contestants.faststream(way="batch"), 10)
    for entry, seconds in ((slow, 4.0), (quick, 2.0), (single, 9.0), (batch, 1.0)):
        entry.series.drains.append(Drain(10, seconds, 1.0, 1.0, 50.0, 0.0))
    chosen = fastest([slow, quick, single, batch])
    assert [(entry.series.name, entry.series.setting) for entry in chosen] == [
        ("raw aiokafka", "batch 2"),
        ("FastStream", "single"),
        ("FastStream", "batch 500"),
    ]
    assert not any(entry.series.drains for entry in chosen)


def found(raw_rate: float) -> dict[str, Any]:
    """Figures as the JSON file has them, glyphstream at 1,000 events/s."""

    def series(name: str, rate: float) -> dict[str, Any]:
        drain = {"events": 100, "wall_s": 100 / rate, "cpu_s": 0.01, "start_s": 1.0, "rss_mb": 50.0}
        return {
            "name": name, "setting": "defaults", "same_job": True, "drains": [{**drain, "foreign": 0.1}] * 3
        }  # fmt: skip

    names = itertools.repeat("1")
    keys = ("date", "processor", "cores", "memory", "system", "python", "kafka", "aiokafka", "commit")
    made = {"command": "python -m tests.bench.run", "machine": dict(zip(keys, names, strict=False))}
    entry = {
        "events": 9, "percentiles_ms": {"50": 5.0, "99": 9.0}, "segments_ms": [{"50": 5.0, "99": 9.0}],
        "cpu_us": [80.0], "foreign": [0.0], "behind_ms": 1.0,
        "curve_ms": [float(value) for value in range(1, 1_000)],
    }  # fmt: skip
    return {
        "routing": {
            **made, "plan": {"events": 100}, "tried": [], "job_us": [40.0],
            "measured": [series("glyphstream", 1_000), series("raw aiokafka", raw_rate)],
        },
        "latency": {
            **made, "rate": 1_000,
            "contestants": [{**entry, "name": "glyphstream"}, {**entry, "name": "bare transaction"}],
        },
    }  # fmt: skip


@pytest.mark.parametrize(("raw_rate", "met"), [(1_250, True), (1_300, False)])
def test_a_target_missed_is_reported_as_missed(raw_rate: float, met: bool) -> None:
    verdict, *_ = targets.verdicts(found(raw_rate))
    assert verdict.met is met
    assert ("**not met**" in report.page(found(raw_rate), ())) is not met


def test_the_page_shows_figures_command_and_predictions() -> None:
    rows = [{"change": "less waste", "predicted": "5 us", "outcome": "4 us"}]
    text = report.page(found(1_250), rows)
    assert "| raw aiokafka | exactly-once | 1,250 (1,250 to 1,250) |" in text
    assert "The job alone, without Kafka, takes 40 (40 to 40) µs of CPU an event" in text
    assert "`python -m tests.bench.run`" in text
    assert "| less waste | 5 us | 4 us |" in text


def test_the_picture_is_drawn_from_whatever_was_measured() -> None:
    everything = found(1_250)
    whole = picture(everything)
    routing_alone = picture({"routing": everything["routing"]})
    assert whole.startswith(b"\x89PNG")
    assert len(routing_alone) < len(whole)


def test_predictions_can_be_read() -> None:
    assert all({"change", "predicted", "outcome"} <= row.keys() for row in report.predictions())
