from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from streams.demo.figures import engine_figures, first_attempt, percentile, shown_attempt, wilson, yardstick
from streams.demo.tables import engine_table
from tests.streams.demo.finals_made import attempt, final, reading


def test_an_engine_is_counted_over_all_its_attempts() -> None:
    finals = [
        final("1", [attempt(0, usd=0.001, seconds=1.0), attempt(1, "imagen4_ultra", usd=0.134, seconds=3.0)]),
        final("2", [attempt(0, usd=0.001, seconds=2.0)]),
    ]
    rows = {row.engine: row for row in engine_figures(finals)}
    local, hosted = rows["sd3.5_medium"], rows["imagen4_ultra"]
    assert (local.attempts, local.rendered, local.accepted, local.p50_s) == (2, 2, 1, 1.5)
    assert local.usd_per_1000_rendered == pytest.approx(1.0)
    assert local.usd_per_1000_accepted == pytest.approx(2.0)
    assert hosted.usd_per_1000_accepted == pytest.approx(134.0)
    assert hosted.emulated


def test_a_picture_found_in_the_store_counts_neither_seconds_nor_dollars() -> None:
    finals = [
        final("1", [attempt(0, seconds=2.0)]),
        final("2", [attempt(0, cached=True, seconds=0.0, usd=0.0)]),
    ]
    (row,) = engine_figures(finals)
    assert (row.rendered, row.found, row.p50_s) == (1, 1, 2.0)
    assert row.usd_per_1000_rendered == pytest.approx(10.0)


def test_who_drew_for_a_local_engine_is_shown_by_the_models_name() -> None:
    tiny = "glyphstream/tiny@0123 (cpu bfloat16; default 28 steps, guidance 3; sd3-1)"
    rows = engine_figures([final("1", [attempt(0, model=tiny, emulated=False), attempt(1, "layout")])])
    assert rows[1].models == (tiny,)
    shown = list(engine_table(rows).columns[1].cells)
    assert [str(cell) for cell in shown] == ["emulated", "glyphstream/tiny@0123"]


def test_an_engine_without_accepted_pictures_has_no_price_for_them() -> None:
    (row,) = engine_figures([final("1", [attempt(0)], status="best_effort")])
    assert row.accepted == 0
    assert row.usd_per_1000_accepted is None


def test_an_engine_that_only_refused_drew_nothing() -> None:
    refused = attempt(0, outcome="refused", pictures=None, legibility=None, usd=0.0)
    (row,) = engine_figures([final("1", [refused], status="refused")])
    assert (row.rendered, row.p50_s, row.legibility, row.usd_per_1000_rendered) == (0, None, None, None)


def test_first_pictures_stand_beside_finals() -> None:
    missed = attempt(0, legibility=reading(0.5, ("SALE", "missed"), ("夜", "unreadable_by_reader")))
    mended = attempt(1, legibility=reading(1.0, ("SALE", "read"), ("夜", "unreadable_by_reader")))
    measured = yardstick([final("1", [missed, mended])], [0.1])
    assert (measured.first_read.hits, measured.first_read.total) == (0, 1)
    assert (measured.final_read.hits, measured.final_read.total) == (1, 1)
    assert (measured.first_median_s, measured.final_median_s) == (1.0, 2.0)
    assert measured.usd_per_1000 == pytest.approx(20.0)
    assert measured.usd_per_1000_hosted_only == pytest.approx(100.0)


def test_the_first_picture_is_the_first_that_was_drawn() -> None:
    refused = attempt(0, outcome="refused", pictures=None)
    drawn = attempt(1)
    assert first_attempt(final("1", [refused, drawn])) is drawn


def test_a_best_effort_shows_the_attempt_whose_picture_it_carries() -> None:
    first, second = attempt(0), attempt(1)
    assert shown_attempt(final("1", [first, second], pictures=first.pictures)).ordinal == 0


def test_nothing_gives_no_figures() -> None:
    assert engine_figures([]) == []
    assert yardstick([], []).usd_per_1000 is None


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 100))
def test_percentiles_are_numpys(values: list[float], percent: float) -> None:
    assert percentile(values, percent) == pytest.approx(float(np.percentile(values, percent)))


@given(st.integers(1, 500).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_wilsons_interval_is_scipys(counts: tuple[int, int]) -> None:
    hits, total = counts
    published = binomtest(hits, total).proportion_ci(method="wilson")
    assert wilson(hits, total) == pytest.approx((published.low, published.high), abs=1e-6)
