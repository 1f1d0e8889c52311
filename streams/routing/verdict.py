"""What a score leads to: accept, polish, roll again, escalate, compose, hand to a person, or stop.

A pure function of what the events record and of the policy; it reads no clock (the engine stages record an
expired deadline as an outcome) and no state, so any decision can be made again from the topic alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from inference.legibility.acceptance import passes
from schemas.events import Attempt, Legibility, Purpose, RenderJob, Status
from streams.routing.policy import LAYOUT_ENGINE, LOCAL_ENGINES, Policy
from streams.routing.table import is_dense, precise_engine

Action = Literal["accept", "polish", "reroll", "escalate", "compose", "person", "stop"]
Price = Callable[[str], float]
Next = tuple[Action, str, Purpose]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`status` is set where the prompt ends here; else `engine` and `purpose` name the next job."""

    action: Action
    reason: str
    status: Status | None = None
    engine: str = ""
    purpose: Purpose = "final"


def decide_verdict(job: RenderJob, attempts: Sequence[Attempt], policy: Policy, price: Price) -> Verdict:
    """Judges the last of `attempts` (each with its legibility filled in) made for `job`'s prompt.

    `price` gives the list price in dollars of one render by a logical engine, for the budget.
    """
    last = attempts[-1]
    if last.outcome == "cancelled":
        return Verdict("stop", last.reason, status="cancelled")
    if last.outcome == "expired":
        return stopped(attempts, last.reason or "the deadline passed", policy, otherwise="expired")
    if last.outcome == "refused":
        return _after_no_picture(job, attempts, policy, price, otherwise="refused")
    if last.outcome == "failed" or last.legibility is None:
        return _after_no_picture(job, attempts, policy, price, otherwise="failed")
    return _after_picture(job, attempts, last.legibility, policy, price)


def _after_picture(
    job: RenderJob,
    attempts: Sequence[Attempt],
    reading: Legibility,
    policy: Policy,
    price: Price,
) -> Verdict:
    last = attempts[-1]
    if reading.by_construction:
        return _after_construction(reading, policy)
    if any(text.verdict == "unreadable_by_reader" for text in reading.texts):
        return Verdict("person", "no reader covers every expected text", status="needs_review")
    if passes(reading, policy.accept):
        if policy.polish_winners and last.purpose in ("preview", "reroll") and last.engine in LOCAL_ENGINES:
            engine, why = precise_engine(job.spec.tags, job.spec.texts)
            if _affordable(engine, job, attempts, price):
                return Verdict("polish", f"{_scored(reading)}, a winner; {why}", None, engine, "polish")
        return Verdict("accept", _scored(reading), status="accepted")
    if _in_hand(attempts, policy):
        return stopped(attempts, f"{_shortfall(reading, policy)}; an earlier picture passes", policy)
    following = _next_try(job, attempts, reading, policy, price)
    if following is None:
        why = f"{_shortfall(reading, policy)}; attempts or budget ran out"
        return stopped(attempts, why, policy)
    action, engine, purpose = following
    return Verdict(action, _shortfall(reading, policy), None, engine, purpose)


def _after_construction(reading: Legibility, policy: Policy) -> Verdict:
    if reading.score is None:
        return Verdict("accept", "set in true type, no reader covers it", status="accepted")
    if reading.score >= policy.composed_score:
        return Verdict("accept", f"set in true type, {_scored(reading)}", status="accepted")
    return Verdict("person", f"set in true type, yet {_scored(reading)}", status="needs_review")


def _misread(reading: Legibility, policy: Policy) -> list[str]:
    return [text.text for text in reading.texts if text.similarity < policy.accept.text]


def _next_try(
    job: RenderJob,
    attempts: Sequence[Attempt],
    reading: Legibility,
    policy: Policy,
    price: Price,
) -> Next | None:
    last = attempts[-1]
    local = last.engine in LOCAL_ENGINES
    if len(attempts) >= policy.attempts:
        return None
    rolled = sum(attempt.purpose == "reroll" for attempt in attempts)
    near = (reading.score or 0.0) >= policy.near_miss
    if local and near and rolled < policy.rerolls and _affordable(last.engine, job, attempts, price):
        return "reroll", last.engine, "reroll"
    if not local or policy.escalate_losers:
        escalated = _escalation(job, attempts, policy, price)
        if escalated is not None:
            return escalated
    return _composition(job, attempts)


def _escalation(job: RenderJob, attempts: Sequence[Attempt], policy: Policy, price: Price) -> Next | None:
    hosted = sum(
        attempt.engine not in LOCAL_ENGINES and attempt.engine != LAYOUT_ENGINE for attempt in attempts
    )
    tried = {attempt.engine for attempt in attempts}
    engine = policy.succession.get(attempts[-1].engine)
    if engine == "imagen4_remote" and is_dense(job.spec.texts):
        engine = policy.succession.get(engine)
    while engine in tried:
        engine = policy.succession.get(engine)
    if engine is None or hosted >= policy.hosted_attempts or not _affordable(engine, job, attempts, price):
        return None
    return "escalate", engine, "escalate"


def _composition(job: RenderJob, attempts: Sequence[Attempt]) -> Next | None:
    composed = any(attempt.engine == LAYOUT_ENGINE for attempt in attempts)
    return None if composed or not job.spec.texts else ("compose", LAYOUT_ENGINE, "compose")


def gone(attempts: Sequence[Attempt]) -> float:
    """Dollars that a prompt's budget has no more, those among them that nobody knows to be charged."""
    return sum(attempt.usd + attempt.usd_unknown for attempt in attempts)


def _affordable(engine: str, job: RenderJob, attempts: Sequence[Attempt], price: Price) -> bool:
    if job.budget_usd is None:
        return True
    return gone(attempts) + price(engine) <= job.budget_usd


def _after_no_picture(
    job: RenderJob,
    attempts: Sequence[Attempt],
    policy: Policy,
    price: Price,
    *,
    otherwise: Status,
) -> Verdict:
    """A refusal or a failure: the successor may do it; a refused prompt is not set in type instead."""
    last = attempts[-1]
    if _in_hand(attempts, policy):
        return stopped(
            attempts, f"{last.engine} {last.outcome}: {last.reason}; an earlier picture passes", policy
        )
    following = _escalation(job, attempts, policy, price) if len(attempts) < policy.attempts else None
    if following is None and otherwise == "failed":
        following = _composition(job, attempts)
    if following is None:
        return stopped(attempts, last.reason, policy, otherwise=otherwise)
    action, engine, purpose = following
    return Verdict(action, f"{last.engine} {last.outcome}: {last.reason}", None, engine, purpose)


def _in_hand(attempts: Sequence[Attempt], policy: Policy) -> bool:
    """Whether the best picture so far would be accepted: a polish that fails takes nothing away."""
    best = best_attempt(attempts)
    return best is not None and best.legibility is not None and passes(best.legibility, policy.accept)


def stopped(
    attempts: Sequence[Attempt], reason: str, policy: Policy, *, otherwise: Status = "best_effort"
) -> Verdict:
    """The end without another try: with a picture that passes, else the best there is, else `otherwise`."""
    if _in_hand(attempts, policy):
        return Verdict("stop", reason, status="accepted")
    drawn = best_attempt(attempts) is not None
    return Verdict("stop", reason, status="best_effort" if drawn else otherwise)


def best_attempt(attempts: Sequence[Attempt]) -> Attempt | None:
    """The attempt whose picture stands when none was accepted: exact, all read, the score, the latest."""
    drawn = [attempt for attempt in attempts if attempt.pictures is not None]
    return max(drawn, key=_rank, default=None)


def _rank(attempt: Attempt) -> tuple[bool, bool, float, int]:
    reading = attempt.legibility
    if reading is None:
        return False, False, 0.0, attempt.ordinal
    all_read = all(text.verdict == "read" for text in reading.texts)
    return reading.critical_exact, all_read, reading.score or 0.0, attempt.ordinal


def _scored(reading: Legibility) -> str:
    score = "unscored" if reading.score is None else f"score {reading.score:.2f}"
    return score if reading.critical_exact else f"{score}, a critical text is not exact"


def _shortfall(reading: Legibility, policy: Policy) -> str:
    faults = [_scored(reading)]
    if (reading.score or 0.0) < policy.accept.score:
        faults.append(f"below {policy.accept.score:g}")
    faults += [f"{text!r} is misread" for text in _misread(reading, policy)]
    return ", ".join(faults)
