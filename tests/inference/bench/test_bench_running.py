from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from inference.bench.baseline import decode, encode
from inference.bench.budget import OverBudget
from inference.bench.contestant import NotAtHand
from inference.bench.engine import EngineContestant
from inference.bench.journal import Journal
from inference.bench.plan import PlanError
from inference.bench.running import NotBegun, Progress, run
from inference.engines.base import Picture, Refused, Transient, Unsupported
from inference.engines.entries import Billing
from inference.engines.registry import Engines, load_registry
from inference.legibility.base import Line
from inference.legibility.service import ReaderFailed
from schemas.events import Spec
from tests.inference.bench.scripted import (
    STAMP,
    TODAY,
    PixelReader,
    Pool,
    ScriptedEngine,
    as_asked,
    hosted,
    posters,
    setup_of,
    studio_of,
    without_times,
)


def wrong(_spec: Spec) -> Sequence[str]:
    return ["OPEN LATTE"]


async def test_every_engine_draws_every_prompt_with_the_same_seeds() -> None:
    good, bad = ScriptedEngine(as_asked), ScriptedEngine(wrong)
    finished = await run(setup_of({"good": good, "bad": bad}, posters(3)))
    assert [(s.prompt, s.seed) for s in good.drawn] == [(s.prompt, s.seed) for s in bad.drawn]
    assert len(good.drawn) == 1 + 3 * 2
    figures = [engine.figures for engine in finished.report.engines]
    assert [(each.samples, each.accepted_samples) for each in figures] == [(6, 6), (6, 0)]


async def test_warm_ups_are_drawn_first_and_counted_nowhere() -> None:
    finished = await run(setup_of({"a": as_asked, "b": as_asked}, posters(2), warm_up=3))
    warm = [detail.sample.warm_up for detail in finished.details]
    assert warm == [True] * 6 + [False] * 8
    assert all(engine.figures.samples == 4 for engine in finished.report.engines)


async def test_the_report_keeps_what_was_read_and_where() -> None:
    finished = await run(setup_of({"pen": wrong}, posters(1), samples=1, warm_up=0))
    (detail,) = finished.details
    assert [line.text for line in detail.lines] == ["OPEN LATTE"]
    assert detail.legibility is not None
    assert detail.legibility.texts[0].text == "OPEN LATE"
    assert detail.sample.score == detail.legibility.score


async def test_an_engine_that_fails_gives_samples_without_a_picture_and_stops_nobody() -> None:
    def broken(spec: Spec) -> Sequence[str]:
        faults = [Transient("no answer"), Refused("not this"), Unsupported("no such size"), KeyError("a bug")]
        raise faults[spec.seed % 4]

    finished = await run(setup_of({"broken": broken, "good": as_asked}, posters(8), warm_up=0))
    failed, good = (engine.figures for engine in finished.report.engines)
    assert set(failed.outcomes) == {"failed", "refused"}
    assert (failed.samples, failed.accepted_samples, failed.seconds_p50) == (16, 0, None)
    assert good.accepted_samples == 16
    reasons = {detail.sample.reason for detail in finished.details if detail.sample.engine == "broken"}
    assert {"no answer", "not this", "no such size", "unexpected KeyError: 'a bug'"} == reasons


async def test_a_reader_that_fails_is_not_the_engines_fault() -> None:
    class Dead(PixelReader):
        async def read(self, _png: bytes) -> Mapping[str, tuple[Line, ...]]:
            raise ReaderFailed("the process died")

    studio = studio_of(Pool({"pen": ScriptedEngine(as_asked)}), readers=Dead())
    setup = replace(setup_of({"pen": as_asked}, posters(2)), contestants=[EngineContestant("pen", studio)])
    (engine,) = (await run(setup)).report.engines
    assert (engine.figures.unjudged, engine.figures.accepted, engine.figures.legibility) == (4, None, None)


async def test_the_report_is_a_baseline_as_it_is_written() -> None:
    report = (await run(setup_of({"good": as_asked, "bad": wrong}, posters(3)))).report
    assert decode(encode(report), "b.json") == report
    assert {pair.measure for pair in report.pairs} == {"legibility", "accepted", "seconds"}


async def test_progress_tells_how_far_it_is_and_how_long_it_will_take() -> None:
    ticks = itertools.count(0.0, 2.0).__next__
    told: list[Progress] = []
    await run(setup_of({"a": as_asked, "b": as_asked}, posters(2)), told.append, clock=ticks)
    assert [each.done for each in told] == list(range(1, 11))
    assert [each.left for each in told] == list(range(9, -1, -1))
    assert [each.eta_s for each in told] == [2.0 * each.left for each in told]
    assert told[-1].last.sample.engine in ("a", "b")


async def test_a_prompt_twice_is_refused_before_anything_is_drawn() -> None:
    engine = ScriptedEngine(as_asked)
    with pytest.raises(PlanError, match="ask for the same"):
        await run(setup_of({"pen": engine}, (*posters(1), replace(posters(1)[0], id="again"))))
    assert not engine.drawn


def test_an_engine_that_cannot_be_called_here_is_named_before_the_run() -> None:
    engines = Engines(load_registry(), today=lambda: TODAY, environ={})
    studio = replace(studio_of(Pool({})), engines=engines)
    with pytest.raises(NotAtHand, match=r"ideogram-4\.5: .*--emulate"):
        EngineContestant("ideogram-4.5", studio)
    with pytest.raises(NotAtHand, match="unknown 'imagin'"):
        EngineContestant("imagin", studio)


class Interrupted(Exception):
    """Stands for a kill: nothing after it runs."""


async def interrupted(tmp_path: Path, after: int) -> None:
    """A run that ends after so many pictures."""

    def stop(progress: Progress) -> None:
        if progress.done == after:
            raise Interrupted

    with Journal(tmp_path / "j", STAMP) as journal, pytest.raises(Interrupted):
        await run(setup_of({"good": as_asked, "bad": wrong}, posters(4)), stop, journal=journal)


async def test_a_killed_run_draws_only_what_is_left_and_reports_the_same(tmp_path: Path) -> None:
    whole = (await run(setup_of({"good": as_asked, "bad": wrong}, posters(4)))).report
    await interrupted(tmp_path, after=9)
    good, bad = ScriptedEngine(as_asked), ScriptedEngine(wrong)
    with Journal(tmp_path / "j", STAMP) as journal:
        finished = await run(setup_of({"good": good, "bad": bad}, posters(4)), journal=journal)
    assert len(good.drawn) + len(bad.drawn) == 2 + (16 - 7)
    assert finished.report.conditions == whole.conditions
    for ours, theirs in zip(finished.report.engines, whole.engines, strict=True):
        assert without_times(ours.samples) == without_times(theirs.samples)
        assert ours.figures.legibility == theirs.figures.legibility
        assert ours.figures.accepted == theirs.figures.accepted


async def test_a_finished_run_is_summed_up_again_without_a_picture(tmp_path: Path) -> None:
    engine = ScriptedEngine(as_asked)
    for _ in range(2):
        with Journal(tmp_path / "j", STAMP) as journal:
            finished = await run(setup_of({"pen": engine}, posters(3)), journal=journal)
    assert len(engine.drawn) == 7
    assert finished.report.engines[0].figures.samples == 6


async def test_more_samples_of_a_finished_run_cost_only_the_new_ones(tmp_path: Path) -> None:
    engine = ScriptedEngine(as_asked)
    for samples in (2, 3):
        with Journal(tmp_path / "j", STAMP) as journal:
            await run(setup_of({"pen": engine}, posters(3), samples=samples, warm_up=0), journal=journal)
    assert len(engine.drawn) == 9


LIVE = {"PEN_KEY": "k"}
PAID = {"pen": hosted("pen", 0.04)}


async def test_a_live_key_is_not_used_without_a_budget() -> None:
    engine = ScriptedEngine(as_asked, usd=0.04)
    with pytest.raises(
        NotBegun, match=r"--max-usd: is required, since pen \(key in PEN_KEY\).*--max-usd 0.28"
    ):
        await run(setup_of({"pen": engine}, posters(3), entries=PAID, environ=LIVE))
    assert not engine.drawn


async def test_a_budget_that_cannot_do_is_refused_before_the_first_picture() -> None:
    engine = ScriptedEngine(as_asked, usd=0.04)
    with pytest.raises(NotBegun, match="buys the first 2"):
        await run(setup_of({"pen": engine}, posters(3), entries=PAID, environ=LIVE, max_usd=0.1))
    assert not engine.drawn


async def test_what_is_dearer_than_its_list_price_stops_within_the_budget(tmp_path: Path) -> None:
    engine = ScriptedEngine(as_asked, usd=0.08)
    made = {"entries": PAID, "environ": LIVE, "warm_up": 0}
    with Journal(tmp_path / "j", STAMP) as journal:
        with pytest.raises(OverBudget, match=r"\$0.2400 of \$0.25 are spent"):
            await run(setup_of({"pen": engine}, posters(3), max_usd=0.25, **made), journal=journal)
        assert journal.paid == pytest.approx(0.24)
    assert len(engine.drawn) == 3
    with (
        Journal(tmp_path / "j", STAMP) as journal,
        pytest.raises(NotBegun, match=r"cost \$0.24, which counts"),
    ):
        await run(setup_of({"pen": engine}, posters(3), max_usd=0.25, **made), journal=journal)
    with Journal(tmp_path / "j", STAMP) as journal:
        await run(setup_of({"pen": engine}, posters(3), max_usd=0.5, **made), journal=journal)
    assert len(engine.drawn) == 6


async def test_pictures_that_fail_and_may_be_billed_count_as_paid() -> None:
    def refusing(_spec: Spec) -> Sequence[str]:
        raise Refused("withheld")

    told: list[Progress] = []
    billed = msgspec.structs.replace(PAID["pen"], billing=Billing(output_refused="billed"))
    made = {"entries": {"pen": billed}, "environ": LIVE, "max_usd": 1.0, "warm_up": 0}
    await run(setup_of({"pen": refusing}, posters(2), **made), told.append)
    assert told[-1].spent == pytest.approx(0.16)


async def test_what_the_emulator_draws_costs_no_real_money() -> None:
    engine = ScriptedEngine(as_asked, usd=0.04)
    pool = Pool({"pen": engine}, PAID, frozenset({"pen"}))
    contestant = EngineContestant("pen", studio_of(pool, environ=LIVE))
    told: list[Progress] = []
    setup = replace(setup_of({"pen": engine}, posters(2)), contestants=[contestant], max_usd=0.0)
    finished = await run(setup, told.append)
    assert told[-1].spent == 0.0
    assert finished.report.engines[0].figures.usd_hosted == pytest.approx(0.16)


async def test_hosted_dollars_and_our_own_are_told_apart() -> None:
    engines = {"pen": ScriptedEngine(as_asked, usd=0.04), "own": ScriptedEngine(as_asked, usd=0.001)}
    setup = setup_of(engines, posters(2), entries=PAID, environ=LIVE, max_usd=1.0)
    pen, own = (engine.figures for engine in (await run(setup)).report.engines)
    assert [pen.usd_hosted, own.usd_hosted] == pytest.approx([0.16, 0.0])
    assert [pen.usd_infrastructure, own.usd_infrastructure] == pytest.approx([0.0, 0.004])


class Crowded(ScriptedEngine):
    """Knows how many of its pictures are under way at once; each waits for the loop to turn."""

    under_way = 0
    most = 0

    async def render(self, spec: Spec, *, background: bytes | None = None) -> Picture:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        for _ in range(20):
            await asyncio.sleep(0)
        try:
            return await super().render(spec, background=background)
        finally:
            self.under_way -= 1


async def test_only_hosted_pictures_are_drawn_several_at_once() -> None:
    pen, own = Crowded(as_asked, usd=0.04), Crowded(as_asked)
    setup = setup_of({"pen": pen, "own": own}, posters(6), entries=PAID, environ=LIVE, max_usd=1.0, batch=4)
    finished = await run(setup)
    assert (pen.most, own.most) == (4, 1)
    assert [engine.figures.samples for engine in finished.report.engines] == [12, 12]


async def test_what_is_under_way_when_money_runs_out_is_finished_and_kept() -> None:
    pen = Crowded(as_asked, usd=0.08)
    setup = setup_of({"pen": pen}, posters(6), entries=PAID, environ=LIVE, max_usd=0.48, batch=4, warm_up=0)
    told: list[Progress] = []
    with pytest.raises(OverBudget):
        await run(setup, told.append)
    assert len(told) == len(pen.drawn)
