"""The pictures that people judge, as the line saw them, and what people said of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from inference.legibility.acceptance import Acceptance, verdict
from schemas.events import Asset, Legibility, PromptRef, Result, Review, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One render and what the line said of it; `status` is None where it was no final."""

    render_id: str
    ref: PromptRef
    image: Asset
    status: Status | None
    locale: str
    engine: str
    model: str
    emulated: bool
    legibility: Legibility | None
    usd: float
    reason: str

    @property
    def final(self) -> bool:
        return self.status is not None

    @property
    def score(self) -> float | None:
        return None if self.legibility is None else self.legibility.score

    def accepted(self, acceptance: Acceptance) -> bool | None:
        """The automatic verdict; None where no reader could judge all that is expected."""
        if self.legibility is None or self.legibility.score is None:
            return None
        return verdict(self.legibility, acceptance)


@dataclass(frozen=True, slots=True)
class Opinion:
    """A picture with each reviewer's last word on it; there is at least one."""

    picture: Picture
    reviews: tuple[Review, ...]

    @property
    def readable(self) -> bool | None:
        """What most people said who said anything; None at a tie."""
        said = [review.readable for review in self.reviews if review.readable is not None]
        yes = sum(said)
        return None if 2 * yes == len(said) else 2 * yes > len(said)

    @property
    def rating(self) -> float:
        """The mean of the scores from 1 to 5."""
        return sum(review.score for review in self.reviews) / len(self.reviews)


def picture_of(result: Result) -> Picture | None:
    """None where the result shows no picture that a review could name."""
    if result.pictures is None or not result.render_id:
        return None
    return Picture(
        render_id=result.render_id,
        ref=result.ref,
        image=result.pictures.image,
        status=result.status if result.final else None,
        locale=result.locale,
        engine=result.engine,
        model=result.model,
        emulated=result.emulated,
        legibility=result.legibility,
        usd=result.usd,
        reason=result.reason,
    )


def by_render(pictures: Iterable[Picture]) -> dict[str, Picture]:
    """One for each render: a final before a preview, else the later one."""
    found: dict[str, Picture] = {}
    for picture in pictures:
        held = found.get(picture.render_id)
        if held is None or picture.final or not held.final:
            found[picture.render_id] = picture
    return found


def last_words(reviews: Iterable[Review]) -> list[Review]:
    """Each reviewer's last review of each render; `reviews` come in the order they were written."""
    return list({(review.render_id, review.reviewer): review for review in reviews}.values())


def opinions(pictures: Mapping[str, Picture], words: Sequence[Review]) -> list[Opinion]:
    """What is said of each picture; what is said of others is left out."""
    said: dict[str, list[Review]] = {}
    for review in words:
        if review.render_id in pictures:
            said.setdefault(review.render_id, []).append(review)
    return [Opinion(pictures[render_id], tuple(each)) for render_id, each in said.items()]
