"""Engines with scripted error rates, end to end: the intervals hold the true rates."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import pytest

from inference.bench.figures import Estimate
from inference.bench.running import run
from schemas.events import Spec
from tests.inference.bench.scripted import PixelReader, Script, picture_of, posters, setup_of

RUNS = 100
ENOUGH = 90
PROMPTS = 10
SAMPLES = 2
RIGHT, SPOILT = "OPEN LATE", "OPEN LAXE"


def spoiling(rate: float, number: int, alike: float) -> Script:
    """Spoils a share `rate` of all pictures.

    Where `alike` is above 0 prompts differ: each has its own rate, from a beta distribution of mean `rate`,
    and `alike` is the correlation of two pictures of one prompt.
    """

    def draw(spec: Spec) -> Sequence[str]:
        own = rate
        if alike:
            shape = 1 / alike - 1
            own = Random(f"{number} {spec.prompt}").betavariate(rate * shape, (1 - rate) * shape)
        spoilt = Random(f"{number} {spec.prompt} {spec.seed}").random() < own
        return [SPOILT if spoilt else RIGHT]

    return draw


async def estimates(rate: float, alike: float, number: int) -> tuple[Estimate | None, Estimate | None]:
    """Accepted and legibility of one run."""
    script = spoiling(rate, number, alike)
    setup = setup_of(
        {"pen": script}, posters(PROMPTS, RIGHT), samples=SAMPLES, seed=number, warm_up=0, rounds=10
    )
    figures = (await run(setup)).report.engines[0].figures
    return figures.accepted, figures.legibility


async def score_when_spoilt() -> float:
    """The reader sees the true words of every picture, so a spoilt one has one score."""
    setup = setup_of({"pen": lambda _: [SPOILT]}, posters(1, RIGHT), samples=1, warm_up=0, rounds=10)
    score = (await run(setup)).details[0].sample.score
    assert score is not None
    return score


def holds(found: Estimate | None, truth: float) -> bool:
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    return found.low <= truth <= found.high


@pytest.mark.parametrize(
    ("rate", "alike"), [(0.38, 0.0), (0.09, 0.0), (0.38, 0.3)], ids=["62%", "91%", "62%, prompts differ"]
)
async def test_the_true_rate_is_within_the_interval_in_90_of_100_runs(rate: float, alike: float) -> None:
    spoilt = await score_when_spoilt()
    found = await asyncio.gather(*(estimates(rate, alike, number) for number in range(RUNS)))
    accepted = sum(holds(accepted, 1 - rate) for accepted, _ in found)
    legible = sum(holds(legibility, 1 - rate * (1 - spoilt)) for _, legibility in found)
    assert (accepted >= ENOUGH, legible >= ENOUGH) == (True, True), (accepted, legible)


async def test_the_scripted_reader_reads_what_was_drawn() -> None:
    (lines,) = (await PixelReader().read(picture_of([RIGHT, "10% OFF"]))).values()
    assert [line.text for line in lines] == [RIGHT, "10% OFF"]
