import json
import random

import pytest

from streams.routing.expected.features import BUCKETS, Bucket
from streams.routing.expected.grades import Credit
from streams.routing.expected.rates import Beta, EngineRates, Learning, Streak, Table, logit

LIGHT, DENSE = Bucket("light", True, False), Bucket("dense", True, True)
PASS, FAIL = Credit(1.0, 0.0), Credit(0.0, 1.0)


NEVER = 1_000.0


def engine(rate: float = 0.6, memory: float = 250, alarm: float = NEVER) -> EngineRates:
    return EngineRates(
        published=(logit(rate),) * len(BUCKETS),
        learning=Learning(strength=12, spread=0.7, memory=memory, shift=1.1, alarm=alarm),
    )


def after(rates: EngineRates, bucket: Bucket, count: int, rate: float, seed: int = 0) -> EngineRates:
    chance = random.Random(seed)
    for _ in range(count):
        rates = rates.noted(bucket, PASS if chance.random() < rate else FAIL)
    return rates


def test_before_any_result_the_published_rate_is_held() -> None:
    held = engine().posterior(LIGHT)

    assert held.mean == pytest.approx(0.6)


def test_an_engine_that_was_never_asked_is_held_for_less_certain_than_its_bucket() -> None:
    asked = engine(memory=1_000)
    for bucket in BUCKETS:
        asked = asked if bucket == DENSE else after(asked, bucket, 40, rate=0.6)

    assert engine().posterior(DENSE).weight < 5
    assert 10 < asked.posterior(DENSE).weight < 12


def test_results_outweigh_what_was_published_and_narrow_the_interval() -> None:
    held = after(engine(0.3, memory=1_000), LIGHT, 400, rate=0.8).posterior(LIGHT)
    low, high = held.interval()

    assert low < 0.8 < high
    assert high - low < 0.12


def test_results_in_one_bucket_speak_for_the_others() -> None:
    worse = after(engine(), LIGHT, 60, rate=0.2)

    assert worse.posterior(DENSE).mean < 0.5
    assert worse.posterior(DENSE).mean > worse.posterior(LIGHT).mean


def test_a_bucket_of_its_own_kind_does_not_drag_the_others_along_for_ever() -> None:
    odd = after(engine(memory=10_000), LIGHT, 3_000, rate=0.05)

    assert odd.posterior(LIGHT).mean == pytest.approx(0.05, abs=0.02)
    assert odd.posterior(DENSE).mean > 0.2


@pytest.mark.parametrize("seed", range(5))
def test_a_rate_that_halves_is_noticed_within_the_memory_without_any_alarm(seed: int) -> None:
    good = after(engine(), LIGHT, 1_000, rate=0.8, seed=seed)
    halved = after(good, LIGHT, 300, rate=0.4, seed=seed + 100)

    assert good.posterior(LIGHT).mean == pytest.approx(0.8, abs=0.08)
    assert halved.posterior(LIGHT).mean == pytest.approx(0.45, abs=0.12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("before", "after_it"), [(0.8, 0.4), (0.35, 0.8)])
def test_a_rate_that_changes_much_raises_an_alarm_long_before_the_memory_fades(
    before: float, after_it: float, seed: int
) -> None:
    held = after(engine(memory=10_000, alarm=8), LIGHT, 1_000, rate=before, seed=seed)
    slow = after(engine(memory=10_000), LIGHT, 1_000, rate=before, seed=seed)

    held, slow = (after(rates, LIGHT, 100, rate=after_it, seed=seed + 100) for rates in (held, slow))

    # By chance, a few results before the change may have begun to speak for it.
    assert sum(held.passed) + sum(held.failed) < 150
    assert held.posterior(LIGHT).mean == pytest.approx(after_it, abs=0.13)
    assert abs(slow.posterior(LIGHT).mean - before) < 0.1


@pytest.mark.parametrize("seed", range(5))
def test_a_rate_that_stays_keeps_its_results(seed: int) -> None:
    start = after(engine(memory=10_000, alarm=8), LIGHT, 100, rate=0.7, seed=seed)
    held = after(start, LIGHT, 1_500, rate=0.7, seed=seed + 100)

    assert sum(held.passed) + sum(held.failed) > 1_400


def test_after_an_alarm_only_the_results_count_that_spoke_for_the_change() -> None:
    rates = after(engine(0.8, memory=10_000, alarm=8), LIGHT, 200, rate=0.8)
    rates, failures = rates.noted(DENSE, PASS), 0
    while rates.fell != Streak() or not failures:
        rates, failures = rates.noted(LIGHT, FAIL), failures + 1

    assert failures < 20
    assert rates.kept().keys() == {LIGHT.key}
    assert rates.rose == Streak()
    assert rates.posterior(LIGHT).mean < 0.5


def test_an_alarm_of_one_engine_leaves_the_others_alone() -> None:
    learned = after(engine(0.6), DENSE, 50, rate=0.9)
    table = Table({"one": engine(0.8, alarm=3), "two": learned})
    for _ in range(20):
        table = table.noted("one", LIGHT, FAIL)

    assert table.engines["two"] == learned


@pytest.mark.parametrize("count", [1, 3, 40])
def test_a_table_that_was_kept_goes_on_as_if_it_never_was(count: int) -> None:
    """What speaks for a change is kept, too: the alarm comes at the same result."""
    fresh = Table({"one": engine(0.8, alarm=8), "two": engine(0.3, alarm=8)})
    held = after(fresh.engines["one"], LIGHT, 300, rate=0.8)
    never = Table({**fresh.engines, "one": after(held, LIGHT, count, rate=0.1, seed=5)})
    again = fresh.with_counts(json.loads(json.dumps(never.counts())))

    for _ in range(12):
        assert again.engines["one"].fell.evidence == pytest.approx(
            never.engines["one"].fell.evidence, rel=1e-3
        )
        assert sum(again.engines["one"].failed) == pytest.approx(sum(never.engines["one"].failed))
        assert again.posterior("one", DENSE).mean == pytest.approx(
            never.posterior("one", DENSE).mean, rel=1e-3
        )
        never, again = never.noted("one", LIGHT, FAIL), again.noted("one", LIGHT, FAIL)
    assert again.counts() == again.with_counts(again.counts()).counts()


def test_counts_kept_before_changes_were_looked_out_for_are_taken_up() -> None:
    taken = Table({"one": engine(alarm=8)}).with_counts({"one": {LIGHT.key: (30.0, 10.0)}}).engines["one"]

    assert (sum(taken.passed), sum(taken.failed)) == (30.0, 10.0)
    assert taken.fell == taken.rose == Streak()
    assert taken.posterior(LIGHT).mean > 0.65


def test_counts_that_were_kept_give_the_same_rates() -> None:
    table = Table({"one": engine(0.6), "two": engine(0.3)})
    learned = Table({"one": after(engine(0.6), DENSE, 50, rate=0.9), "two": engine(0.3)})

    again = table.with_counts(learned.counts())

    assert again.posterior("one", DENSE).mean == pytest.approx(learned.posterior("one", DENSE).mean, rel=1e-6)
    assert again.posterior("one", LIGHT).mean == pytest.approx(learned.posterior("one", LIGHT).mean, rel=1e-3)
    assert again.engines["two"] == table.engines["two"]


def test_kept_counts_of_engines_that_are_no_more_are_passed_over() -> None:
    table = Table({"one": engine()})

    assert table.with_counts({"dalle3_hd": {LIGHT.key: (3.0, 4.0)}}).engines.keys() == {"one"}


def test_a_table_is_a_value() -> None:
    table = Table({"one": engine()})
    before = table.posterior("one", LIGHT)

    assert table.noted("one", LIGHT, PASS).posterior("one", LIGHT).mean > before.mean
    assert table.posterior("one", LIGHT) == before


def test_an_engine_without_rates_is_named_with_those_that_have_some() -> None:
    with pytest.raises(KeyError, match="no rates for 'dalle3_hd'; it has one, two"):
        Table({"two": engine(), "one": engine()}).posterior("dalle3_hd", LIGHT)


def test_an_interval_holds_its_share_of_what_is_sampled() -> None:
    rate, source = Beta(8, 4), random.Random(3)
    low, high = rate.interval(0.9)
    inside = sum(low <= rate.sample(source) <= high for _ in range(4_000))

    assert inside / 4_000 == pytest.approx(0.9, abs=0.02)
