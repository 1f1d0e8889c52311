"""What the contact sheet says of each final, before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas.events import Asset, Attempt, PromptEvent, Result, TextVerdict
from streams.demo.figures import first_attempt, shown_attempt


@dataclass(frozen=True, slots=True)
class Word:
    """One expected text under a picture. `read` is what was read instead, where it was missed."""

    text: str
    verdict: TextVerdict
    read: str
    locale: str


@dataclass(frozen=True, slots=True)
class Side:
    """One picture of a card with its words; `image` is None where there is none to show."""

    label: str
    engine: str
    score: float | None
    emulated: bool
    image: Asset | None
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """One final: its first picture and its last, or the only one."""

    title: str
    detail: str
    status: str
    sides: tuple[Side, ...]
    foot: str


def cards(prompts: Sequence[PromptEvent], finals: Sequence[Result]) -> Iterator[Card]:
    """In the order of the prompts, variants in theirs."""
    for prompt in prompts:
        own = [final for final in finals if (final.ref.source, final.ref.id) == (prompt.source, prompt.id)]
        several = len(own) > 1
        for final in sorted(own, key=lambda final: final.ref.variant):
            yield _card(final, several=several)


def _card(final: Result, *, several: bool) -> Card:
    name = final.ref.id
    if several:
        name += f" · {final.locale or 'variant'} {final.ref.variant}"
    return Card(
        title=name,
        detail=f"{final.route or 'no route'} · {final.reason}",
        status=str(final.status).replace("_", " "),
        sides=_sides(final),
        foot=_foot(final),
    )


def _sides(final: Result) -> tuple[Side, ...]:
    first, shown = first_attempt(final), shown_attempt(final)
    if first is None:
        return (_side("no picture", shown, final.locale),)
    if first.ordinal == shown.ordinal:
        return (_side("first and final", first, final.locale),)
    return _side("first", first, final.locale), _side("final", shown, final.locale)


def _side(label: str, attempt: Attempt, locale: str) -> Side:
    reading = attempt.legibility
    words: tuple[Word, ...] = ()
    if reading is not None:
        words = tuple(Word(text.text, text.verdict, text.read, locale) for text in reading.texts)
    return Side(
        label=label,
        engine=attempt.engine or "no engine",
        score=reading.score if reading is not None else None,
        emulated=attempt.emulated,
        image=attempt.pictures.image if attempt.pictures is not None else None,
        words=words,
    )


def _foot(final: Result) -> str:
    count = len(final.attempts)
    tried = " → ".join(attempt.engine for attempt in final.attempts)
    drawn = "emulated" if any(attempt.emulated for attempt in final.attempts) else ""
    spent = f"${final.usd:.3f} list" if drawn else f"${final.usd:.5f}"
    parts = [f"{count} attempts: {tried}" if count > 1 else tried, f"{final.seconds:.1f} s", spent, drawn]
    return " · ".join(part for part in parts if part)
