"""The audit: what was asked, what came out, what was booked and what was billed, held against each other.

Pure, and written apart from what it judges: of the product it knows the words of its events and of the
ledger's states, and nothing else.
"""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from tests.chaos.engines.bill import Bill, Item, charged
from tests.chaos.engines.books import UNDER_WAY, Booked, Counter, Snapshot
from tests.chaos.engines.jobs import Workload, asked, campaign, number_of

Fault = Literal[
    "lost",
    "twice",
    "stranger",
    "charged twice",
    "not booked",
    "not charged",
    "above its reservation",
    "another model",
    "misquoted",
    "untold",
    "left under way",
    "over budget",
    "adrift",
    "unequal",
    "still waiting",
]
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)
EXAMPLES: Final = 5

Findings = Iterator[tuple[Fault, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One Render as a consumer reads it; `micros` is what it says that it cost."""

    number: int
    outcome: str
    micros: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`calls` are the ledger's, before a person settled any, `after` behind that."""

    workload: Workload
    told: Sequence[Told]
    bill: Bill
    calls: Sequence[Booked]
    after: Sequence[Booked]
    history: Sequence[Counter] = ()
    snapshots: Sequence[Snapshot] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """How often each fault was found, and a few of them in words."""

    counts: Mapping[Fault, int] = field(default_factory=dict)
    examples: Mapping[Fault, Sequence[str]] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        return not any(self.counts.values())


def judge(evidence: Evidence) -> Verdict:
    counts: Count[Fault] = Count()
    examples: dict[Fault, list[str]] = {}
    for check in (_delivered, _paid, _said, _ended, _within_budgets, _equal):
        for fault, what in check(evidence):
            counts[fault] += 1
            if counts[fault] <= EXAMPLES:
                examples.setdefault(fault, []).append(what)
    return Verdict(counts, examples)


def by_job(calls: Iterable[Booked]) -> Mapping[int, Sequence[Booked]]:
    found: dict[int, list[Booked]] = {}
    for call in calls:
        found.setdefault(number_of(call.prompt_id), []).append(call)
    return found


def _delivered(evidence: Evidence) -> Findings:
    """Every job left as many Renders as it owes, neither less nor more, and nothing else came out."""
    seen = Count(told.number for told in evidence.told)
    for number in range(evidence.workload.jobs):
        owed = evidence.workload.owed(number)
        if seen[number] < owed:
            yield "lost", f"job {number}: {seen[number]} of {owed} Renders"
        if seen[number] > owed:
            yield "twice", f"job {number}: {seen[number]} Renders, {owed} owed"
    for number in (seen.keys() | evidence.bill.keys()) - set(range(evidence.workload.jobs)):
        yield "stranger", f"job {number}: nobody asked for it"


def _paid(evidence: Evidence) -> Findings:
    """Each charge is booked once at its price, or its call waits as unknown; nothing else is booked."""
    booked = by_job(evidence.calls)
    for number in sorted(booked.keys() | evidence.bill.keys()):
        items, calls = evidence.bill.get(number, ()), booked.get(number, ())
        charges = [item for item in items if item.micros]
        if len(charges) > 1:
            yield "charged twice", f"job {number}: {[item.micros for item in charges]}"
        yield from _balanced(number, charges, calls)
        for item in items:
            if item.model != asked(number).model:
                yield "another model", f"job {number}: {item.model} was asked for {asked(number).engine}"


def _balanced(number: int, charges: Sequence[Item], calls: Sequence[Booked]) -> Findings:
    known = sum(call.settled or 0 for call in calls)
    waiting = [call for call in calls if call.settled is None]
    if charged(charges) > known and not waiting:
        yield "not booked", f"job {number}: charged {charged(charges)}, booked {known}"
    if known > charged(charges):
        yield "not charged", f"job {number}: charged {charged(charges)}, booked {known}"
    reserved = max((call.reserved for call in calls), default=0)
    if any(item.micros > reserved for item in charges):
        yield "above its reservation", f"job {number}: charged {charged(charges)}, reserved {reserved}"


def _said(evidence: Evidence) -> Findings:
    """A Render with a picture says what the picture cost; a plain refusal that was told is booked as one."""
    booked = by_job(evidence.calls)
    for told in evidence.told:
        items, calls = evidence.bill.get(told.number, ()), booked.get(told.number, ())
        cost = charged(items)
        if told.outcome == "rendered" and (told.micros != cost or not any(c.state == "image" for c in calls)):
            yield "misquoted", f"job {told.number}: says {told.micros}, was charged {cost}"
        plain = any(item.outcome == "refused_prompt" and item.status >= 400 for item in items)
        if plain and told.outcome == "refused" and not any(call.state == "refused" for call in calls):
            yield "untold", f"job {told.number}: refused, and booked {[call.state for call in calls]}"


def _ended(evidence: Evidence) -> Findings:
    for call in (*evidence.calls, *evidence.after):
        if call.state in UNDER_WAY:
            yield "left under way", f"{call.prompt_id}: {call.state}"


def _within_budgets(evidence: Evidence) -> Findings:
    """No counter ever stood above its budget, and the counters were the sums of the calls all along."""
    budgets = evidence.workload.budgets()
    stood = (((each.scope, each.name), each.committed) for each in evidence.history)
    added = (item for each in evidence.snapshots for item in each.added_up.items())
    for (scope, name), committed in (*stood, *added):
        limit = budgets.get(f"{scope}:{name}", budgets.get(scope))
        if limit is not None and committed > limit:
            yield "over budget", f"{scope} {name}: {committed} of {limit}"
    for name, micros in _billed_under(budgets, evidence.bill).items():
        if micros > budgets[name]:
            yield "over budget", f"{name}: {micros} of {budgets[name]} by the bill"
    for each in evidence.snapshots:
        if _nonzero(each.counters) != _nonzero(each.added_up):
            yield "adrift", f"counters {dict(each.counters)}, calls {dict(each.added_up)}"


def _billed_under(budgets: Mapping[str, int], bill: Bill) -> Mapping[str, int]:
    """What providers charged under each budget that is no day's: their bill knows no day of ours."""
    found: Count[str] = Count()
    for number, items in bill.items():
        for name in (f"campaign:{campaign(number)}", f"engine:{asked(number).engine}"):
            if name in budgets:
                found[name] += charged(items)
    return found


def _nonzero(figures: Mapping[tuple[str, str], int]) -> Mapping[tuple[str, str], int]:
    return {key: value for key, value in figures.items() if value}


def _equal(evidence: Evidence) -> Findings:
    """After a person settled what waited, their books and ours agree for every engine, so also in total."""
    for call in evidence.after:
        if call.settled is None and call.state not in UNDER_WAY:
            yield "still waiting", f"{call.prompt_id}: {call.state}"
    ours, theirs = spent(evidence.after), billed(evidence.bill)
    for engine in sorted(ours.keys() | theirs.keys()):
        if ours.get(engine, 0) != theirs.get(engine, 0):
            what = f"{engine}: booked {ours.get(engine, 0)}, charged {theirs.get(engine, 0)}"
            yield "unequal", what


def spent(calls: Iterable[Booked]) -> Mapping[str, int]:
    """Micro-dollars by engine that we have booked."""
    found: Count[str] = Count()
    for call in calls:
        found[call.engine] += call.settled or 0
    return found


def billed(bill: Bill) -> Mapping[str, int]:
    """Micro-dollars by engine that providers have charged."""
    found: Count[str] = Count()
    for number, items in bill.items():
        found[asked(number).engine] += charged(items)
    return found
