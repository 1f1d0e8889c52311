"""What a prompt must keep to beyond its single fields: sums, pairs, and words that can be drawn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from schemas.events import PromptEvent, Text
from schemas.faults import Fault, shown

MOST_FINALS: Final = 1_000
MOST_PIXELS: Final = 3840 * 2160
DEADLINE_YEARS: Final = range(2020, 2200)

# Tab, line feed and carriage return are ordinary in prose; the rest breaks fonts, headers and databases.
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def prompt_faults(event: PromptEvent, path: str = "") -> list[Fault]:
    """Everything wrong with a prompt whose fields are each within their bounds; empty when it is sound.

    `path` goes before every field's name: `data.` inside a structured envelope.
    """
    faults = [] if _looks_sound(event) else [*_unprintable(event)]
    if event.variants > 1 or event.locales:
        faults += _fan_out(event)
    if event.locales or event.texts:
        faults += _locales(event)
    if event.width * event.height > MOST_PIXELS:
        faults.append(
            Fault(
                "width",
                f"width x height must be at most {MOST_PIXELS} pixels (3840 x 2160)",
                f"{event.width} x {event.height} = {event.width * event.height}",
                "make the picture smaller; print sizes come from the vector asset",
            )
        )
    if event.deadline is not None and event.deadline.year not in DEADLINE_YEARS:
        faults.append(
            Fault(
                "deadline",
                f"must lie in the years {DEADLINE_YEARS.start} to {DEADLINE_YEARS.stop - 1}",
                event.deadline.isoformat(),
                "send the moment after which the picture is of no use, or leave it out",
            )
        )
    return [replace(fault, field=f"{path}{fault.field}") for fault in faults] if path else faults


def language_tag(locale: str) -> str:
    """The form in which two locales are the same: `PT_br` and `pt-BR` are one."""
    return locale.replace("_", "-").lower()


def _fan_out(event: PromptEvent) -> Iterator[Fault]:
    finals = event.variants * max(1, len(event.locales))
    if finals > MOST_FINALS:
        yield Fault(
            "variants",
            f"variants x locales must be at most {MOST_FINALS}",
            f"{event.variants} x {max(1, len(event.locales))} = {finals}",
            "split it into several prompts with ids of their own",
        )


def _locales(event: PromptEvent) -> Iterator[Fault]:
    wanted = set() if event.locales else {language_tag(event.locale)}
    for index, locale in enumerate(event.locales):
        tag = language_tag(locale)
        if tag in wanted:
            yield Fault(
                f"locales[{index}]",
                "is listed twice",
                shown(locale),
                "list it once and raise `variants` for more pictures of it",
            )
        wanted.add(tag)
    if not event.texts:
        return
    given = {language_tag(text.locale) for text in event.texts if text.locale is not None}
    for index, text in enumerate(event.texts):
        if text.locale is not None and language_tag(text.locale) not in wanted:
            yield Fault(
                f"texts[{index}].locale",
                f"is not among {_asked(event)}, so these words would never be drawn",
                shown(text.locale),
                "add it to `locales`, or leave the text's locale out",
            )
    if event.locales and all(text.locale is not None for text in event.texts):
        for index, locale in enumerate(event.locales):
            if language_tag(locale) not in given:
                yield Fault(
                    f"locales[{index}]",
                    "has no texts, while the other locales do",
                    shown(locale),
                    f"add texts with locale {shown(locale)}, or texts without a locale",
                )


def _asked(event: PromptEvent) -> str:
    return "`locales`" if event.locales else f"`locales` (by default {[event.locale]})"


def _looks_sound(event: PromptEvent) -> bool:
    """Whether a glance is enough: `isprintable` is stricter than we are, and ten times faster."""
    words = [event.id, event.source, event.campaign, event.prompt, event.negative_prompt, event.locale]
    words += event.locales
    words += event.tags
    for text in event.texts:
        if text.text.isspace():
            return False
        words += (text.text, text.locale or "")
    return not event.prompt.isspace() and "".join(words).isprintable()


def _unprintable(event: PromptEvent) -> Iterator[Fault]:
    for field, value in (("id", event.id), ("source", event.source), ("campaign", event.campaign)):
        yield from _one_line(field, value)
    yield from _prose("prompt", event.prompt)
    if event.negative_prompt:
        yield from _prose("negative_prompt", event.negative_prompt, blank=True)
    for index, text in enumerate(event.texts):
        yield from _text(index, text)
    yield from _one_line("locale", event.locale)
    for index, locale in enumerate(event.locales):
        yield from _one_line(f"locales[{index}]", locale)
    for index, tag in enumerate(event.tags):
        yield from _one_line(f"tags[{index}]", tag)


def _text(index: int, text: Text) -> Iterator[Fault]:
    yield from _prose(f"texts[{index}].text", text.text)
    if text.locale is not None:
        yield from _one_line(f"texts[{index}].locale", text.locale)


def _one_line(field: str, value: str) -> Iterator[Fault]:
    if _CONTROL.search(value):
        yield Fault(field, "must be one line without control characters", shown(value), "remove them")


def _prose(field: str, value: str, *, blank: bool = False) -> Iterator[Fault]:
    if _UNPRINTABLE.search(value):
        yield Fault(
            field, "must hold no control characters but tab and line breaks", shown(value), "remove them"
        )
    if not blank and not value.strip():
        yield Fault(field, "is blank", shown(value), "write something in it, or leave the entry out")
