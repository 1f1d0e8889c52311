"""The audit can fail: every fault that it looks for is found where it is planted, and no other."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from inference.engines.ledger import Answer, Begun, Budget, Call, Ledger, OverBudget
from inference.engines.registry import load_registry
from schemas.events import PromptRef
from tests.chaos.engines.audit import Evidence, Fault, Told, judge
from tests.chaos.engines.bill import Item, read_bill
from tests.chaos.engines.books import Booked, Books, Counter, Snapshot
from tests.chaos.engines.faults import write_plan
from tests.chaos.engines.figures import figures_of, missing
from tests.chaos.engines.jobs import (
    CAPPED,
    ENGINES,
    SOURCE,
    THRIFTY,
    Workload,
    asked,
    campaign,
    is_twin,
    job,
    job_id,
    number_in,
    prompt,
)
from tests.chaos.engines.session import Outcome
from tests.chaos.engines.settling import settle
from tests.chaos.engines.worker import TODAY

JOBS = 12
PAID, REFUSED, UNKNOWN = 2, 3, 4
TIGHT = [number for number in range(JOBS) if campaign(number) == THRIFTY or asked(number).engine == CAPPED]
DRAWN = [number for number in range(JOBS) if number not in TIGHT]
Doctor = Callable[[Evidence], Evidence]


def item(number: int, **changes: object) -> Item:
    wanted = asked(number)
    drawn = Item(
        number=number,
        contract=wanted.contract,
        model=wanted.model,
        outcome="image",
        status=200,
        micros=wanted.micros,
    )
    return replace(drawn, **changes)  # type: ignore[arg-type] # any field


def booked(number: int, **changes: object) -> Booked:
    price = asked(number).micros
    paid = Booked(
        prompt_id=job_id(number),
        take=0,
        job="",
        state="image",
        engine=asked(number).engine,
        campaign="",
        day="2026-11-24",
        reserved=price,
        settled=price,
    )
    return replace(paid, **changes)  # type: ignore[arg-type] # any field


def sound() -> Evidence:
    """Jobs drawn at their prices; some kept from it by their budget, one refused for nothing, one of unknown
    outcome that was charged.
    """
    told = {number: Told(number=number, outcome="rendered", micros=asked(number).micros) for number in DRAWN}
    told |= {
        number: Told(number=number, outcome="failed", micros=0)
        for number in range(JOBS)
        if number not in DRAWN
    }
    bill = {number: [item(number)] for number in DRAWN}
    calls = {number: booked(number) for number in DRAWN}
    told[REFUSED] = Told(number=REFUSED, outcome="refused", micros=0)
    bill[REFUSED] = [item(REFUSED, outcome="refused_prompt", status=400, micros=0)]
    calls[REFUSED] = booked(REFUSED, state="refused", settled=0)
    told[UNKNOWN] = Told(number=UNKNOWN, outcome="failed", micros=0)
    calls[UNKNOWN] = booked(UNKNOWN, state="unknown", settled=None)
    return Evidence(
        workload=Workload(JOBS),
        told=[*told.values(), *(told[number] for number in range(JOBS) if is_twin(number))],
        bill=bill,
        calls=[*calls.values()],
        after=[*(calls | {UNKNOWN: booked(UNKNOWN, state="failed")}).values()],
    )


def with_call(number: int, **changes: object) -> Doctor:
    def doctored(evidence: Evidence) -> Evidence:
        def changed(calls: Sequence[Booked]) -> list[Booked]:
            return [
                replace(each, **changes) if each.prompt_id == job_id(number) else each  # type: ignore[arg-type] # any field
                for each in calls
            ]

        return replace(evidence, calls=changed(evidence.calls), after=changed(evidence.after))

    return doctored


def with_items(number: int, *items: Item) -> Doctor:
    return lambda evidence: replace(evidence, bill={**evidence.bill, number: items})


def with_told(*more: Told) -> Doctor:
    return lambda evidence: replace(evidence, told=[*evidence.told, *more])


def without_job(number: int) -> Doctor:
    return lambda evidence: replace(evidence, told=[each for each in evidence.told if each.number != number])


def standing_at(scope: str, name: str, above: int) -> Doctor:
    """A counter that once stood so many micro-dollars above its budget."""

    def doctored(evidence: Evidence) -> Evidence:
        budgets = evidence.workload.budgets()
        limit = budgets[f"{scope}:{name}" if f"{scope}:{name}" in budgets else scope]
        return replace(evidence, history=[Counter(scope, name, limit + above), Counter(scope, name, 0)])

    return doctored


def drifted(evidence: Evidence) -> Evidence:
    return replace(evidence, snapshots=[Snapshot({("total", ""): 5}, {("total", ""): 4})])


PLANTED = {
    "a job that was dropped": (without_job(PAID), {"lost"}),
    "a Render that came out twice": (with_told(Told(number=PAID, outcome="failed", micros=0)), {"twice"}),
    "a Render that nobody asked for": (with_told(Told(number=99, outcome="failed", micros=0)), {"stranger"}),
    "a redelivery that paid again and booked it": (
        lambda evidence: replace(
            with_items(PAID, item(PAID), item(PAID))(evidence),
            calls=[*evidence.calls, booked(PAID, take=1)],
            after=[*evidence.after, booked(PAID, take=1)],
        ),
        {"charged twice", "misquoted"},
    ),
    "a redelivery that paid again past the ledger": (
        with_items(PAID, item(PAID), item(PAID)),
        {"charged twice", "not booked", "misquoted", "unequal"},
    ),
    "a call without a row": (
        lambda evidence: replace(
            evidence,
            calls=[each for each in evidence.calls if each.prompt_id != job_id(PAID)],
            after=[each for each in evidence.after if each.prompt_id != job_id(PAID)],
        ),
        {"not booked", "above its reservation", "misquoted", "unequal"},
    ),
    "an end that was never written": (
        with_call(PAID, state="sent", settled=None),
        {"left under way", "misquoted", "unequal"},
    ),
    "an intent that was never given up": (
        with_call(REFUSED, state="intended", settled=None),
        {"left under way", "untold"},
    ),
    "a refusal that was told and never written": (
        with_call(REFUSED, state="unknown", settled=None),
        {"untold", "still waiting"},
    ),
    "one micro-dollar too little": (
        with_call(PAID, settled=asked(PAID).micros - 1),
        {"not booked", "unequal"},
    ),
    "one micro-dollar too much": (
        with_call(PAID, settled=asked(PAID).micros + 1),
        {"not charged", "unequal"},
    ),
    "a refusal booked as paid": (
        with_call(REFUSED, settled=asked(REFUSED).micros),
        {"not charged", "unequal"},
    ),
    "a reservation below the price": (
        with_call(PAID, reserved=asked(PAID).micros - 1),
        {"above its reservation"},
    ),
    "a bill for a model that nobody wanted": (with_items(PAID, item(PAID, model="dear")), {"another model"}),
    "a price that is not the bill's": (
        lambda evidence: replace(
            evidence,
            told=[replace(each, micros=1) if each.number == PAID else each for each in evidence.told],
        ),
        {"misquoted"},
    ),
    "a person who settled at another sum": (
        lambda evidence: replace(
            evidence,
            after=[
                replace(each, settled=1) if each.prompt_id == job_id(UNKNOWN) else each
                for each in evidence.after
            ],
        ),
        {"unequal"},
    ),
    "a call that nobody settled": (
        lambda evidence: replace(evidence, after=evidence.calls),
        {"still waiting", "unequal"},
    ),
    "a day's budget passed for a moment": (standing_at("day", "2026-11-24", 1), {"over budget"}),
    "an engine's budget passed for a moment": (
        standing_at("engine", CAPPED, 1),
        {"over budget"},
    ),
    "a campaign's budget passed for a moment": (standing_at("campaign", THRIFTY, 1), {"over budget"}),
    "an engine that billed more than its budget": (
        with_items(TIGHT[0], item(TIGHT[0], micros=10**9)),
        {"over budget", "not booked", "above its reservation", "unequal"},
    ),
    "counters that are not the sums of the calls": (drifted, {"adrift"}),
}


def test_sound_books_are_found_sound() -> None:
    verdict = judge(sound())
    assert verdict.examples == {}
    assert verdict.clean


@pytest.mark.parametrize("planted", PLANTED, ids=lambda name: name.replace(" ", "-"))
def test_a_planted_fault_is_found_by_its_name(planted: str) -> None:
    doctor, expected = PLANTED[planted]
    found: set[Fault] = {fault for fault, count in judge(doctor(sound())).counts.items() if count}
    assert found == expected


def test_a_counter_that_stands_at_its_budget_is_within_it() -> None:
    assert judge(standing_at("day", "2026-11-24", 0)(sound())).clean


def test_a_run_in_which_nothing_struck_is_told_apart_from_one_that_was_survived() -> None:
    evidence = sound()
    outcome = Outcome(
        evidence,
        Count(),
        seconds=1.0,
        input_records=JOBS,
        dead_letters=0,
        stuck=0,
        ended=0,
        settled_by_a_person=1,
    )
    figures = figures_of(outcome, judge(evidence))
    assert figures.clean
    assert {"lost", "rate", "kill", "pause", "over day", "asked again"} <= set(missing(figures))
    outcome.dead_letters = 1
    assert not figures.clean


def test_jobs_are_told_apart_by_their_prompts_and_speak_every_hosted_contract() -> None:
    numbers = range(200)
    assert [number_in(prompt(number)) for number in numbers] == list(numbers)
    registry = load_registry()
    contracts = {registry.resolve(job(number).engine, today=TODAY).adapter for number in numbers}
    assert contracts == {each.contract for each in ENGINES} and len(contracts) == 6
    for each in ENGINES:
        entry = registry.resolve(each.engine, today=TODAY)
        assert (entry.name, entry.adapter, entry.model) == (each.engine, each.contract, each.model)


def test_every_job_is_produced_in_as_many_partitions_as_it_owes_renders() -> None:
    workload = Workload(500)
    placed: dict[int, set[int]] = {}
    times = 0
    for partition, number in workload.stream():
        placed.setdefault(number, set()).add(partition)
        times += 1
    assert {number: len(found) for number, found in placed.items()} == {
        number: workload.owed(number) for number in range(500)
    }
    assert times > sum(map(len, placed.values())), "some are produced twice in one partition"


def test_the_plan_is_one_that_the_emulator_takes(tmp_path: Path) -> None:
    from inference.engines.emulator.scripts import load_plan

    write_plan(tmp_path / "plan.yaml", 7)
    plan = load_plan(tmp_path / "plan.yaml")
    assert plan.seed == 7
    assert {odds.fault for odds in plan.odds} >= {"lost", "rate", "quota", "withhold", "refuse_prompt"}


def test_the_bill_is_read_by_job_from_the_emulators_file(tmp_path: Path) -> None:
    row = {"number": 1, "contract": "stability", "model": "m", "outcome": "image", "status": 200, "micros": 5}
    lines = [{**row, "prompt": prompt(8), "fault": "lost"}, {**row, "prompt": prompt(8), "micros": 0}]
    (tmp_path / "bill").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    bill = read_bill(tmp_path / "bill")
    assert [(each.micros, each.fault) for each in bill[8]] == [(5, "lost"), (0, "")]


@pytest.fixture
def address(tmp_path: Path) -> str:
    place = str(tmp_path / "ledger.db")
    Ledger.open(place).close()
    Books(place).watch()
    return place


def call(number: int, reserve: int) -> Call:
    return Call(
        ref=PromptRef(SOURCE, job_id(number)),
        ordinal=0,
        asked="",
        render_id=f"{number:064d}",
        engine="dear",
        model="m",
        reserve=reserve,
    )


def test_every_value_of_a_counter_is_seen_and_none_of_an_intent_that_found_no_room(address: str) -> None:
    with closing(Ledger.open(address)) as ledger:
        first = ledger.begin(call(1, 40), [Budget("engine", 60, "dear")])
        assert isinstance(first, Begun)
        assert isinstance(ledger.begin(call(2, 30), [Budget("engine", 60, "dear")]), OverBudget)
        ledger.settle(ledger.sent(first.row), Answer.image("file:///a.png", 25))
    books = Books(address)
    assert [each.committed for each in books.history() if each.scope == "engine"] == [40, 25]
    snapshot = books.snapshot()
    assert snapshot.counters == snapshot.added_up
    assert books.last_lease_ms() == 0


def test_what_waits_is_settled_by_the_bill_less_what_is_booked(address: str) -> None:
    with closing(Ledger.open(address)) as ledger:
        for number in (1, 2):
            begun = ledger.begin(call(number, 40_000))
            assert isinstance(begun, Begun)
            ledger.hold(ledger.sent(begun.row), "nobody knows")
    bill = {1: [item(1, micros=35_000)], 2: [item(2, outcome="hung_up", micros=0)]}
    assert settle(address, bill) == 2
    assert [(each.state, each.settled) for each in Books(address).calls()] == [
        ("failed", 35_000),
        ("failed", 0),
    ]
