import random

import pytest
from msgspec.structs import replace

from schemas.events import Text
from streams.routing.expected.deciding import (
    Decision,
    Ending,
    Offer,
    Question,
    Tried,
    believed,
    decide,
    learned,
)
from streams.routing.expected.explaining import lines, mapping
from streams.routing.expected.exploring import Purse
from streams.routing.expected.features import Features, features_of
from streams.routing.expected.policyfile import ExpectedPolicy, load_policy
from streams.routing.expected.rates import Table

POLICY = load_policy()
TABLE = POLICY.table()
LOCAL, HOSTED = "sd3.5_medium", "ideogram_v2a_turbo"
OFFERS = (
    Offer(LOCAL, 0.001),
    Offer(HOSTED, 0.025),
    Offer("gemini-3-pro-image", 0.134),
    Offer("layout", 0.0001),
)
NOTHING = Purse(0.0)
POSTER = features_of([Text("BLUE HOUR", critical=True), Text("LATE SETS")], ["poster"])


def decided(
    features: Features = POSTER,
    *tried: tuple[str, Ending],
    policy: ExpectedPolicy = POLICY,
    table: Table = TABLE,
    offers: tuple[Offer, ...] = OFFERS,
    budget_usd: float = float("inf"),
    purse: Purse = NOTHING,
    seed: int = 0,
) -> Decision:
    tries = tuple(Tried(engine, ending) for engine, ending in tried)
    question = Question(features=features, offers=offers, tries=tries, budget_usd=budget_usd)
    return decide(policy, table, question, purse, random.Random(seed), every=True)


def wide_awake() -> Purse:
    return Purse(share=0.03, spent=100.0, explored=0.0)


def test_a_short_headline_is_tried_where_a_picture_costs_next_to_nothing() -> None:
    first = decided()

    assert (first.step, first.engine) == ("draw", LOCAL)
    assert not first.explored


def test_a_near_miss_is_rolled_again_and_misses_in_a_row_are_escalated() -> None:
    assert decided(POSTER, (LOCAL, "near")).step == "reroll"

    later = decided(POSTER, (LOCAL, "far"), (LOCAL, "far"), (LOCAL, "far"))

    assert (later.step, later.engine) == ("escalate", HOSTED)


def test_what_passes_is_accepted_at_the_price_of_its_risk() -> None:
    done = decided(POSTER, (LOCAL, "pass"))

    assert (done.step, done.engine, done.usd) == ("accept", LOCAL, 0.0)
    assert 0 < done.expected_usd < POLICY.prices.wrong_usd


def test_where_a_wrong_picture_is_ruinous_a_pass_of_a_poor_speller_goes_to_a_person() -> None:
    dense = features_of([Text("many words " * 3, critical=True)] * 6)
    table = TABLE
    for _ in range(60):
        table = learned(POLICY, table, dense, (Tried(LOCAL, "far"),))
    dear = replace(POLICY, prices=replace(POLICY.prices, wrong_usd=100.0))

    assert decided(dense, (LOCAL, "pass"), policy=dear, table=table).step == "person"
    assert decided(POSTER, ("gemini-3-pro-image", "pass"), policy=dear).step == "accept"


def test_layout_only_is_composed_at_once() -> None:
    first = decided(features_of([Text("قهوة", critical=True)], ["layout-only"]))

    assert (first.step, first.engine) == ("compose", "layout")


def test_words_that_no_reader_knows_are_never_drawn() -> None:
    thai = features_of([Text("ไทย", critical=True)], readable=False)

    first = decided(thai)

    assert first.step == "compose"
    assert {ranked.step for ranked in first.ranked} == {"compose", "person"}


def test_a_composition_that_cannot_be_read_goes_to_a_person() -> None:
    assert decided(POSTER, (LOCAL, "far"), ("layout", "far"), offers=OFFERS[-1:]).step == "person"


def test_a_prompt_without_words_is_not_composed() -> None:
    assert "compose" not in {ranked.step for ranked in decided(features_of([])).ranked}


@pytest.mark.parametrize("ending", ["refused", "failed"])
def test_an_engine_that_gave_no_picture_is_not_asked_again(ending: Ending) -> None:
    after = decided(POSTER, (LOCAL, ending))

    assert LOCAL not in {ranked.engine for ranked in after.ranked}
    assert after.belief == 0.5


def test_an_engine_is_not_asked_more_often_than_the_policy_says() -> None:
    after = decided(POSTER, (HOSTED, "near"))

    assert POLICY.engines[HOSTED].draws == 1
    assert HOSTED not in {ranked.engine for ranked in after.ranked}


def test_when_the_attempts_are_spent_no_more_is_drawn() -> None:
    tried: list[tuple[str, Ending]] = [(LOCAL, "near")] * POLICY.attempts

    assert decided(POSTER, *tried).step in ("compose", "person")


def test_a_budget_is_never_overrun() -> None:
    poor = decided(budget_usd=0.02)

    assert {ranked.engine for ranked in poor.ranked if ranked.step == "draw"} == {LOCAL}


def test_a_purse_with_nothing_in_it_explores_nothing() -> None:
    assert not any(decided(purse=Purse(0.03), seed=seed).explored for seed in range(200))


def test_exploring_pays_for_another_engine_out_of_the_purse() -> None:
    found = [decided(purse=wide_awake(), seed=seed) for seed in range(300)]
    explored = [decision for decision in found if decision.explored]

    assert 0 < len(explored) < 150
    assert all(decision.engine != LOCAL and decision.instead == LOCAL for decision in explored)
    assert all(wide_awake().affords(decision.usd) for decision in explored)


def test_the_same_inputs_give_the_same_decision() -> None:
    assert decided(purse=wide_awake(), seed=7) == decided(purse=wide_awake(), seed=7)


def test_the_purse_is_never_overrun_whatever_is_drawn() -> None:
    chance, purse = random.Random(5), Purse(0.03)
    for _ in range(5_000):
        usd = chance.choice([0.001, 0.025, 0.134])
        purse = purse.booked(usd, explored=purse.affords(usd) and chance.random() < 0.5)
        assert purse.explored <= purse.share * purse.spent

    assert purse.explored > 0


def test_an_engine_that_was_away_has_told_nothing_of_its_pictures() -> None:
    assert learned(POLICY, TABLE, POSTER, (Tried(HOSTED, "failed"),)) == TABLE
    assert learned(POLICY, TABLE, POSTER, (Tried(HOSTED, "refused"),)) != TABLE


def test_misses_lower_what_is_believed_of_the_prompt_whichever_order_they_came_in() -> None:
    one, two = Tried(LOCAL, "near"), Tried(HOSTED, "far")

    assert believed(POLICY, TABLE, POSTER, (one, two)) == pytest.approx(
        believed(POLICY, TABLE, POSTER, (two, one))
    )
    assert believed(POLICY, TABLE, POSTER, (one, two)) < believed(POLICY, TABLE, POSTER, (one,)) < 0.5


def test_an_engine_nobody_has_rates_for_is_named() -> None:
    with pytest.raises(KeyError, match="no rates for 'dalle3_hd'; it has"):
        decided(offers=(Offer("dalle3_hd", 0.08),))


def test_the_explanation_gives_prior_posterior_interval_costs_and_choice() -> None:
    question = Question(features=POSTER, offers=OFFERS, tries=(Tried(LOCAL, "near"),))
    decision = decide(POLICY, TABLE, question, wide_awake(), random.Random(0), every=True)

    told = "\n".join(lines(POLICY, question, decision, wide_awake()))

    assert "bucket light, Latin, no critical digits" in told
    assert f"picture 1: {LOCAL} nearly passed" in told
    low, high = TABLE.posterior(LOCAL, POSTER.bucket).interval()
    assert f"published 0.53, now 0.53 ({low:.2f} to {high:.2f}), for this prompt 0.48" in told
    assert all(f"${ranked.expected_usd:.4f} to an accepted image" in told for ranked in decision.ranked)
    assert f"=> {decision.step}" in told


def test_an_explored_step_says_what_it_was_taken_instead_of() -> None:
    purse = wide_awake()
    question = Question(features=POSTER, offers=OFFERS)
    explored = next(
        decision
        for seed in range(300)
        if (decision := decide(POLICY, TABLE, question, purse, random.Random(seed))).explored
    )

    assert lines(POLICY, question, explored, purse)[-1] == (
        f"=> draw {explored.engine}: to learn, instead of {LOCAL}; its ${explored.usd:.4f} fit into the "
        "$3.0000 left of 3% of all spending"
    )


def test_the_machines_explanation_has_the_same_numbers() -> None:
    question = Question(features=POSTER, offers=OFFERS)
    decision = decide(POLICY, TABLE, question, NOTHING, random.Random(0), every=True)

    told = mapping(POLICY, question, decision, NOTHING)

    assert told["policy"] == POLICY.label
    assert told["chosen"] == {
        "step": decision.step,
        "engine": decision.engine,
        "expected_usd": decision.expected_usd,
    }
    assert isinstance(told["steps"], list)
    assert len(told["steps"]) == len(decision.ranked)
