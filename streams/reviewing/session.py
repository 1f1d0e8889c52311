"""One person's way through the pictures: what was said of each, and what was shown of it before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from inference.reviews.pictures import Picture
from schemas.events import Review
from schemas.ids import digest

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the page sends. `turn` is how often the reviewer had judged the picture when it was shown."""

    turn: Annotated[int, Meta(ge=0)]
    score: Annotated[int, Meta(ge=1, le=5)]
    readable: bool | None
    comment: Annotated[str, Meta(max_length=2_000)] = ""
    milliseconds: Annotated[int, Meta(ge=0, le=DAY_MS)] = 0


class Superseded(Exception):
    """The picture was judged otherwise since the page showed it: in another window."""


class NotJudged(Exception):
    """What the line made of a picture is shown only to those who have judged it."""


@dataclass(slots=True)
class Place:
    """A picture and how far the reviewer is with it. `last` is the last review given in this session.

    `shown` says that this session has shown what the line made of it, `known` that an earlier one may have:
    after a judgement everybody may ask for it, and nobody writes down who did.
    """

    picture: Picture
    turn: int
    last: Review | None = None
    shown: bool = False
    known: bool = False


def review_id(render_id: str, reviewer: str, turn: int) -> str:
    """The id of a reviewer's n-th judgement of a render, counted from 0.

    A judgement sent again keeps its id; a changed mind is the next judgement, and the last one counts.
    """
    return digest("review", render_id, reviewer, turn)


def turns(reviews: Iterable[Review], reviewer: str) -> dict[str, int]:
    """How many judgements of each render `reviews` hold by this reviewer; one that was sent twice is one."""
    given: dict[str, set[str]] = {}
    for review in reviews:
        if review.reviewer == reviewer:
            given.setdefault(review.render_id, set()).add(review.id)
    return {render_id: len(ids) for render_id, ids in given.items()}


class Session:
    """Pictures by number, from 0. `write` returns when a review is safe; it may be called twice for one."""

    def __init__(
        self,
        reviewer: str,
        pictures: Sequence[Picture],
        turns: Mapping[str, int],
        write: Callable[[Review], Awaitable[None]],
        *,
        sighted: bool = False,
    ) -> None:
        self.reviewer = reviewer
        self.sighted = sighted
        self.places = [
            Place(each, turn := turns.get(each.render_id, 0), shown=sighted, known=turn > 0)
            for each in pictures
        ]
        self._write = write
        self._writing = asyncio.Lock()

    @property
    def judged(self) -> int:
        return sum(place.last is not None for place in self.places)

    def following(self, number: int) -> int | None:
        """The first picture after `number` that was not judged in this session."""
        ahead = range(number + 1, len(self.places))
        return next((each for each in ahead if self.places[each].last is None), None)

    async def judge(self, number: int, answer: Answer) -> Review:
        """Writes the review; the same answer again is the same review.

        Raises:
            Superseded: another answer was given for that turn.
            WriteFailed: the review may or may not have been written; the same answer may be sent again.
        """
        place = self.places[number]
        async with self._writing:
            if place.last is not None and answer.turn == place.turn - 1 and _same(answer, place.last):
                return place.last
            if answer.turn != place.turn:
                raise Superseded
            review = Review(
                id=review_id(place.picture.render_id, self.reviewer, place.turn),
                ref=place.picture.ref,
                render_id=place.picture.render_id,
                reviewer=self.reviewer,
                score=answer.score,
                readable=answer.readable,
                seen_blind=not (place.shown or place.known),
                milliseconds=answer.milliseconds,
                comment=answer.comment,
            )
            await self._write(review)
            place.last = review
            place.turn += 1
            return review

    def reveal(self, number: int) -> Picture:
        """The picture, all of it; from now on a judgement of it is no longer blind.

        Raises:
            NotJudged: it was not judged in this session.
        """
        place = self.places[number]
        if place.last is None and not self.sighted:
            raise NotJudged
        place.shown = True
        return place.picture


def _same(answer: Answer, review: Review) -> bool:
    return (answer.score, answer.readable, answer.comment) == (review.score, review.readable, review.comment)
