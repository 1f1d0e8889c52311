"""Reviews joined with results: people beside each other, and beside the automatic acceptance."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.legibility.acceptance import DEFAULT, Acceptance
from inference.reviews.automatic import Automatic, automatic, judged
from inference.reviews.people import People, people
from inference.reviews.pictures import Picture, last_words, opinions
from schemas.events import Review

# Of thousands of pictures a person waits seconds; the ends move by less than a tenth of the interval's width.
ROUNDS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Reviewer:
    """One person's last words. `median_seconds` is over judgements whose time was taken."""

    name: str
    pictures: int
    blind: int
    readable: int
    unreadable: int
    median_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`unknown` counts judged renders that no result names; `undecided` those whose `readable` is a tie or
    was not said; `unread` those on which no reader has a verdict. `automatic` is None where nothing is left.
    """

    reviews: int
    last_words: int
    pictures: int
    prompts: int
    emulated: int
    unknown: int
    undecided: int
    unread: int
    reviewers: tuple[Reviewer, ...]
    people: People
    automatic: Automatic | None


def compare(
    pictures: Mapping[str, Picture],
    reviews: Sequence[Review],
    random: np.random.Generator,
    *,
    acceptance: Acceptance = DEFAULT,
    rounds: int = ROUNDS,
) -> Comparison:
    """Compares `reviews`, given in the order they were written, with `pictures` by their render id.

    Each reviewer's last word on a picture counts, and most people's word on it is people's; a tie is none.
    Each picture counts once. Intervals are over prompts.
    """
    words = last_words(reviews)
    said = opinions(pictures, words)
    both = judged(said, acceptance)
    shown = [opinion.picture for opinion in said]
    return Comparison(
        reviews=len({review.id for review in reviews}),
        last_words=len(words),
        pictures=len(said),
        prompts=len({(picture.ref.source, picture.ref.id) for picture in shown}),
        emulated=sum(picture.emulated for picture in shown),
        unknown=len({review.render_id for review in words} - set(pictures)),
        undecided=sum(opinion.readable is None for opinion in said),
        unread=sum(picture.accepted(acceptance) is None for picture in shown),
        reviewers=tuple(_reviewer(name, words) for name in sorted({review.reviewer for review in words})),
        people=people(said, random, rounds=rounds),
        automatic=automatic(both, acceptance, random, rounds=rounds) if both else None,
    )


def _reviewer(name: str, words: Sequence[Review]) -> Reviewer:
    own = [review for review in words if review.reviewer == name]
    times = [review.milliseconds / 1_000 for review in own if review.milliseconds]
    return Reviewer(
        name=name,
        pictures=len(own),
        blind=sum(review.seen_blind for review in own),
        readable=sum(review.readable is True for review in own),
        unreadable=sum(review.readable is False for review in own),
        median_seconds=statistics.median(times) if times else None,
    )
