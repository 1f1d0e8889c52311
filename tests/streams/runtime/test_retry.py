import random

from streams.runtime.retry import RetryPolicy

POLICY = RetryPolicy(first_s=1.0, factor=2.0, longest_s=8.0, total_s=60.0)


def delay(failures: int, elapsed_s: float = 0.0, **limits: float) -> float | None:
    return POLICY.delay(failures, elapsed_s=elapsed_s, rng=random.Random(failures), **limits)


def test_delays_are_jittered_between_nothing_and_the_exponential_bound() -> None:
    rng = random.Random(1)
    for failures, bound in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (9, 8.0)):
        drawn = [POLICY.delay(failures, elapsed_s=0.0, rng=rng) for _ in range(300)]
        waits = [wait for wait in drawn if wait is not None]
        assert len(waits) == 300
        assert max(waits) <= bound
        assert min(waits) < 0.1 * bound
        assert max(waits) > 0.9 * bound


def test_the_far_sides_wish_is_honoured() -> None:
    assert delay(1, after_s=17.0) == 17.0


def test_no_attempt_starts_after_five_minutes_or_the_deadline() -> None:
    assert delay(1, elapsed_s=60.0) is None
    assert delay(1, until_deadline_s=0.0) is None
    assert delay(1, after_s=17.0, until_deadline_s=16.0) is None
    assert RetryPolicy().total_s == 300.0


def test_a_thousand_failures_do_not_overflow() -> None:
    wait = delay(1_000)
    assert wait is not None
    assert wait <= 8.0
