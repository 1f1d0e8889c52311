"""No budget is overrun: by one worker, by many at once, or at the change of a day."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from inference.engines.base import Transient
from inference.engines.ledger import (
    Answer,
    Begun,
    Budget,
    Call,
    Ledger,
    OverBudget,
    check_budgets,
    parse_budget,
)
from inference.engines.ledger.budgets import Scope, told
from inference.engines.ledger.reporting import audit, report
from inference.engines.ledger.tables import CALLS, TALLIES
from tests.inference.engines.ledger.conftest import Clock, MakeCall
from tests.inference.engines.ledger.ledger_provider import Provider
from tests.inference.engines.ledger.ledger_spender import MOST

WORKERS, CALLS_EACH = 4, 40
LIMIT = 1_500_000
OF_ENGINES = TALLIES.c.scope == "engine"


@pytest.mark.parametrize("scope", ["total", "day", "campaign", "engine"])
def test_a_call_that_would_pass_a_budget_is_not_begun(
    ledger: Ledger, make_call: MakeCall, scope: Scope
) -> None:
    budgets = [Budget(scope, 100_000)]
    for prompt in "ab":
        assert isinstance(ledger.begin(make_call(prompt), budgets), Begun)
    over = ledger.begin(make_call("c"), budgets)
    assert isinstance(over, OverBudget)
    assert (over.scope, over.limit, over.committed, over.wanted) == (scope, 100_000, 80_000, 40_000)
    assert "$0.04 more would pass the $0.10" in told(over)
    assert isinstance(ledger.begin(make_call("c", reserve=20_000), budgets), Begun), (
        "to the last micro-dollar"
    )
    assert audit(ledger.database) == ()


def test_a_refused_call_leaves_no_trace_in_other_budgets(ledger: Ledger, make_call: MakeCall) -> None:
    assert isinstance(ledger.begin(make_call(), [Budget("engine", 39_999)]), OverBudget)
    assert report(ledger.database) == ()
    assert isinstance(ledger.begin(make_call(), [Budget("total", 40_000)]), Begun)
    assert audit(ledger.database) == ()


def test_the_tightest_budget_binds_and_others_names_do_not(ledger: Ledger, make_call: MakeCall) -> None:
    budgets = [
        Budget("engine", 0, "another"),
        Budget("campaign", 1_000_000),
        Budget("campaign", 50_000, "spring"),
    ]
    assert isinstance(ledger.begin(make_call("a"), budgets), Begun)
    over = ledger.begin(make_call("b"), budgets)
    assert isinstance(over, OverBudget)
    assert (over.scope, over.name, over.limit) == ("campaign", "spring", 50_000)
    assert isinstance(ledger.begin(make_call("c", campaign=""), budgets), Begun), "bound by no campaign"


def test_what_is_not_spent_can_be_spent_again(ledger: Ledger, make_call: MakeCall) -> None:
    budgets = [Budget("total", 40_000)]
    first = ledger.begin(make_call("a"), budgets)
    assert isinstance(first, Begun)
    ledger.settle(ledger.sent(first.row), Answer.image("file:///a.png", 10_000))
    assert isinstance(ledger.begin(make_call("b"), budgets), OverBudget)
    second = ledger.begin(make_call("b", reserve=30_000), budgets)
    assert isinstance(second, Begun)
    ledger.settle(ledger.sent(second.row), Answer.of(Transient("later"), charged=0))
    assert isinstance(ledger.begin(make_call("c", reserve=30_000), budgets), Begun)
    assert audit(ledger.database) == ()


def test_a_budget_holds_for_what_was_spent_before_it_was_made(ledger: Ledger, make_call: MakeCall) -> None:
    assert isinstance(ledger.begin(make_call("a")), Begun)
    assert isinstance(ledger.begin(make_call("b"), [Budget("campaign", 79_999)]), OverBudget)


def test_a_new_day_has_a_new_budget(ledger: Ledger, make_call: MakeCall, clock: Clock) -> None:
    budgets = [Budget("day", 40_000)]
    assert isinstance(ledger.begin(make_call("a"), budgets), Begun)
    clock.move(12 * 3_600 - 1)
    assert isinstance(ledger.begin(make_call("b"), budgets), OverBudget)
    clock.move(1)
    assert isinstance(ledger.begin(make_call("b"), budgets), Begun)


def test_an_engines_budget_binds_whatever_draws_for_it(ledger: Ledger, make_call: MakeCall) -> None:
    def successor(prompt: str) -> Call:
        return make_call(prompt, engine="gemini-3-pro-image", asked_as=("imagen4_ultra", "imagen4"))

    stopped = ledger.begin(successor("a"), [Budget("engine", 0, "imagen4_ultra")])
    assert isinstance(stopped, OverBudget)
    assert (stopped.scope, stopped.name) == ("engine", "imagen4_ultra")
    assert isinstance(ledger.begin(successor("a"), [Budget("engine", 40_000, "imagen4_ultra")]), Begun)
    direct = make_call("b", engine="gemini-3-pro-image")
    assert isinstance(ledger.begin(direct, [Budget("engine", 40_000, "imagen4_ultra")]), Begun)
    each = ledger.begin(successor("c"), [Budget("engine", 79_999)])
    assert isinstance(each, OverBudget)
    assert (each.name, each.committed) == ("gemini-3-pro-image", 80_000), "asked for by either name"
    assert audit(ledger.database) == ()


def test_what_was_reserved_under_several_names_is_given_back_under_each(
    ledger: Ledger, make_call: MakeCall
) -> None:
    begun = ledger.begin(make_call(asked_as=("polish", "old name")))
    assert isinstance(begun, Begun)
    assert begun.row.call == make_call(asked_as=("polish", "old name"))
    assert ledger.last(make_call()) == begun.row
    ledger.settle(ledger.sent(begun.row), Answer.image("file:///a.png", 10_000))
    with ledger.database.reading() as connection:
        named = connection.execute(sa.select(TALLIES.c.name, TALLIES.c.committed).where(OF_ENGINES))
        assert {each.name: each.committed for each in named} == dict.fromkeys(
            ("gpt-image", "polish", "old name"), 10_000
        )
    assert audit(ledger.database) == ()


def test_a_budget_of_an_engine_that_is_none_is_refused_with_the_nearest_that_is() -> None:
    known = ("imagen4_ultra", "gpt-image-2")
    check_budgets([Budget("engine", 1), Budget("engine", 1, "gpt-image-2"), Budget("day", 1)], known)
    with pytest.raises(
        ValueError, match=r"budget engine:imagen4ultra: .*did you mean 'imagen4_ultra'\? Known"
    ):
        check_budgets([Budget("engine", 1, "imagen4ultra")], known)
    with pytest.raises(ValueError, match="budget engine:zzz: no such engine; known: imagen4_ultra, gpt-im"):
        check_budgets([Budget("engine", 1, "zzz")], known)


def test_spaces_around_a_name_are_not_part_of_it(ledger: Ledger, make_call: MakeCall) -> None:
    assert parse_budget("campaign: spring = 0.03") == Budget("campaign", 30_000, "spring")
    assert isinstance(ledger.begin(make_call(), [parse_budget("campaign:spring =0.03")]), OverBudget)


def test_a_charge_above_its_reservation_is_written_as_it_is_and_binds(
    ledger: Ledger, make_call: MakeCall
) -> None:
    begun = ledger.begin(make_call("a"), [Budget("total", 60_000)])
    assert isinstance(begun, Begun)
    ledger.settle(ledger.sent(begun.row), Answer.image("file:///a.png", 55_000))
    assert [line.above for line in report(ledger.database)] == [15_000]
    assert isinstance(ledger.begin(make_call("b", reserve=5_001), [Budget("total", 60_000)]), OverBudget)
    assert audit(ledger.database) == ()


def test_emulated_money_eats_no_real_budget(ledger: Ledger, make_call: MakeCall) -> None:
    budgets = [Budget("total", 40_000)]
    assert isinstance(ledger.begin(make_call("a", emulated=True), budgets), Begun)
    assert isinstance(ledger.begin(make_call("b"), budgets), Begun)
    assert isinstance(ledger.begin(make_call("c", emulated=True), budgets), OverBudget)
    assert [line.emulated for line in report(ledger.database)] == [False, True]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        (("week", 1), "'week'"),
        (("day", -1), "limit: -1"),
        (("total", 1, "spring"), "name: 'spring'"),
        (("day", 1, "2026-13-01"), "name: '2026-13-01' is no day"),
        (("day", 1, "20261123"), "name: '20261123' is no day"),
    ],
    ids=["scope", "limit", "name", "day", "spelling"],
)
def test_a_budget_that_says_nothing_is_refused(fields: tuple[object, ...], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Budget(*fields)  # type: ignore[arg-type] # wrong on purpose


def test_processes_that_spend_at_once_never_pass_the_budget_and_pay_no_job_twice(
    address: str, tmp_path: Path
) -> None:
    provider = Provider(tmp_path / "charges")
    module = "tests.inference.engines.ledger.ledger_spender"
    workers = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                module,
                address,
                str(provider.file),
                str(number),
                str(CALLS_EACH),
                str(LIMIT),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(WORKERS)
    ]
    try:
        # All open the ledger before it exists, and begin together.
        assert [worker.stdout and worker.stdout.readline() for worker in workers] == ["ready\n"] * WORKERS
        ledger = Ledger.open(address, create=False)
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        most = 0
        while any(worker.poll() is None for worker in workers):
            most = max(most, committed(ledger))
        told = [json.loads(worker.communicate()[0]) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert [worker.returncode for worker in workers] == [0] * WORKERS
    assert most <= LIMIT
    assert max(provider.times_charged().values()) == 1
    figures = report(ledger.database, by=())
    assert [line.settled for line in figures] == [sum(micros for _, micros in provider.charges())]
    assert LIMIT - MOST < committed(ledger) <= LIMIT, "used up, and not passed"
    assert sum(each.get("OverBudget", 0) for each in told) > 0
    assert sum(each.get("Known", 0) + each.get("Busy", 0) for each in told) > 0, "they met at the same jobs"
    assert audit(ledger.database) == ()
    ledger.close()


def committed(ledger: Ledger) -> int:
    summed = sa.func.sum(sa.func.coalesce(CALLS.c.settled, CALLS.c.reserved))
    with ledger.database.reading() as connection:
        return int(connection.scalar(sa.select(summed)) or 0)
