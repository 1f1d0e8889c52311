from streams.routing.expected.policyfile import load_policy
from tests.bench.routing_learning import clairvoyant, learner
from tests.bench.routing_trials import from_then_on, ratio, steady
from tests.bench.routing_world import hidden, on_offer, prompts

POLICY = on_offer(load_policy())
COUNT, LEARNT, HALVED, BACK = 3_500, 1_000, 2_000, 2_500


def test_it_costs_within_a_tenth_of_knowing_the_rates_before_and_after_one_is_halved() -> None:
    seed = 2_001
    lot, truth = prompts(POLICY, seed, COUNT), hidden(POLICY, seed)
    asked = clairvoyant(POLICY, steady(truth), lot).asked
    most = max(POLICY.engines, key=lambda name: asked.get(name, 0))
    shock = from_then_on(truth, truth.lowered(most), HALVED)

    knowing, learning = clairvoyant(POLICY, shock, lot), learner(POLICY, shock, lot, seed)

    assert ratio(learning, knowing, LEARNT, HALVED) < 1.10
    assert ratio(learning, knowing, BACK, COUNT) < 1.10
    assert learning.explorations > 0
    assert learning.explored_share.max() <= POLICY.exploration.share


def test_one_who_knows_the_rates_is_not_beaten_by_one_who_does_not() -> None:
    lot, truth = prompts(POLICY, 2_003, 800), hidden(POLICY, 2_003, engine_sd=1.4)

    knowing, learning = clairvoyant(POLICY, steady(truth), lot), learner(POLICY, steady(truth), lot, 2_003)

    assert ratio(learning, knowing, 0, 800) > 1.0


def test_the_same_seed_gives_the_same_run() -> None:
    lot, truth = prompts(POLICY, 2_004, 200), hidden(POLICY, 2_004)

    one, two = (learner(POLICY, steady(truth), lot, 2_004) for _ in range(2))

    assert list(one.costs) == list(two.costs)
    assert one.asked == two.asked


def test_what_one_learns_is_what_is_so() -> None:
    lot, truth = prompts(POLICY, 2_005, 1_000), hidden(POLICY, 2_005)

    run = learner(POLICY, steady(truth), lot, 2_005)

    assert run.table is not None
    busiest = max(POLICY.engines, key=lambda name: run.asked.get(name, 0))
    met = [features.bucket for features in lot.features if features.readable]
    bucket = max(set(met), key=met.count)
    low, high = run.table.posterior(busiest, bucket).interval(0.999)
    assert low < truth.rates[busiest][bucket] < high
