"""What this process tells Prometheus: one list of names, and what feeds them.

`python -m streams.metrics > docs/metrics.md` writes the list down.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from prometheus_client import CollectorRegistry, Counter, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.settings import Settings, SettingsError

if TYPE_CHECKING:
    from inference.engines.expiry import Ending, Level
    from inference.engines.ledger import Row

HOST: Final = "127.0.0.1"
_LEVELS: Final[Mapping[Level, int]] = {"far": 0, "note": 1, "warning": 2, "urgent": 3, "ended": 0}
_STRANDED: Final = 4


class MetricsError(RuntimeError):
    """The metrics cannot be served; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Named:
    """One metric as it is read: its whole name, what it counts in which unit, and by what."""

    name: str
    kind: Literal["counter", "gauge"]
    labels: tuple[str, ...]
    help: str


DAYS_LEFT: Final = Named(
    "glyphstream_engine_days_left",
    "gauge",
    ("engine", "successor"),
    "Days to the last one on which an engine with an announced end is called; negative once that is past "
    "and its successor is called instead. The successor is empty where nobody follows.",
)
EXPIRY_LEVEL: Final = Named(
    "glyphstream_engine_expiry_level",
    "gauge",
    ("engine",),
    "How near the end of an engine is: 1 from 60 days, 2 from 30, 3 from 7; 4 when it has ended and nobody "
    "follows it; 0 when it is far, or past and its successor draws.",
)
ADDS_USD: Final = Named(
    "glyphstream_engine_successor_adds_usd",
    "gauge",
    ("engine", "successor"),
    "US dollars that one picture of 1024x1024 costs more with the successor of an engine that ends; less "
    "where negative.",
)
SPEND_USD: Final = Named(
    "glyphstream_spend_usd_total",
    "counter",
    ("engine",),
    "US dollars charged for calls that this process settled, refusals that are billed included.",
)
EMULATED_USD: Final = Named(
    "glyphstream_emulated_spend_usd_total",
    "counter",
    ("engine",),
    "US dollars that calls would have been charged where the emulator stood in. Nobody is paid these.",
)
CALLS: Final = Named(
    "glyphstream_engine_calls_total",
    "counter",
    ("engine", "outcome", "kind", "emulated"),
    "Calls to engines that somebody is paid for, by outcome (image, refused, failed, unknown) and the kind "
    "of error, which is empty for a picture. One whose unknown outcome is found later counts under both.",
)
BREAKER_OPEN: Final = Named(
    "glyphstream_engine_breaker_open",
    "gauge",
    ("engine",),
    "1 while this process does not ask an engine for what it answered before, else 0.",
)

METRICS: Final = (DAYS_LEFT, EXPIRY_LEVEL, ADDS_USD, SPEND_USD, EMULATED_USD, CALLS, BREAKER_OPEN)


class Metrics:
    """The metrics of one process, in a registry of their own. Safe to feed from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._spend = self._counter(SPEND_USD)
        self._emulated = self._counter(EMULATED_USD)
        self._calls = self._counter(CALLS)

    def called(self, row: Row) -> None:
        """A call was settled, or its outcome became known (`inference.spending.Observer`)."""
        call = row.call
        self._calls.labels(call.engine, row.state, row.kind or "", str(call.emulated).lower()).inc()
        spend = self._emulated if call.emulated else self._spend
        spend.labels(call.engine).inc((row.settled or 0) / 1_000_000)

    def watch_ends(self, look: Callable[[], Iterable[Ending]]) -> None:
        """Tells the engines that end as `look` finds them at each scrape, on whatever day that is."""
        self.registry.register(_Ends(look))

    def watch_breaker(self, engines: Collection[str], shut: Callable[[], Collection[str]]) -> None:
        """Tells which of `engines` are not asked, as `shut` finds them at each scrape."""
        self.registry.register(_Shut(tuple(engines), shut))

    def _counter(self, metric: Named) -> Counter:
        return Counter(metric.name, metric.help, metric.labels, registry=self.registry)


@contextlib.contextmanager
def serve_metrics(host: str, port: int, registry: CollectorRegistry) -> Iterator[str]:
    """Serves `registry` from a thread of its own; yields the address. Port 0 is any that is free.

    Raises:
        MetricsError: the port cannot be bound.
    """
    try:
        server, thread = start_http_server(port, host, registry)
    except (OSError, OverflowError) as error:
        raise MetricsError(
            f"metrics_port {port} cannot be bound on {host}: {error}; choose another, or 0 for none"
        ) from error
    try:
        yield f"http://{host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def metrics_of(settings: Settings) -> Iterator[Metrics]:
    """Metrics to feed, which are served as long as this is open where the settings name a port.

    Raises:
        SettingsError: the port cannot be bound.
    """
    metrics = Metrics()
    with contextlib.ExitStack() as stack:
        if settings.metrics_port:
            try:
                stack.enter_context(serve_metrics(HOST, settings.metrics_port, metrics.registry))
            except MetricsError as error:
                raise SettingsError(str(error)) from error
        yield metrics


class _Ends(Collector):
    def __init__(self, look: Callable[[], Iterable[Ending]]) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        days, levels, adds = _gauge(DAYS_LEFT), _gauge(EXPIRY_LEVEL), _gauge(ADDS_USD)
        for ending in self._look():
            successor = ending.successor or ""
            days.add_metric((ending.engine, successor), ending.days_left)
            levels.add_metric((ending.engine,), _STRANDED if ending.is_stranded else _LEVELS[ending.level])
            if ending.adds_usd is not None:
                adds.add_metric((ending.engine, successor), ending.adds_usd)
        yield from (days, levels, adds)


class _Shut(Collector):
    def __init__(self, engines: tuple[str, ...], shut: Callable[[], Collection[str]]) -> None:
        self._engines = engines
        self._shut = shut

    def collect(self) -> Iterator[Metric]:
        gauge, shut = _gauge(BREAKER_OPEN), self._shut()
        for engine in self._engines:
            gauge.add_metric((engine,), float(engine in shut))
        yield gauge


def _gauge(metric: Named) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def described() -> str:
    """The list as a page."""
    rows = "\n".join(
        f"| `{metric.name}` | {metric.kind} | {', '.join(metric.labels)} | {metric.help} |"
        for metric in METRICS
    )
    return f"""# Metrics

Served at `/metrics` on {HOST} in Prometheus' text format where `metrics_port` (`GLYPHSTREAM_METRICS_PORT`) is
set. `python -m streams.metrics` writes this page.

| name | kind | labels | what it tells |
|---|---|---|---|
{rows}
"""


if __name__ == "__main__":
    sys.stdout.write(described())
