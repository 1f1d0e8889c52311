"""The prompt an engine is sent: hosted models see nothing of a job but its prompt."""

from __future__ import annotations

import unicodedata

from inference.legibility.expected import expected_texts
from schemas.events import Spec

QUOTES = (('"', '"'), ("“", "”"), ("«", "»"), ("「", "」"), ("『", "』"))


def prompt_for(spec: Spec) -> str:
    """`spec.prompt` with every expected text in quotes; those it lacks are appended in order.

    Applying it twice changes nothing more.
    """
    named = {_folded(text.text) for text in expected_texts(spec.prompt, ())}
    lacking = [
        _in_quotes(text.text)
        for text in spec.texts
        if _folded(text.text) not in named and _in_quotes(text.text) not in spec.prompt
    ]
    if not lacking:
        return spec.prompt
    return (
        f"{spec.prompt.rstrip()}\nSet in the picture, large and clear: {', '.join(dict.fromkeys(lacking))}."
    )


def _in_quotes(text: str) -> str:
    free = (pair for pair in QUOTES if pair[0] not in text and pair[1] not in text)
    opening, closing = next(free, QUOTES[0])
    return f"{opening}{' '.join(text.split())}{closing}"


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split())).casefold()
