"""From one prompt to one spec for each variant in each locale."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator

from inference.legibility.expected import expected_texts
from schemas.events import PromptEvent, Spec, Text
from schemas.ids import derived_seed


def specs(event: PromptEvent) -> Iterator[tuple[int, Spec]]:
    """(variant, spec) in a fixed order: the first locale's variants, then the next one's.

    Variant 0 keeps the seed that was asked for; every other one derives its own from it, or from
    source and id where none was given.
    """
    variant = 0
    for locale in event.locales or (event.locale,):
        texts = expected_texts(event.prompt, texts_for(event.texts, locale))
        for _ in range(event.variants):
            yield variant, _spec(event, locale, texts, variant)
            variant += 1


def texts_for(texts: tuple[Text, ...], locale: str) -> tuple[Text, ...]:
    """The texts of one locale, and those that name none; each then names its locale."""
    return tuple(
        text if text.locale else dataclasses.replace(text, locale=locale)
        for text in texts
        if text.locale is None or same_locale(text.locale, locale)
    )


def prompt_in(event: PromptEvent, locale: str) -> str:
    """The prompt with another locale's words replaced by this one's.

    An engine draws whatever the prompt quotes. The counterpart of a text is the one of the same role at
    the same place among its locale's texts; a text without one is left out.
    """
    if not event.locales:
        return event.prompt
    own = _by_role(text for text in event.texts if text.locale and same_locale(text.locale, locale))
    prompt = event.prompt
    for other in event.locales:
        if same_locale(other, locale):
            continue
        foreign = _by_role(text for text in event.texts if text.locale and same_locale(text.locale, other))
        for place, words in foreign.items():
            whole = re.compile(rf"(?<!\w){re.escape(words)}(?!\w)")
            prompt = whole.sub(own.get(place, "").replace("\\", r"\\"), prompt)
    return prompt


def _by_role(texts: Iterable[Text]) -> dict[tuple[str, int], str]:
    placed: dict[tuple[str, int], str] = {}
    for text in texts:
        place = sum(role == text.role for role, _ in placed)
        placed[text.role, place] = text.text
    return placed


def same_locale(a: str, b: str) -> bool:
    return a.replace("_", "-").lower() == b.replace("_", "-").lower()


def _spec(event: PromptEvent, locale: str, texts: tuple[Text, ...], variant: int) -> Spec:
    asked: object = event.seed if event.seed is not None else (event.source, event.id)
    seed = event.seed if event.seed is not None and variant == 0 else derived_seed(asked, variant)
    return Spec(
        prompt=prompt_in(event, locale),
        texts=texts,
        negative_prompt=event.negative_prompt,
        width=event.width,
        height=event.height,
        sampler=event.sampler,
        steps=event.steps,
        guidance=event.guidance,
        seed=seed,
        locale=locale,
        tags=event.tags,
    )
