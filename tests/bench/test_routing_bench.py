import datetime as dt
import random

import numpy as np
import pytest

from inference.engines.registry import load_registry
from streams.routing.expected.deciding import Tried
from streams.routing.expected.policyfile import load_policy
from streams.routing.policy import HOSTED_FIRST, HYBRID, LOCAL_FIRST
from tests.bench.routing_chart import crossing_at
from tests.bench.routing_evidence import fitted
from tests.bench.routing_pairs import figures, with_accuracy
from tests.bench.routing_policies import Published, Stand, by_expected_cost, by_table, orders
from tests.bench.routing_trials import USUAL, trial
from tests.bench.routing_world import USD, drawn, hidden, lots, on_offer, prompts

POLICY = on_offer(load_policy())
ORDERS = tuple(orders())


def stand(accuracy: float, seed: int = 1) -> Stand:
    """All engines spell alike."""
    policy = POLICY
    for engine in POLICY.engines:
        policy = with_accuracy(policy, engine, accuracy)
    luck = lots(policy, seed, [order.features for order in ORDERS])
    return Stand(policy, Published(policy, policy.seen()), ORDERS, luck, load_registry())


def test_the_simulations_prices_are_the_registrys() -> None:
    registry = load_registry()
    for name, usd in USD.items():
        entry = registry.get(name)
        if entry.price.per == "image":
            assert entry.price.list_usd(1024, 1024) == usd, name
    today = dt.date(2026, 11, 22)
    assert all(registry.get(name).alive(today) for name in USD)


def test_the_same_engine_makes_the_same_picture_for_whoever_asks() -> None:
    lot, truth = prompts(POLICY, 1, 50), hidden(POLICY, 1)
    for index in range(50):
        alone = drawn(POLICY, truth, lot, index, "ideogram_v2a_turbo", ())
        later = drawn(POLICY, truth, lot, index, "ideogram_v2a_turbo", (Tried("sd3.5_medium", "far"),))
        assert alone == later


def test_pictures_pass_as_often_as_the_hidden_rate_says() -> None:
    lot, truth = prompts(POLICY, 1, 4_000), hidden(POLICY, 1)
    for engine in POLICY.engines:
        passed = [drawn(POLICY, truth, lot, index, engine, ()).ending == "pass" for index in range(4_000)]
        rates = [truth.rates[engine][features.bucket] for features in lot.features]
        assert np.mean(passed) == pytest.approx(np.mean(rates), abs=0.025), engine


def test_where_everything_is_spelt_right_hybrid_accepts_it_and_composes_next_to_nothing() -> None:
    everything = stand(0.999)
    finals = [by_table(everything, HYBRID, index) for index in range(len(ORDERS))]

    readable = [final for final, order in zip(finals, ORDERS, strict=True) if order.features.readable]
    assert np.mean([final.accepted for final in readable]) > 0.99
    assert (
        sum(final.composed for final in finals)
        <= sum("layout-only" in order.event.tags for order in ORDERS) + 5
    )


def test_where_nothing_is_spelt_right_local_first_pays_no_hosted_engine() -> None:
    nothing = stand(0.001)
    local, hosted = (
        [by_table(nothing, policy, index) for index in range(len(ORDERS))]
        for policy in (LOCAL_FIRST, HOSTED_FIRST)
    )

    assert sum(final.hosted for final in local) < 0.1 * sum(final.hosted for final in hosted)
    assert np.mean([final.composed for final in local]) > 0.7


def test_expected_costs_are_spent_on_nothing_that_cannot_help() -> None:
    nothing = stand(0.001)
    finals = by_expected_cost(nothing, range(len(ORDERS)), 1)

    assert sum(final.hosted for final in finals.values()) == 0
    assert np.mean([final.composed for final in finals.values()]) > 0.9


def test_a_policy_differs_from_itself_by_nothing() -> None:
    finals = [by_table(stand(0.7), HYBRID, index) for index in range(len(ORDERS))]

    against = figures({"hybrid": finals, "same": finals}, len(ORDERS))["same"]["against_hybrid"]

    assert isinstance(against, dict)
    assert all(value == (0.0, 0.0, 0.0) for value in against.values())


def test_seeds_that_were_used_to_choose_numbers_are_not_reported() -> None:
    with pytest.raises(ValueError, match="seed: 1001 was used to try things out"):
        trial(POLICY, USUAL, 1_001)


def test_the_evidence_is_found_again_in_pictures_made_from_it() -> None:
    chance = random.Random(4)
    counts = []
    for _ in range(1_500):
        plain = chance.random() < 0.5
        rate, near = (0.76, 0.8) if plain else (0.24, 0.3)
        kinds = [0 if chance.random() < rate else 1 if chance.random() < near else 2 for _ in range(4)]
        counts.append([kinds.count(kind) for kind in range(3)])

    odds, near_plain, near_awkward = fitted(np.array(counts))

    assert odds == pytest.approx(10, rel=0.35)
    assert near_plain == pytest.approx(0.8, abs=0.07)
    assert near_awkward == pytest.approx(0.3, abs=0.07)


def test_lines_cross_where_the_first_becomes_the_cheaper() -> None:
    assert crossing_at([0, 1, 2], [3, 3, 3], [2, 2.5, 4]) == pytest.approx(1 + 0.5 / 1.5)
    assert crossing_at([0, 1], [1, 1], [2, 2]) is None
