from typing import Any

import pytest

from streams.routing.expected.policyfile import load_policy
from tests.bench.routing_learning import learner
from tests.bench.routing_page import checks, noticed, predictions
from tests.bench.routing_trials import USUAL, from_then_on
from tests.bench.routing_world import NOT_OFFERED, hidden, offers, on_offer, prompts

POLICY = load_policy()


def trial(back: float, noticed: int | None = 20, false_alarms: int = 1) -> dict[str, Any]:
    return {
        "learnt": 1.02, "before": 1.02, "shocked": 1.05, "back": back, "later": 1.03, "explored": 0.02,
        "noticed": noticed, "false_alarms": false_alarms,
    }  # fmt: skip


def found(trials: list[dict[str, Any]]) -> dict[str, Any]:
    return {"worlds": {USUAL.name: trials}}


@pytest.mark.parametrize(("within", "met"), [(38, True), (37, False)])
def test_the_bar_after_a_halving_is_nineteen_seeds_in_twenty(within: int, met: bool) -> None:
    trials = [trial(1.05)] * within + [trial(1.11)] * (40 - within)

    after = next(check for check in checks(found(trials)) if "halved" in check.target)

    assert after.met is met
    assert after.measured == f"{within} of 40 seeds"


def test_what_was_never_noticed_is_told_and_waits_longer_than_any_other() -> None:
    told = " ".join(noticed([trial(1.0, 30), trial(1.0, 400, 2), trial(1.0, None, 0)]).split())

    assert "after 400 prompts" in told
    assert "within 100 in 1 of 3 seeds, never in 1" in told
    assert "3 alarms were raised in 15,000 prompts" in told


def test_each_prediction_stands_beside_what_was_measured() -> None:
    rows = predictions([trial(1.05), trial(1.15)]).splitlines()

    assert len(rows) == 2 + 4
    back = next(row for row in rows if "3,501 to 4,000" in row)
    assert back.endswith("1.100 (1.050 to 1.150), 1 of 2 |")


def test_engines_that_are_not_at_hand_are_in_the_policy_and_not_in_the_simulated_worlds() -> None:
    assert set(NOT_OFFERED) <= set(POLICY.engines)
    assert not set(NOT_OFFERED) & {offer.engine for offer in offers(on_offer(POLICY))}


def test_a_run_tells_where_an_engines_older_results_were_dropped() -> None:
    policy = on_offer(POLICY)
    lot, truth = prompts(policy, 2_006, 1_500), hidden(policy, 2_006)
    worse = truth
    for engine in policy.engines:
        worse = worse.lowered(engine, 0.2)

    run = learner(policy, from_then_on(truth, worse, 1_000), lot, 2_006)

    assert any(at >= 1_000 for at, _ in run.alarms)
    assert sum(at >= 1_000 for at, _ in run.alarms) > sum(at < 1_000 for at, _ in run.alarms)
