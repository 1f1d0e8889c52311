"""Which pictures a reviewer is shown, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from inference.reviews.pictures import Picture
from schemas.ids import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Empty `statuses` and `engines` take all. `sample` is how many are picked before what was judged is left
    out, so a sample that was broken off goes on, and everybody who names the same seed gets the same one.
    """

    reviewer: str
    previews: bool = False
    statuses: frozenset[str] = frozenset()
    engines: frozenset[str] = frozenset()
    sample: int | None = None
    seed: int = 0
    again: bool = False

    def takes(self, picture: Picture) -> bool:
        return (
            (self.previews or picture.final)
            and (not self.statuses or picture.status in self.statuses)
            and (not self.engines or picture.engine in self.engines)
        )


@dataclass(frozen=True, slots=True)
class Picked:
    """`judged` is how many of those wanted are left out because this reviewer judged them before."""

    pictures: tuple[Picture, ...]
    judged: int


def pick(pictures: Iterable[Picture], turns: Mapping[str, int], choice: Choice) -> Picked:
    """Picks by the choice and shuffles by its seed, for each reviewer in another way.

    `turns` holds how often the reviewer judged a render. A picture's place depends on its own id, so new
    results change neither the order nor, much, the sample.
    """
    wanted = [picture for picture in pictures if choice.takes(picture)]
    if choice.sample is not None:
        wanted.sort(key=lambda picture: digest("sample", choice.seed, picture.render_id))
        wanted = wanted[: choice.sample]
    left = [picture for picture in wanted if choice.again or not turns.get(picture.render_id)]
    left.sort(key=lambda picture: digest("order", choice.seed, choice.reviewer, picture.render_id))
    return Picked(tuple(left), len(wanted) - len(left))
