"""How long a prompt is, counted one way for every engine, and what of it an engine reads."""

from __future__ import annotations

from typing import Final

import regex

from inference.engines.base import Unsupported

# Where byte-pair tokenizers cut before they merge: words, up to three digits, marks. Scripts that are
# written without spaces go letter by letter.
_LETTER: Final = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_PIECE: Final = regex.compile(
    rf"(?P<latin>[\p{{Latin}}\p{{Mn}}]+)|{_LETTER}|(?P<other>(?:(?!{_LETTER}|\p{{Latin}})[\p{{L}}\p{{M}}])+)"
    r"|\p{N}{1,3}|[^\s\p{L}\p{M}\p{N}]"
)
# Vocabularies are made of Latin texts first of all.
_LETTERS_A_TOKEN: Final = {"latin": 6, "other": 2}


def tokens_in(prompt: str) -> int:
    """Our own count of a prompt's tokens: a word has one for every six Latin letters begun, or two others.

    Few providers say how they cut a text. This count is the same for all engines, so that prompts can be
    compared; it is no provider's, and no bill is made of it.
    """
    return sum(
        -(-len(found[0]) // _LETTERS_A_TOKEN.get(found.lastgroup or "", len(found[0])))
        for found in _PIECE.finditer(prompt)
    )


def check_tokens(engine: str, prompt: str, most: int | None) -> str:
    """What is to be said of a prompt for a model that reads `most` tokens and cuts the rest without a word.

    Raises:
        Unsupported: it surely is too long: it has more words than that. The end, where the texts stand that
            a picture must show, would be lost.
    """
    if most is None:
        return ""
    words = len(prompt.split())
    if words > most:
        raise Unsupported(f"{engine}: prompt: at most {most} tokens; got {words} words; shorten it")
    count = tokens_in(prompt)
    if count <= most:
        return ""
    return (
        f"the prompt has about {count} tokens; {engine} reads {most}, and what is beyond them it did not read"
    )
