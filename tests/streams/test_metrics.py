"""What Prometheus is told: right on the day of the scrape, real money apart, every name documented."""

from __future__ import annotations

import datetime as dt
import socket
import threading
import urllib.request
from collections.abc import Collection
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from inference.engines.base import EngineError, Refused, Uncertain
from inference.engines.entries import Entry, Price, Registry
from inference.engines.expiry import endings
from inference.engines.ledger import Answer, Begun, Call, Ledger, Row
from inference.spending import Observer
from schemas.events import PromptRef
from streams.metrics import HOST, METRICS, Metrics, MetricsError, described, metrics_of, serve_metrics
from streams.settings import Settings, SettingsError

Samples = dict[tuple[str, tuple[str, ...]], float]


def scraped(registry: CollectorRegistry) -> Samples:
    """Values by name and the values of its labels, in the order of their names."""
    return parsed(generate_latest(registry))


def parsed(page: bytes) -> Samples:
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def entry(name: str, not_after: dt.date | None = None, successor: str | None = None) -> Entry:
    price = Price(priced_on=dt.date(2026, 1, 1), usd=0.06 if name == "new" else 0.04)
    return Entry(
        name=name, adapter="fake", model=name, title=name, roles=("final",), price=price,
        not_after=not_after, successor=successor,
    )  # fmt: skip


def test_days_left_are_those_of_the_day_of_the_scrape() -> None:
    last = dt.date(2026, 12, 31)
    old, new, lone = entry("old", last, "new"), entry("new"), entry("lone", last)
    registry = Registry({one.name: one for one in (old, new, lone)})
    today = last
    metrics = Metrics()
    metrics.watch_ends(lambda: endings(registry, today=today))
    seen = {}
    for left in (61, 60, 30, 7, 0, -1):
        today = last - dt.timedelta(days=left)
        found = scraped(metrics.registry)
        assert found["glyphstream_engine_days_left", ("old", "new")] == left
        assert found["glyphstream_engine_days_left", ("lone", "")] == left
        seen[left] = [found["glyphstream_engine_expiry_level", (name,)] for name in ("old", "lone")]
    assert seen == {61: [0, 0], 60: [1, 1], 30: [2, 2], 7: [3, 3], 0: [3, 3], -1: [0, 4]}
    assert found["glyphstream_engine_successor_adds_usd", ("old", "new")] == pytest.approx(0.02)


def settled(ledger: Ledger, name: str, answer: Answer | EngineError, *, emulated: bool = False) -> Row:
    call = Call(
        ref=PromptRef("shop", name), ordinal=0, asked="", render_id="r", engine="pen", model="m",
        reserve=50_000, emulated=emulated,
    )  # fmt: skip
    begun = ledger.begin(call)
    assert isinstance(begun, Begun)
    row = ledger.sent(begun.row)
    return ledger.settle(row, answer if isinstance(answer, Answer) else Answer.of(answer, charged=30_000))


def test_dollars_and_calls_are_counted_by_engine_and_what_the_emulator_drew_apart(tmp_path: Path) -> None:
    ledger = Ledger.open(str(tmp_path / "ledger.db"))
    metrics = Metrics()
    observer: Observer = metrics
    observer.called(settled(ledger, "1", Answer.image("file:///a", 40_000)))
    observer.called(settled(ledger, "2", Answer.image("file:///b", 41_000)))
    observer.called(settled(ledger, "3", Refused("no", kind="refused_output", billed="billed")))
    observer.called(settled(ledger, "4", Refused("no")))
    observer.called(settled(ledger, "5", Uncertain("lost", billed="unknown")))
    observer.called(settled(ledger, "6", Answer.image("file:///c", 500_000), emulated=True))
    ledger.close()
    found = scraped(metrics.registry)
    calls = {
        labels: value for (name, labels), value in found.items() if name == "glyphstream_engine_calls_total"
    }
    assert found["glyphstream_spend_usd_total", ("pen",)] == pytest.approx(0.111)
    assert found["glyphstream_emulated_spend_usd_total", ("pen",)] == pytest.approx(0.5)
    assert calls == {
        ("false", "pen", "", "image"): 2,
        ("false", "pen", "refused_output", "refused"): 1,
        ("false", "pen", "refused_prompt", "refused"): 1,
        ("false", "pen", "unknown", "unknown"): 1,
        ("true", "pen", "", "image"): 1,
    }


def test_an_engine_that_is_not_asked_is_told_until_it_is_asked_again() -> None:
    shut: Collection[str] = {"pen"}
    metrics = Metrics()
    metrics.watch_breaker(["pen", "brush"], lambda: shut)
    first = scraped(metrics.registry)
    shut = ()
    second = scraped(metrics.registry)
    name = "glyphstream_engine_breaker_open"
    assert [first[name, ("pen",)], first[name, ("brush",)], second[name, ("pen",)]] == [1, 0, 0]


def test_every_metric_is_in_the_list_and_every_name_of_the_list_is_told() -> None:
    metrics = Metrics()
    metrics.watch_ends(lambda: ())
    metrics.watch_breaker([], lambda: ())
    told = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type, family.documentation)
        for family in metrics.registry.collect()
    }
    assert told == {(metric.name, metric.kind, metric.help) for metric in METRICS}


def test_the_page_is_made_from_the_list() -> None:
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert page.read_text("utf-8") == described(), "python -m streams.metrics > docs/metrics.md"


def test_they_are_read_over_http_on_this_machine_alone() -> None:
    metrics = Metrics()
    metrics.watch_breaker(["pen"], lambda: ["pen"])
    with serve_metrics(HOST, 0, metrics.registry) as address:
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert parsed(answer.read()) == {("glyphstream_engine_breaker_open", ("pen",)): 1}


def test_a_port_that_is_taken_is_named_with_the_way_out() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        expected = rf"metrics_port {port} cannot be bound on 127\.0\.0\.1.*choose another, or 0 for none"
        with pytest.raises(MetricsError, match=expected), serve_metrics(HOST, port, Metrics().registry):
            pass


def test_they_are_served_where_the_settings_name_a_port_and_only_there() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(SettingsError, match=f"metrics_port {port} cannot be bound"),
            metrics_of(Settings(metrics_port=port)),
        ):
            pass
        with metrics_of(Settings()) as metrics:
            assert scraped(metrics.registry) == {}
    address = f"http://{HOST}:{port}/metrics"
    with metrics_of(Settings(metrics_port=port)), urllib.request.urlopen(address, timeout=10) as answer:
        assert answer.status == 200


def test_nothing_is_left_behind_when_it_is_closed() -> None:
    before = set(threading.enumerate())
    with serve_metrics(HOST, 0, Metrics().registry):
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) <= before
