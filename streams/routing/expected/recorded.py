"""Between what the events record and what is decided here."""

from __future__ import annotations

from collections.abc import Sequence

from inference.legibility.acceptance import DEFAULT, Acceptance, passes
from schemas.events import Attempt, Legibility
from streams.routing.expected.deciding import Decision, Ending, Step, Tried
from streams.routing.expected.policyfile import ExpectedPolicy
from streams.routing.verdict import Verdict

# The least score of a composition, as in `policy.Policy`: its type is right, whatever the reader makes of it.
COMPOSED_SCORE = 0.6


def tries_of(
    policy: ExpectedPolicy, attempts: Sequence[Attempt], accept: Acceptance = DEFAULT
) -> tuple[Tried, ...]:
    """What was tried, by the living engine that drew it; `attempts` have their legibility filled in."""
    return tuple(
        Tried(attempt.resolved_engine or attempt.engine, _ending(policy, attempt, accept))
        for attempt in attempts
    )


def verdict_of(decision: Decision) -> Verdict:
    """The decision in the verdict's words.

    Raises:
        ValueError: it is a prompt's first step, which is a route and no verdict.
    """
    return verdict_by(decision.step, decision.engine, reason_of(decision))


def verdict_by(step: Step, engine: str, reason: str) -> Verdict:
    """Raises:
    ValueError: it is a prompt's first step, which is a route and no verdict.
    """
    match step:
        case "accept":
            return Verdict("accept", reason, status="accepted")
        case "person":
            return Verdict("person", reason, status="needs_review")
        case "reroll" | "escalate" | "compose":
            return Verdict(step, reason, None, engine, step)
        case "draw":
            raise ValueError(f"step: 'draw' by {engine} begins a prompt; a verdict follows an attempt")


def reason_of(decision: Decision) -> str:
    """Why this step, in a line."""
    if decision.explored:
        return f"to learn, instead of {decision.instead}; ${decision.usd:.4f} from the exploration budget"
    return f"{decision.step} at ${decision.expected_usd:.4f} on average, the least of {_others(decision)}"


def _others(decision: Decision) -> str:
    return ", ".join(f"{ranked.step} {ranked.engine}".rstrip() for ranked in decision.ranked)


def _ending(policy: ExpectedPolicy, attempt: Attempt, accept: Acceptance) -> Ending:
    reading = attempt.legibility
    if attempt.outcome == "refused":
        return "refused"
    if attempt.outcome != "rendered" or reading is None:
        return "failed"
    if reading.by_construction:
        return "pass" if reading.score is None or reading.score >= COMPOSED_SCORE else "far"
    if not _judged(reading):
        return "failed"
    return policy.seen().band(passed=passes(reading, accept), score=reading.score)


def _judged(reading: Legibility) -> bool:
    """A text that no reader knows tells nothing of the engine."""
    return all(text.verdict != "unreadable_by_reader" for text in reading.texts)
