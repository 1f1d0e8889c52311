"""An engine that is the same and draws by other dice passes the gate as often as `docs/bench.md` says."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from inference.bench.baseline import Report
from inference.bench.expression import parse
from inference.bench.gate import check
from inference.bench.plan import Draw
from inference.bench.running import run
from schemas.events import Spec
from tests.bench.legibility_alarms import SIGNIFICANT, scatter, table, tripped
from tests.inference.bench.benches import report, subjects
from tests.inference.bench.scripted import Script, posters, setup_of

PROMPTS = 20
RUNS = 200
MARGIN = 0.02


def dice(draw: Draw) -> dict[str, Any]:
    """A picture in five is spoilt; prompts differ, each with its own rate."""
    own = Random(draw.subject.digest).betavariate(0.8, 3.2)
    spoilt = Random(f"{draw.subject.digest} {draw.seed}").random() < own
    return {"score": 0.55 if spoilt else 1.0}


@pytest.fixture(scope="module")
def recorded() -> Report:
    return report(["pen"], subjects(PROMPTS), dice, samples=40)


def by_formula(pictures: int, spread: float) -> float:
    """How often two means of so many scores are further apart than the margin, one way, by the normal law."""
    return float(norm.cdf(-MARGIN / (spread * np.sqrt(2 / pictures))))


@pytest.mark.parametrize(("each", "most"), [(5, 0.35), (20, 0.15), (60, 0.03)])
def test_the_plain_form_trips_for_nothing_no_oftener_than_the_pictures_allow(
    recorded: Report, each: int, most: float
) -> None:
    random = np.random.default_rng(each)
    found = tripped(recorded, "pen", each, fall=0.0, runs=RUNS, random=random, rounds=1)
    expected = by_formula(found.pictures, scatter(recorded, "pen"))
    assert found.plain <= most
    assert found.plain == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / RUNS) + 0.005)


@pytest.mark.parametrize("each", [2, 10])
def test_the_significant_form_trips_for_nothing_in_one_run_of_forty_at_most(
    recorded: Report, each: int
) -> None:
    found = tripped(
        recorded, "pen", each, fall=0.0, runs=RUNS, random=np.random.default_rng(each), rounds=400
    )
    assert found.significant <= 1 / 40


async def test_whole_benches_that_other_dice_drew_pass() -> None:
    """As on another processor, or by a provider that takes no seed: same prompts, other pictures."""

    def spoiling(turn: int) -> Script:
        def write(spec: Spec) -> Sequence[str]:
            spoilt = Random(f"{turn} {spec.prompt} {spec.seed}").random() < 0.2
            return ["OPEN LAXE" if spoilt else "OPEN LATE"]

        return write

    async def bench(turn: int) -> Report:
        setup = setup_of({"pen": spoiling(turn)}, posters(10), samples=8, warm_up=0, rounds=10)
        return (await run(setup)).report

    baseline = await bench(0)
    for turn in range(1, 9):
        again = await bench(turn)
        assert [s.score for s in again.engines[0].samples] != [s.score for s in baseline.engines[0].samples]
        (found,) = check(again, baseline, [parse(SIGNIFICANT)], np.random.default_rng(turn), rounds=1_000)
        assert not found.tripped, str(found)


def test_a_fall_beyond_the_margin_is_caught_by_either_form_with_pictures_enough(recorded: Report) -> None:
    found = tripped(recorded, "pen", 20, fall=0.1, runs=50, random=np.random.default_rng(3), rounds=400)
    assert found.plain == 1.0
    assert found.significant >= 0.95


def test_the_scatter_is_that_within_prompts(recorded: Report) -> None:
    scores = [
        [sample.score or 0.0 for sample in recorded.engines[0].samples if sample.digest == subject.digest
         and not sample.warm_up]
        for subject in recorded.subjects
    ]  # fmt: skip
    assert scatter(recorded, "pen") == pytest.approx(np.sqrt(np.mean([np.var(s, ddof=1) for s in scores])))


def test_the_table_holds_a_share_for_each_fall_and_form(recorded: Report) -> None:
    random = np.random.default_rng(1)
    row = [
        tripped(recorded, "pen", 2, fall=fall, runs=4, random=random, rounds=10) for fall in (0.0, 0.05, 0.1)
    ]
    head, rule, line = table([row]).splitlines()
    assert head.count("|") == rule.count("|") == line.count("|") == 8
    assert line.startswith("| 40 | ")


def test_a_report_without_such_an_engine_is_refused(recorded: Report) -> None:
    with pytest.raises(ValueError, match="has no 'brush'; it has pen"):
        scatter(recorded, "brush")
