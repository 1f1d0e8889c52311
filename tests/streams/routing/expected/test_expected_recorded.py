import random

import pytest

from schemas.events import Attempt, Legibility, Outcome, TextReading
from streams.routing.expected.deciding import Ending, Offer, Question, Tried, decide
from streams.routing.expected.exploring import Purse
from streams.routing.expected.features import Features
from streams.routing.expected.policyfile import load_policy
from streams.routing.expected.recorded import tries_of, verdict_of

POLICY = load_policy()
POSTER = Features(regions=2, characters=20, latin=True, critical_digits=False)


def reading(
    score: float | None, *, exact: bool = True, composed: bool = False, known: bool = True
) -> Legibility:
    text = TextReading(
        text="SALE", verdict="read" if known else "unreadable_by_reader", similarity=score or 0.0, exact=exact
    )
    return Legibility(
        score=score,
        recall=score,
        precision=score,
        critical_exact=exact,
        texts=(text,),
        by_construction=composed,
    )  # fmt: skip


def attempt(legibility: Legibility | None, outcome: Outcome = "rendered") -> Attempt:
    return Attempt(
        ordinal=0,
        purpose="final",
        engine="imagen4_remote",
        resolved_engine="gemini-3.1-flash-image",
        outcome=outcome,
        legibility=legibility,
    )


@pytest.mark.parametrize(
    ("recorded", "ending"),
    [
        (attempt(reading(0.99)), "pass"),
        (attempt(reading(0.99, exact=False)), "near"),
        (attempt(reading(0.6)), "near"),
        (attempt(reading(0.2)), "far"),
        (attempt(reading(None, known=False)), "failed"),
        (attempt(reading(None, composed=True)), "pass"),
        (attempt(reading(0.7, composed=True)), "pass"),
        (attempt(reading(0.3, composed=True)), "far"),
        (attempt(None, "refused"), "refused"),
        (attempt(None, "failed"), "failed"),
        (attempt(None, "expired"), "failed"),
    ],
)
def test_what_is_recorded_ends_as_the_gate_says(recorded: Attempt, ending: Ending) -> None:
    assert tries_of(POLICY, [recorded]) == (Tried("gemini-3.1-flash-image", ending),)


@pytest.mark.parametrize(
    ("tries", "action", "status", "purpose"),
    [
        ((Tried("sd3.5_medium", "pass"),), "accept", "accepted", "final"),
        ((Tried("sd3.5_medium", "near"),), "reroll", None, "reroll"),
        ((Tried("sd3.5_medium", "far"),) * 3, "escalate", None, "escalate"),
        ((Tried("sd3.5_medium", "far"),) * 4, "compose", None, "compose"),
        ((Tried("sd3.5_medium", "far"),) * 4 + (Tried("layout", "far"),), "person", "needs_review", "final"),
    ],
)
def test_a_decision_is_a_verdict_with_its_numbers(
    tries: tuple[Tried, ...], action: str, status: str | None, purpose: str
) -> None:
    offers = (Offer("sd3.5_medium", 0.001), Offer("ideogram_v2a_turbo", 0.025), Offer("layout", 0.0))
    question = Question(features=POSTER, offers=offers, tries=tries)
    decision = decide(POLICY, POLICY.table(), question, Purse(0.0), random.Random(0))

    verdict = verdict_of(decision)

    assert (verdict.action, verdict.status, verdict.purpose) == (action, status, purpose)
    assert f"${decision.expected_usd:.4f} on average" in verdict.reason


def test_a_first_step_is_no_verdict() -> None:
    question = Question(features=POSTER, offers=(Offer("sd3.5_medium", 0.001),))
    decision = decide(POLICY, POLICY.table(), question, Purse(0.0), random.Random(0))

    with pytest.raises(ValueError, match=r"'draw' by sd3\.5_medium begins a prompt"):
        verdict_of(decision)
