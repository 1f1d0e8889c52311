"""What a run has shown, counted: what struck, how the ledger answered, and what it came to in money."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.chaos.engines.audit import Evidence, Verdict, billed, by_job, spent
from tests.chaos.engines.bill import Bill, charged
from tests.chaos.engines.faults import FAULTS
from tests.chaos.engines.jobs import number_of
from tests.chaos.engines.session import Outcome

# In Renders, as people read them.
REDELIVERED: Final = ("asked before", "paid for before", "drawn before")
# Below these a run of so many jobs has not been what it says it is.
LEAST_FAULTS: Final = 1 / 1_000
LEAST_QUOTA: Final = 1 / 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Money in micro-dollars. `highest` and `limits` are by budget; `faults` were counted by the providers,
    `answers` are what Renders say.
    """

    verdict: Verdict
    outcome: Outcome
    faults: Mapping[str, int]
    answers: Mapping[str, int]
    states: Mapping[str, int]
    ours: Mapping[str, int]
    theirs: Mapping[str, int]
    highest: Mapping[str, int]
    limits: Mapping[str, int]

    @property
    def clean(self) -> bool:
        done = self.outcome
        return self.verdict.clean and not (done.dead_letters or done.stuck or done.ended)


def figures_of(outcome: Outcome, verdict: Verdict) -> Figures:
    evidence = outcome.evidence
    return Figures(
        verdict=verdict,
        outcome=outcome,
        faults=Count(item.fault for items in evidence.bill.values() for item in items if item.fault),
        answers=_answers(evidence),
        states=_states(evidence),
        ours=spent(evidence.after),
        theirs=billed(evidence.bill),
        highest=highest(evidence),
        limits=evidence.workload.budgets(),
    )


def highest(evidence: Evidence) -> Mapping[str, int]:
    """The most that ever was committed under each budget; of days, on the dearest."""
    found: Count[str] = Count()
    budgets = evidence.workload.budgets()
    for each in evidence.history:
        for name in (each.scope, f"{each.scope}:{each.name}"):
            if name in budgets:
                found[name] = max(found[name], each.committed)
    return found


def missing(figures: Figures) -> Sequence[str]:
    """What was to happen and did not, often enough for what the run claims."""
    jobs = figures.outcome.evidence.workload.jobs
    least = {fault: LEAST_QUOTA if fault == "quota" else LEAST_FAULTS for fault in FAULTS}
    absent = [fault for fault, share in least.items() if figures.faults.get(fault, 0) < jobs * share]
    absent += [kind for kind in ("kill", "pause", "leave") if not figures.outcome.struck[kind]]
    # Around midnight each of two days has the day's budget for itself.
    is_one_day = len({call.day for call in figures.outcome.evidence.calls}) == 1
    budgets = [name for name in figures.limits if name != "day" or is_one_day]
    absent += [f"over {name}" for name in budgets if not figures.answers.get(f"over {name}")]
    return absent + [what for what in ("asked again", "rendered") if not figures.answers.get(what)]


def _answers(evidence: Evidence) -> Mapping[str, int]:
    found: Count[str] = Count()
    for told in evidence.told:
        found[told.outcome] += 1
        found["asked again"] += any(words in told.reason for words in REDELIVERED)
        found["held"] += "nobody knows its outcome" in told.reason
        if "more would pass the" in told.reason:
            found[_budget_in(told.reason)] += 1
    return found


def _budget_in(reason: str) -> str:
    scope, name = reason.partition(" of ")[2].split(",")[0].split(" ", 1)
    return "over day" if scope == "day" else f"over {scope}:{name}"


def _states(evidence: Evidence) -> Mapping[str, int]:
    """How the ledger's calls had ended before a person looked, and why."""
    found: Count[str] = Count()
    for call in evidence.calls:
        found[call.state] += 1
        found["left before sending"] += "left before it was sent" in call.reason
        found["left without an answer"] += "left without an answer" in call.reason
    shown = {told.number for told in evidence.told if told.outcome == "rendered"}
    drawn = {number_of(call.prompt_id) for call in evidence.calls if call.state == "image"}
    found["drawn and not shown"] = len(drawn - shown)
    found["jobs with several calls"] = sum(len(calls) > 1 for calls in by_job(evidence.calls).values())
    return found


def charges(bill: Bill) -> int:
    """How many requests cost something."""
    return sum(item.micros > 0 for items in bill.values() for item in items)


def unknown_money(evidence: Evidence) -> tuple[int, int]:
    """Micro-dollars that waited for a person: what was reserved, and what the bill then said."""
    waiting = [call for call in evidence.calls if call.settled is None]
    jobs = {call.prompt_id for call in waiting}
    after = [call for call in evidence.after if call.prompt_id in jobs and call.settled]
    return sum(call.reserved for call in waiting), sum(call.settled or 0 for call in after)


def total(bill: Bill) -> int:
    return sum(map(charged, bill.values()))
