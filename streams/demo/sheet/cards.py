"""What the contact sheet says of each final, before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

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
    """One picture of a card with its words; `image` is None where there is none to show.

    `label` says which picture it is; empty where the first was the final.
    """

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
    status: str
    route: str
    reason: str
    sides: tuple[Side, ...]
    foot: str


def cards(prompts: Sequence[PromptEvent], finals: Sequence[Result]) -> Iterator[Card]:
    """In the order of the prompts, variants in theirs."""
    for prompt in prompts:
        own = [final for final in finals if (final.ref.source, final.ref.id) == (prompt.source, prompt.id)]
        for final in sorted(own, key=lambda final: final.ref.variant):
            yield _card(final, _which(prompt, final))


def _which(prompt: PromptEvent, final: Result) -> str:
    """What tells one final of a prompt from its others: locale, the variant's letter, both, or nothing."""
    parts = [final.locale] if len(prompt.locales) > 1 else []
    if prompt.variants > 1:
        number = final.ref.variant % prompt.variants
        parts.append(ascii_uppercase[number] if number < len(ascii_uppercase) else str(number))
    return " ".join(parts)


def _card(final: Result, which: str) -> Card:
    return Card(
        title=f"{final.ref.id} · {which}" if which else final.ref.id,
        status=str(final.status).replace("_", " "),
        route=final.route or "no route",
        reason=final.reason,
        sides=_sides(final),
        foot=_foot(final),
    )


def _sides(final: Result) -> tuple[Side, ...]:
    first, shown = first_attempt(final), shown_attempt(final)
    if first is None:
        return (_side("no picture", shown, final.locale),)
    if first.ordinal == shown.ordinal:
        return (_side("", first, final.locale),)
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
    spent = "< $0.001" if final.usd < 0.001 else f"${final.usd:.3f}"
    parts = [f"{count} attempt{'' if count == 1 else 's'}", f"{final.seconds:.1f} s", spent]
    if any(attempt.emulated for attempt in final.attempts):
        parts.append("emulated")
    return " · ".join(parts)
