"""Why a step was taken, in words and numbers: what was believed, what each step costs, what was chosen."""

from __future__ import annotations

from collections.abc import Iterator

from streams.routing.expected.deciding import Decision, Question, Ranked, Rate
from streams.routing.expected.exploring import Purse
from streams.routing.expected.policyfile import ExpectedPolicy


def lines(policy: ExpectedPolicy, question: Question, decision: Decision, purse: Purse) -> tuple[str, ...]:
    """One decision for a person. Rates are of pictures that pass; costs go to the accepted image."""
    return tuple(_lines(policy, question, decision, purse))


def mapping(
    policy: ExpectedPolicy, question: Question, decision: Decision, purse: Purse
) -> dict[str, object]:
    """The same for a machine."""
    features = question.features
    return {
        "policy": policy.label,
        "features": {
            "regions": features.regions,
            "characters": features.characters,
            "latin": features.latin,
            "critical_digits": features.critical_digits,
            "tags": sorted(features.tags),
            "readable": features.readable,
            "bucket": features.bucket.key,
        },
        "tries": [{"engine": tried.engine, "ending": tried.ending} for tried in question.tries],
        "belief_plain": decision.belief,
        "rates": [_rate(rate) for rate in decision.rates],
        "steps": [
            {
                "step": ranked.step,
                "engine": ranked.engine,
                "expected_usd": ranked.expected_usd,
                "passes_now": ranked.passing,
            }
            for ranked in decision.ranked
        ],
        "chosen": {"step": decision.step, "engine": decision.engine, "expected_usd": decision.expected_usd},
        "explored": decision.explored,
        "instead_of": decision.instead,
        "exploration": {
            "share": purse.share,
            "spent_usd": purse.spent,
            "explored_usd": purse.explored,
            "left_usd": purse.left,
        },
    }


def _rate(rate: Rate) -> dict[str, object]:
    low, high = rate.posterior.interval()
    return {
        "engine": rate.engine,
        "prior": rate.prior,
        "posterior": rate.posterior.mean,
        "low": low,
        "high": high,
        "worth_results": rate.posterior.weight,
        "this_prompt": rate.here,
    }


def _lines(policy: ExpectedPolicy, question: Question, decision: Decision, purse: Purse) -> Iterator[str]:
    features = question.features
    yield (
        f"policy {policy.label}: {features.regions} texts, {features.characters} characters; "
        f"bucket {features.bucket}"
    )
    if not features.readable:
        yield "no reader knows every script of these texts: a drawn picture could not be judged"
    for number, tried in enumerate(question.tries, 1):
        yield f"picture {number}: {tried.engine} {_ENDINGS[tried.ending]}"
    if question.tries:
        yield f"a plain prompt with chance {decision.belief:.0%}, where one of two is"
    yield from _rate_lines(decision.rates)
    for ranked in decision.ranked:
        yield f"  {_step(ranked):<34}  ${ranked.expected_usd:.4f} {_to(ranked)}"
    yield f"=> {decision.step} {decision.engine}".rstrip() + _why(decision, purse)


_ENDINGS = {
    "pass": "passed",
    "near": "nearly passed",
    "far": "was far off",
    "refused": "was refused",
    "failed": "did not come",
}


def _rate_lines(rates: tuple[Rate, ...]) -> Iterator[str]:
    for rate in rates:
        low, high = rate.posterior.interval()
        yield (
            f"  {rate.engine:<24}  published {rate.prior:.2f}, now {rate.posterior.mean:.2f} "
            f"({low:.2f} to {high:.2f}), for this prompt {rate.here:.2f}"
        )


def _step(ranked: Ranked) -> str:
    return f"{ranked.step} {ranked.engine}".rstrip()


def _to(ranked: Ranked) -> str:
    return "for the risk that it is wrong" if ranked.step == "accept" else "to an accepted image, on average"


def _why(decision: Decision, purse: Purse) -> str:
    if not decision.explored:
        return f": the least of them; ${purse.left:.4f} are left to explore"
    return (
        f": to learn, instead of {decision.instead}; its ${decision.usd:.4f} fit into the "
        f"${purse.left:.4f} left of {purse.share:.0%} of all spending"
    )
