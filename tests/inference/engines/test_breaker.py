from __future__ import annotations

import random
from typing import get_args

import pytest

from inference.engines.base import Broken, EngineError, Kind, Refused, Transient, Uncertain, Unsupported
from inference.engines.breaker import LASTING, TIMED, TROUBLE, Breaker, BreakerPolicy

POLICY = BreakerPolicy(failures=3, window_s=60.0, open_s=15.0, longest_s=100.0, quota_s=3600.0, probe_s=300.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock, POLICY)


def trouble(kind: Kind = "transient") -> EngineError:
    return Transient("HTTP 500", kind=kind)


def tripped(breaker: Breaker) -> None:
    for _ in range(POLICY.failures):
        assert breaker.ask("e") is None
        breaker.failed("e", trouble())
    assert breaker.ask("e") is not None


@pytest.mark.parametrize("kind", ["refused_prompt", "refused_output", "invalid", "no_image"])
def test_what_says_nothing_about_the_engine_never_opens_it(breaker: Breaker, kind: Kind) -> None:
    for _ in range(1_000):
        breaker.failed("e", Refused("no", kind=kind))
    assert breaker.ask("e") is None


@pytest.mark.parametrize("kind", ["auth", "gone"])
def test_what_a_person_must_change_stays_open_until_it_is_changed(
    breaker: Breaker, clock: Clock, kind: Kind
) -> None:
    breaker.failed("e", Unsupported("HTTP 401: wrong key", kind=kind))
    clock.now += 10**9
    breaker.succeeded("e")
    shut = breaker.ask("e")
    assert shut is not None
    assert (shut.kind, shut.for_s) == (kind, None)
    error = shut.error("e")
    assert isinstance(error, Unsupported)
    assert (error.kind, error.billed) == (kind, "never")
    assert "wrong key" in str(error)
    assert breaker.ask("other") is None
    breaker.changed("e")
    assert breaker.ask("e") is None


@pytest.mark.parametrize("kind", ["quota", "rate"])
def test_a_time_that_the_provider_names_is_kept_to_the_second(
    breaker: Breaker, clock: Clock, kind: Kind
) -> None:
    breaker.failed("e", Transient("later", kind=kind, after_s=40.0))
    breaker.succeeded("e")
    clock.now += 39.5
    shut = breaker.ask("e")
    assert shut is not None
    assert shut.for_s == 0.5
    error = shut.error("e")
    assert isinstance(error, Transient)
    assert (error.kind, error.after_s) == (kind, 0.5)
    clock.now += 0.5
    assert breaker.ask("e") is None
    assert breaker.ask("e") is None, "no probe: all may go on"


def test_of_two_times_the_later_one_holds(breaker: Breaker, clock: Clock) -> None:
    breaker.failed("e", Transient("", kind="quota", after_s=1_000.0))
    breaker.failed("e", Transient("", kind="rate", after_s=5.0))
    clock.now += 500
    assert breaker.ask("e") is not None


def test_a_quota_without_a_time_is_looked_at_again_within_the_hour(breaker: Breaker, clock: Clock) -> None:
    breaker.failed("e", Broken("no credit", kind="quota"))
    clock.now += POLICY.quota_s - 1
    assert breaker.ask("e") is not None
    clock.now += 1
    assert breaker.ask("e") is None


def test_a_rate_without_a_time_pauses_longer_each_time(breaker: Breaker, clock: Clock) -> None:
    too_fast = Transient("inflight_limit", kind="rate")
    pauses = []
    for _ in range(9):
        for _ in range(10):
            breaker.failed("e", too_fast)
        shut = breaker.ask("e")
        assert shut is not None
        assert shut.for_s is not None
        pauses.append(shut.for_s)
        clock.now += shut.for_s
        assert breaker.ask("e") is None
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    breaker.succeeded("e")
    breaker.failed("e", too_fast)
    shut = breaker.ask("e")
    assert shut is not None
    assert shut.for_s == 1


def test_a_wish_to_come_back_at_once_is_a_pause_all_the_same(breaker: Breaker) -> None:
    breaker.failed("e", Transient("too fast", kind="rate", after_s=0.0))
    assert breaker.ask("e") is not None


def test_a_rate_never_opens_what_a_person_must_mend(breaker: Breaker, clock: Clock) -> None:
    breaker.failed("e", Unsupported("HTTP 401", kind="auth"))
    breaker.failed("e", Transient("too fast", kind="rate"))
    clock.now += 1e6
    shut = breaker.ask("e")
    assert shut is not None
    assert shut.kind == "auth"


def test_an_answer_from_before_does_not_shorten_the_wait_after_trouble(
    breaker: Breaker, clock: Clock
) -> None:
    tripped(breaker)
    breaker.failed("e", Transient("too fast", kind="rate"))
    clock.now += POLICY.open_s - 0.1
    assert breaker.ask("e") is not None


@pytest.mark.parametrize("kind", ["transient", "unknown", "unclear"])
def test_trouble_opens_it_after_so_many_in_the_window(breaker: Breaker, clock: Clock, kind: Kind) -> None:
    error = Uncertain("", kind="unknown") if kind == "unknown" else trouble(kind)
    for _ in range(50):
        breaker.failed("e", error)
        clock.now += POLICY.window_s / (POLICY.failures - 1) + 0.1
    assert breaker.ask("e") is None, "never so many in one window"
    for _ in range(POLICY.failures):
        breaker.failed("e", error)
    shut = breaker.ask("e")
    assert shut is not None
    told = shut.error("e")
    assert isinstance(told, Transient)
    assert (told.kind, told.billed) == ("transient", "never"), "nothing was sent this time"


def test_a_success_forgets_the_trouble_before_it(breaker: Breaker) -> None:
    for _ in range(50):
        for _ in range(POLICY.failures - 1):
            breaker.failed("e", trouble())
        breaker.succeeded("e")
    assert breaker.ask("e") is None


def test_after_the_pause_one_probes_and_the_others_wait(breaker: Breaker, clock: Clock) -> None:
    tripped(breaker)
    clock.now += POLICY.open_s
    assert breaker.ask("e") is None
    assert all(breaker.ask("e") is not None for _ in range(20))
    breaker.succeeded("e")
    assert all(breaker.ask("e") is None for _ in range(20))


def test_each_probe_that_fails_makes_the_pause_twice_as_long_up_to_a_bound(
    breaker: Breaker, clock: Clock
) -> None:
    tripped(breaker)
    clock.now += POLICY.open_s
    for pause in (30.0, 60.0, 100.0, 100.0):
        assert breaker.ask("e") is None
        breaker.failed("e", trouble())
        clock.now += pause - 0.01
        assert breaker.ask("e") is not None
        clock.now += 0.01


def test_a_refusal_of_the_probe_shows_that_the_engine_lives(breaker: Breaker, clock: Clock) -> None:
    tripped(breaker)
    clock.now += POLICY.open_s
    assert breaker.ask("e") is None
    breaker.failed("e", Refused("no", kind="refused_prompt"))
    assert breaker.ask("e") is None
    assert breaker.ask("e") is None


def test_a_probe_that_is_given_up_leaves_its_place_to_the_next(breaker: Breaker, clock: Clock) -> None:
    tripped(breaker)
    clock.now += POLICY.open_s
    assert breaker.ask("e") is None
    breaker.dropped("e")
    assert breaker.ask("e") is None


def test_a_probe_that_nobody_reports_does_not_shut_the_engine_for_ever(
    breaker: Breaker, clock: Clock
) -> None:
    tripped(breaker)
    clock.now += POLICY.open_s
    assert breaker.ask("e") is None
    clock.now += POLICY.probe_s
    assert breaker.ask("e") is None


def test_failures_of_calls_from_before_do_not_make_the_pause_longer(breaker: Breaker, clock: Clock) -> None:
    tripped(breaker)
    for _ in range(20):
        breaker.failed("e", trouble())
    clock.now += POLICY.open_s
    assert breaker.ask("e") is None


def test_every_kind_is_in_one_class_or_in_none() -> None:
    classes = [LASTING, TIMED, TROUBLE]
    for kind in get_args(Kind):
        assert sum(kind in one for one in classes) <= 1
    assert set(get_args(Kind)) - LASTING - TIMED - TROUBLE == {
        "refused_prompt",
        "refused_output",
        "no_image",
        "invalid",
    }


def test_whatever_happens_an_engine_that_recovers_is_asked_again() -> None:
    for seed in range(200):
        clock, rng = Clock(), random.Random(seed)
        breaker = Breaker(clock, POLICY)
        kinds = [kind for kind in get_args(Kind) if kind not in LASTING]
        for _ in range(100):
            clock.now += rng.expovariate(0.1)
            if breaker.ask("e") is None and rng.random() < 0.9:
                kind = rng.choice(kinds)
                after_s = rng.choice([None, 3.0, 90.0])
                breaker.failed("e", Transient("", kind=kind, after_s=after_s))
        clock.now += max(POLICY.quota_s, POLICY.probe_s, POLICY.longest_s)
        assert breaker.ask("e") is None, f"seed {seed}"
        breaker.succeeded("e")
        assert breaker.ask("e") is None, f"seed {seed}"


def test_who_is_not_asked_is_told_without_probing(breaker: Breaker, clock: Clock) -> None:
    breaker.failed("lasting", Unsupported("HTTP 401: wrong key", kind="auth"))
    breaker.failed("fine", Refused("no"))
    tripped(breaker)
    assert breaker.shut() == {"lasting": "auth", "e": "transient"}
    clock.now += POLICY.open_s
    assert breaker.shut() == {"lasting": "auth"}
    assert breaker.ask("e") is None
    assert breaker.shut() == {"lasting": "auth", "e": "transient"}
    breaker.succeeded("e")
    assert breaker.shut() == {"lasting": "auth"}
