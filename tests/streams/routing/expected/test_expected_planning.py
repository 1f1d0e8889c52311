import random
from collections.abc import Sequence

import pytest

from streams.routing.expected.grades import Evidence, spread, updated
from streams.routing.expected.planning import Choice, Gate, Prices, options

EVIDENCE = Evidence(odds=6.0, near_plain=0.65, near_awkward=0.4)
GATE = Gate(passes_wrong=0.025, refuses_right=0.06)
PRICES = Prices(person=1.5, wrong=1.0, compose=0.25)
CHEAP = Choice("cheap", rate=0.45, usd=0.001, cost=0.002, draws=2)
FAIR = Choice("fair", rate=0.7, usd=0.03, cost=0.035, draws=1)
DEAR = Choice("dear", rate=0.9, usd=0.13, cost=0.14, draws=1)


def by_brute_force(
    choices: Sequence[Choice],
    prices: Prices,
    belief: float,
    left: int,
    budget: float,
    tried: Sequence[str] = (),
) -> float:
    """Every order of every result, nothing remembered and nothing left out."""
    best = min(prices.person, prices.compose)
    for choice in choices:
        if not left or tried.count(choice.engine) >= choice.draws or choice.usd > budget:
            continue
        apart = spread(choice.rate, EVIDENCE.odds)
        passing = belief * (choice.rate + apart) + (1 - belief) * (choice.rate - apart)
        cost = choice.cost + min(prices.wrong * GATE.passes_and_is_wrong(passing), passing * prices.person)
        for band in ("near", "far"):
            plain, awkward = (
                (1 - rate) * (share if band == "near" else 1 - share)
                for rate, share in ((choice.rate + apart, 0.65), (choice.rate - apart, 0.4))
            )
            after = updated(belief, choice.rate, band, EVIDENCE)
            cost += (belief * plain + (1 - belief) * awkward) * by_brute_force(
                choices, prices, after, left - 1, budget - choice.usd, (*tried, choice.engine)
            )
        best = min(best, cost)
    return best


@pytest.mark.parametrize("seed", range(20))
def test_the_cheapest_way_is_the_one_that_a_search_of_every_history_finds(seed: int) -> None:
    chance = random.Random(seed)
    choices = [
        Choice(
            f"engine-{place}",
            rate=chance.uniform(0.05, 0.99),
            usd=(usd := chance.uniform(0.001, 0.15)),
            cost=usd + chance.uniform(0, 0.01),
            draws=chance.randint(1, 2),
        )
        for place in range(3)
    ]
    prices = Prices(person=1.5, wrong=chance.uniform(0, 2), compose=chance.uniform(0.05, 0.6))
    belief, budget = chance.random(), chance.choice([0.05, 0.2, float("inf")])

    found = options(
        choices, prices, GATE, EVIDENCE, belief=belief, attempts=4, budget_usd=budget, every=False
    )

    assert found[0].expected_usd == pytest.approx(
        by_brute_force(choices, prices, belief, 4, budget), rel=1e-12
    )


def test_leaving_out_what_cannot_be_cheapest_changes_no_choice() -> None:
    for step in range(1, 20):
        belief = step / 20
        asked = {"belief": belief, "attempts": 4}
        thorough = options([CHEAP, FAIR, DEAR], PRICES, GATE, EVIDENCE, **asked)
        quick = options([CHEAP, FAIR, DEAR], PRICES, GATE, EVIDENCE, **asked, every=False)

        assert quick[0] == thorough[0]
        assert len(thorough) == 5


def test_with_one_engine_the_cost_is_the_geometric_sum() -> None:
    alone = Choice("alone", rate=0.5, usd=0.01, cost=0.01, draws=3)
    alike = Evidence(odds=1.0, near_plain=0.5, near_awkward=0.5)
    found = options(
        [alone], Prices(person=1.0, wrong=0.0, compose=float("inf")), GATE, alike, belief=0.5, attempts=3
    )

    assert found[0].expected_usd == pytest.approx(0.01 + 0.5 * (0.01 + 0.5 * (0.01 + 0.5 * 1.0)))


def test_without_pictures_left_there_is_still_a_person() -> None:
    found = options([CHEAP], Prices(1.5, 1.0, float("inf")), GATE, EVIDENCE, belief=0.5, attempts=0)

    assert [option.step for option in found] == ["person"]


def test_a_budget_keeps_out_what_it_cannot_pay_for_at_every_depth() -> None:
    rich = options([CHEAP, FAIR], PRICES, GATE, EVIDENCE, belief=0.5, attempts=3)
    poor = options([CHEAP, FAIR], PRICES, GATE, EVIDENCE, belief=0.5, attempts=3, budget_usd=0.03)

    assert {option.engine for option in poor} == {"", "cheap", "fair"}
    assert poor[0].engine == "cheap"
    # After the cheap one, 0.029 dollars are left: the fair one is out of reach.
    assert poor[0].expected_usd > rich[0].expected_usd


def test_bad_news_of_the_prompt_makes_every_engine_dearer_and_the_speller_less_so() -> None:
    def costs(belief: float) -> dict[str, float]:
        found = options([CHEAP, DEAR], PRICES, GATE, EVIDENCE, belief=belief, attempts=1)
        return {option.engine: option.expected_usd for option in found if option.step == "draw"}

    plain, awkward = costs(0.8), costs(0.2)

    assert awkward["cheap"] > plain["cheap"]
    assert awkward["cheap"] - plain["cheap"] > awkward["dear"] - plain["dear"]


def test_looking_further_ahead_than_the_tree_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="attempts: 8 pictures are too many"):
        options([CHEAP], PRICES, GATE, EVIDENCE, belief=0.5, attempts=8)


def test_a_pass_of_a_hopeless_engine_is_mostly_the_readers_mistake() -> None:
    hopeless, good = 0.03, 0.9

    assert GATE.passes_and_is_wrong(hopeless) / hopeless > 0.8
    assert GATE.passes_and_is_wrong(good) / good < 0.01
