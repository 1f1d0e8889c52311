"""The composed posters of the check, fixed by `prompts/ai_posters.txt` and this file before a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path

from inference.legibility.folding import readable
from inference.typography.compose import Poster, compose
from inference.typography.styles import STYLES
from schemas.events import PromptEvent, Spec
from streams.commands.documents import check, read_documents
from streams.routing.fanout import specs

PROMPTS = Path(__file__).parents[2] / "prompts" / "ai_posters.txt"
CLEAN = 300
OUTSIDE_LOOKS = 2
UNREAD_LOCALES = ("ru", "uk", "bg", "ar", "fa", "he", "hi", "th", "ko")
# Sides that the prompts themselves ask for: portrait, square, landscape, small and large.
SIZES = ((512, 768), (1024, 1024), (1216, 832), (832, 1216), (1024, 576), (640, 640))


@dataclass(frozen=True, slots=True)
class Composed:
    """One poster of the list: what is to be set, in which style (None: the prompt picks)."""

    event: PromptEvent
    spec: Spec
    style: str | None

    def poster(self) -> Poster:
        """Drawn, the same bytes each time.

        Raises:
            CannotSet: a text does not fit the size.
        """
        return compose(self.spec, style=self.style)


def events() -> tuple[PromptEvent, ...]:
    return tuple(placed.event for placed in check(read_documents(PROMPTS)).prompts)


def is_declared(event: PromptEvent) -> bool:
    """Whether the prompt is in Latin, Greek, Chinese or Japanese."""
    return event.locale not in UNREAD_LOCALES


def is_covered(event: PromptEvent, alphabet: frozenset[str]) -> bool:
    return all(readable(text.text, alphabet) for text in event.texts)


def clean_list(alphabet: frozenset[str]) -> list[Composed]:
    """300 posters within the alphabet: each prompt as it asks to be, then in other styles and sizes."""
    covered = [event for event in events() if is_declared(event) and is_covered(event, alphabet)]
    return list(islice(_looks(covered), CLEAN))


def outside_list(alphabet: frozenset[str]) -> list[Composed]:
    """The prompts with a text that the reader cannot be asked for, each in two looks."""
    unread = [event for event in events() if not is_covered(event, alphabet)]
    return list(islice(_looks(unread), OUTSIDE_LOOKS * len(unread)))


def _looks(chosen: Sequence[PromptEvent]) -> Iterator[Composed]:
    """Round after round over the prompts: as asked, then by turns in every style and size."""
    styles = list(STYLES)
    for round_ in count():
        for place, event in enumerate(chosen):
            spec = next(spec for _, spec in specs(event))
            if not round_:
                yield Composed(event, spec, None)
                continue
            width, height = SIZES[(place + round_) % len(SIZES)]
            other = replace(spec, width=width, height=height, seed=spec.seed + round_)
            yield Composed(event, other, styles[(place + 5 * round_) % len(styles)])
