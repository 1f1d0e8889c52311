import pytest

from streams.routing.expected.grades import Evidence, credited, passing, slope, spread, updated

EVIDENCE = Evidence(odds=6.0, near_plain=0.65, near_awkward=0.4)
RATES = (0.02, 0.2, 0.5, 0.77, 0.98)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("odds", [1.0, 2.0, 6.0, 40.0])
def test_the_two_grades_lie_around_the_rate_at_the_given_odds(rate: float, odds: float) -> None:
    apart = spread(rate, odds)
    plain, awkward = rate + apart, rate - apart

    assert 0 < awkward <= plain < 1
    assert plain / (1 - plain) / (awkward / (1 - awkward)) == pytest.approx(odds)


@pytest.mark.parametrize("rate", RATES)
def test_the_slope_is_the_derivative_of_the_spread(rate: float) -> None:
    step = 1e-6

    assert slope(rate, 6.0) == pytest.approx(
        (spread(rate + step, 6.0) - spread(rate - step, 6.0)) / (2 * step), rel=1e-4, abs=1e-9
    )


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("belief", [0.1, 0.5, 0.9])
def test_what_is_believed_after_a_picture_is_on_average_what_was_believed_before(
    rate: float, belief: float
) -> None:
    apart = spread(rate, EVIDENCE.odds)
    total = 0.0
    for band, plain_share, awkward_share in (
        ("pass", None, None),
        ("near", 0.65, 0.4),
        ("far", 0.35, 0.6),
    ):
        plain = rate + apart if plain_share is None else (1 - rate - apart) * plain_share
        awkward = rate - apart if awkward_share is None else (1 - rate + apart) * awkward_share
        chance = belief * plain + (1 - belief) * awkward
        total += chance * updated(belief, rate, band, EVIDENCE)

    assert total == pytest.approx(belief)


def test_a_pass_speaks_for_the_prompt_a_near_miss_less_and_a_far_one_against_it() -> None:
    after = [updated(0.5, 0.6, band, EVIDENCE) for band in ("pass", "near", "far")]

    assert after == sorted(after, reverse=True)
    assert after[0] > 0.5 > after[1] > after[2]


def test_a_first_picture_counts_as_one_result() -> None:
    passed, failed = (credited(0.7, 0.5, 6.0, passed=passed) for passed in (True, False))

    assert (passed.passed, passed.failed) == pytest.approx((1.0, 0.0))
    assert (failed.passed, failed.failed) == pytest.approx((0.0, 1.0))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("belief", [0.1, 0.3, 0.8])
def test_an_engine_that_sees_only_awkward_prompts_is_not_thought_worse_for_it(
    rate: float, belief: float
) -> None:
    chance = passing(rate, belief, 6.0)
    passed, failed = (credited(rate, belief, 6.0, passed=passed) for passed in (True, False))

    passes = chance * passed.passed + (1 - chance) * failed.passed
    failures = chance * passed.failed + (1 - chance) * failed.failed

    assert passes / (passes + failures) == pytest.approx(rate)


def test_a_score_below_the_least_of_a_near_miss_is_far_off_and_no_score_too() -> None:
    assert EVIDENCE.band(passed=False, score=0.55) == "near"
    assert EVIDENCE.band(passed=False, score=0.54) == "far"
    assert EVIDENCE.band(passed=False, score=None) == "far"
    assert EVIDENCE.band(passed=True, score=0.9) == "pass"
