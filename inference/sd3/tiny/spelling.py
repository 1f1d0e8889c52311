"""Tokenizers of SD3's three classes, built from the tiny grammar so that a title costs one T5 token a letter.

CLIP's lower-cases and is cut after 16 tokens: it carries the style. T5's keeps capitals, and its pieces are
the grammar's words in lower case and single characters: it carries the spelling.
"""

from __future__ import annotations

import itertools
import json
from typing import Any, Final

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer, T5Tokenizer

from inference.sd3.tiny.words import COLOURS, FACES, GROUNDS, SHAPES

CLIP_TOKENS: Final = 16
T5_TOKENS: Final = 36

_FRAME: Final = ("a", "an", "on", "title", "below")
_PRINTABLE: Final = "".join(map(chr, range(33, 127)))
_START: Final = "<|startoftext|>"
_END: Final = "<|endoftext|>"


def clip_tokenizer() -> CLIPTokenizer:
    """Byte-level BPE in which every word of the grammar is one token, and all else falls into bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=4096,
        min_frequency=2,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    bpe.train_from_iterator([" ".join(_words())] * 2, trainer)
    # Transformers declares strings here; its backend takes pairs.
    merges: Any = [tuple(pair) for pair in _merges(bpe)]
    pieces = [*alphabet, *(f"{each}</w>" for each in alphabet)]
    pieces += [left + right for left, right in merges]
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


def _merges(bpe: Tokenizer) -> list[list[str]]:
    found: list[list[str]] = json.loads(bpe.to_str())["model"]["merges"]
    return found
