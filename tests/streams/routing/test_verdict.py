import dataclasses
import itertools
from typing import Any

import pytest

from schemas.events import Asset, Attempt, Legibility, Pictures, PromptRef, RenderJob, Spec, Text, TextReading
from streams.routing.policy import HOSTED_FIRST, HYBRID, LOCAL_FIRST, POLICIES, Policy
from streams.routing.verdict import Verdict, best_attempt, decide_verdict

PICTURE = Asset(uri="memory://x", sha256="0" * 64, media_type="image/png", bytes=1)
SPEC = Spec(
    prompt="a poster",
    texts=(Text("SALE"),),
    negative_prompt="",
    width=512,
    height=512,
    sampler="euler",
    steps=None,
    guidance=None,
    seed=1,
    locale="en",
)


def reading(
    score: float | None,
    *,
    exact: bool = True,
    built: bool = False,
    seen: bool = True,
    similarity: float = 1.0,
) -> Legibility:
    verdict = "read" if seen else "unreadable_by_reader"
    return Legibility(
        score=score,
        recall=score,
        precision=score,
        critical_exact=exact,
        texts=(TextReading(text="SALE", verdict=verdict, similarity=similarity),),
        by_construction=built,
    )


def attempt(engine: str, score: float | None = None, **fields: Any) -> Attempt:
    legibility = fields.pop("legibility", None if score is None else reading(score))
    defaults: dict[str, Any] = {
        "ordinal": 0,
        "purpose": "preview" if engine.startswith("sd3.5") else "final",
        "outcome": "rendered",
        "pictures": None if legibility is None else Pictures(image=PICTURE, original=PICTURE),
    }
    return Attempt(engine=engine, legibility=legibility, **(defaults | fields))


def judge(*attempts: Attempt, policy: Policy = HYBRID, price: float = 0.0, **job: Any) -> Verdict:
    numbered = [dataclasses.replace(each, ordinal=n) for n, each in enumerate(attempts)]
    spec = job.pop("spec", SPEC)
    base = RenderJob(
        ref=PromptRef("s", "p"),
        spec=spec,
        engine=attempts[-1].engine,
        purpose=attempts[-1].purpose,
        ordinal=len(attempts) - 1,
        route="r",
        reason="",
        policy=policy.label,
        **job,
    )
    return decide_verdict(base, numbered, policy, lambda _engine: price)


def test_a_readable_picture_is_accepted() -> None:
    verdict = judge(attempt("imagen4_ultra", HYBRID.accept.score))
    assert (verdict.action, verdict.status) == ("accept", "accepted")


def test_a_high_score_with_a_wrong_critical_text_is_not_accepted() -> None:
    verdict = judge(attempt("sd3.5_medium", legibility=reading(0.97, exact=False)))
    assert verdict.action == "reroll"


def test_a_poster_with_one_wrong_letter_is_not_accepted_whatever_its_score() -> None:
    verdict = judge(attempt("sd3.5_medium", legibility=reading(0.96, similarity=0.92)))
    assert (verdict.action, verdict.reason) == ("reroll", "score 0.96, 'SALE' is misread")


def test_a_readers_slip_in_a_paragraph_is_forgiven() -> None:
    assert judge(attempt("imagen4_ultra", legibility=reading(0.98, similarity=0.97))).action == "accept"


def test_a_near_miss_of_the_local_engine_is_rolled_again_once() -> None:
    assert judge(attempt("sd3.5_medium", 0.7)).action == "reroll"
    second = judge(attempt("sd3.5_medium", 0.7), attempt("sd3.5_medium", 0.7, purpose="reroll"))
    assert (second.action, second.engine) == ("escalate", "imagen4_remote")


def test_a_hopeless_preview_is_escalated_at_once() -> None:
    verdict = judge(attempt("sd3.5_medium", 0.1))
    assert (verdict.action, verdict.engine) == ("escalate", "imagen4_remote")


def test_dense_text_is_escalated_to_the_better_speller() -> None:
    dense = dataclasses.replace(SPEC, texts=4 * (Text("WORD"),))
    assert judge(attempt("sd3.5_medium", 0.1), spec=dense).engine == "imagen4_ultra"


def test_when_hosted_attempts_run_out_the_text_is_set_in_true_type() -> None:
    verdict = judge(attempt("imagen4_remote", 0.2), attempt("imagen4_ultra", 0.3))
    assert (verdict.action, verdict.engine) == ("compose", "layout")


@pytest.mark.parametrize("charged", ["usd", "usd_unknown"])
def test_a_budget_that_does_not_cover_the_successor_leads_to_composing(charged: str) -> None:
    spent = attempt("imagen4_remote", 0.2, **{charged: 0.07})
    assert judge(spent, price=0.1, budget_usd=0.17).action == "escalate"
    assert judge(spent, price=0.1, budget_usd=0.16).action == "compose"


def test_composed_text_no_reader_covers_is_accepted_by_construction() -> None:
    built = attempt("layout", legibility=reading(None, built=True, seen=False))
    assert judge(built).status == "accepted"


def test_composed_text_that_cannot_be_read_back_goes_to_a_person() -> None:
    assert judge(attempt("layout", legibility=reading(0.2, built=True))).status == "needs_review"


@pytest.mark.parametrize("engine", ["sd3.5_medium", "imagen4_ultra", "dalle3_hd"])
def test_words_no_reader_covers_are_never_escalated_nor_paid_for(engine: str) -> None:
    verdict = judge(attempt(engine, legibility=reading(None, seen=False)))
    assert (verdict.action, verdict.status) == ("person", "needs_review")


def test_a_refused_prompt_goes_to_the_successor_and_then_ends_refused() -> None:
    refused = attempt("imagen4_remote", outcome="refused", reason="policy")
    assert judge(refused).action == "escalate"
    both = judge(refused, attempt("imagen4_ultra", outcome="refused", reason="policy"))
    assert (both.action, both.status) == ("stop", "refused")


def test_an_engine_that_failed_hands_over_to_its_successor_then_to_type() -> None:
    failed = attempt("imagen4_remote", outcome="failed", reason="503")
    assert judge(failed).engine == "imagen4_ultra"
    assert judge(failed, attempt("imagen4_ultra", outcome="failed", reason="503")).action == "compose"


def test_a_deadline_that_passed_keeps_the_best_picture_there_is() -> None:
    late = attempt("imagen4_remote", outcome="expired", reason="deadline")
    assert judge(late).status == "expired"
    assert judge(attempt("sd3.5_medium", 0.5), late).status == "best_effort"


def test_cancelled_stays_cancelled() -> None:
    assert (
        judge(attempt("sd3.5_medium", 0.5), attempt("sd3.5_medium", outcome="cancelled")).status
        == "cancelled"
    )


def test_local_first_polishes_winners_and_composes_losers_without_paying() -> None:
    winner = judge(attempt("sd3.5_medium", 0.95), policy=LOCAL_FIRST)
    assert (winner.action, winner.engine, winner.purpose) == ("polish", "imagen4_remote", "polish")
    polished = judge(
        attempt("sd3.5_medium", 0.95), attempt("imagen4_remote", 0.95, purpose="polish"), policy=LOCAL_FIRST
    )
    assert polished.status == "accepted"
    assert judge(attempt("sd3.5_medium", 0.1), policy=LOCAL_FIRST).action == "compose"


@pytest.mark.parametrize(
    "polish",
    [{"outcome": "refused"}, {"outcome": "failed"}, {"outcome": "expired"}, {"score": 0.8}],
    ids=["refused", "failed", "expired", "misspelt"],
)
def test_a_polish_that_fails_takes_nothing_from_the_winner(polish: dict[str, Any]) -> None:
    winner = attempt("sd3.5_medium", 0.97)
    verdict = judge(winner, attempt("imagen4_remote", purpose="polish", **polish), policy=LOCAL_FIRST)
    assert (verdict.action, verdict.status) == ("stop", "accepted")


def test_a_winner_whose_polish_the_budget_forbids_is_accepted_as_it_is() -> None:
    verdict = judge(attempt("sd3.5_medium", 0.95), policy=LOCAL_FIRST, price=0.1, budget_usd=0.05)
    assert verdict.status == "accepted"


def test_the_best_attempt_is_exact_first_then_the_highest_score_then_the_latest() -> None:
    inexact = attempt("a", legibility=reading(0.99, exact=False), ordinal=0)
    low, high, later = (attempt("b", score, ordinal=n) for n, score in ((1, 0.3), (2, 0.6), (3, 0.6)))
    assert best_attempt([inexact, low, high, later]) is later
    assert best_attempt([attempt("c", outcome="failed")]) is None


OUTCOMES = [
    {"score": 0.0},
    {"score": 0.6},
    {"score": 0.95},
    {"outcome": "refused"},
    {"outcome": "failed"},
    {"legibility": reading(None, seen=False)},
]


@pytest.mark.parametrize("policy", POLICIES.values(), ids=lambda policy: policy.name)
@pytest.mark.parametrize("start", ["sd3.5_medium", "imagen4_remote", "imagen4_ultra", "dalle3_hd", "layout"])
@pytest.mark.parametrize("budget", [None, 0.0, 0.05])
def test_every_chain_of_outcomes_ends_in_a_status(policy: Policy, start: str, budget: float | None) -> None:
    """All outcome sequences: whatever the engines do, a final comes within the policy's attempts."""
    for outcomes in itertools.product(OUTCOMES, repeat=4):
        engine, purpose, attempts = start, None, []
        for outcome in itertools.chain(outcomes, itertools.repeat(OUTCOMES[0])):
            made = attempt(engine, usd=0.04, **outcome, **({"purpose": purpose} if purpose else {}))
            attempts.append(made)
            verdict = judge(*attempts, policy=policy, price=0.04, budget_usd=budget)
            if verdict.status is not None:
                break
            engine, purpose = verdict.engine, verdict.purpose
            assert len(attempts) <= policy.attempts
        if verdict.status in ("accepted", "needs_review", "best_effort"):
            assert best_attempt(attempts) is not None


def test_hosted_first_escalates_like_hybrid() -> None:
    assert judge(attempt("dalle3_hd", 0.2), policy=HOSTED_FIRST).engine == "imagen4_ultra"
