"""Tokenizers of SD3's three classes, built from the tiny grammar so that a title costs one T5 token a letter.

CLIP's lower-cases and is cut after 16 tokens: it carries the style. T5's keeps capitals, and its pieces are
the grammar's words in lower case and single characters: it carries the spelling.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from tokenizers import pre_tokenizers
from transformers import CLIPTokenizer, T5Tokenizer

from inference.sd3.tiny.words import COLOURS, FACES, GROUNDS, SHAPES

CLIP_TOKENS: Final = 16
T5_TOKENS: Final = 36

_FRAME: Final = ("a", "an", "on", "title", "below")
_PRINTABLE: Final = "".join(map(chr, range(33, 127)))
_START: Final = "<|startoftext|>"
_END: Final = "<|endoftext|>"
_WORD_END: Final = "</w>"


def clip_tokenizer() -> CLIPTokenizer:
    """Byte-level BPE in which every word of the grammar is one token, and all else falls into bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    characters = [*alphabet, *(f"{each}{_WORD_END}" for each in alphabet)]
    # Transformers declares strings here; its backend takes pairs.
    merges: Any = _merges(_words(), characters)
    pieces = [*characters, *(left + right for left, right in merges)]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys([*pieces, _START, _END]))}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=CLIP_TOKENS)


def t5_tokenizer() -> T5Tokenizer:
    """Unigram over the grammar's words and single characters; a word beats its letters."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    space = [("▁", -2.0), ('▁"', -2.0)]
    words = [(f"▁{word}", -1.0) for word in _words()]
    characters = [(character, -4.0) for character in _PRINTABLE]
    return T5Tokenizer(vocab=[*special, *space, *words, *characters], extra_ids=0, model_max_length=T5_TOKENS)


def _words() -> list[str]:
    grounds = itertools.chain.from_iterable(ground.split() for ground in GROUNDS)
    return sorted({*_FRAME, *COLOURS, *grounds, *SHAPES, *FACES})


def _merges(words: Sequence[str], pieces: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs joined, the most frequent first, until every word is one piece (Sennrich et al. 2016).

    Of equals that of the earliest pieces is first. The trainer of `tokenizers` leaves that to the order of a
    hash map, so that two processes give a piece two numbers.
    """
    numbers = {piece: number for number, piece in enumerate(pieces)}
    spelled = [[*word[:-1], word[-1] + _WORD_END] for word in words]
    merges: list[tuple[str, str]] = []
    while counts := Counter(pair for word in spelled for pair in itertools.pairwise(word)):
        joined = min(counts, key=lambda pair: (-counts[pair], *(numbers[piece] for piece in pair)))
        merges.append(joined)
        numbers.setdefault("".join(joined), len(numbers))
        spelled = [_joined(word, joined) for word in spelled]
    return merges


def _joined(word: list[str], pair: tuple[str, str]) -> list[str]:
    found: list[str] = []
    for piece in word:
        if found and (found[-1], piece) == pair:
            found[-1] += piece
        else:
            found.append(piece)
    return found
