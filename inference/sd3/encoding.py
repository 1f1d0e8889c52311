"""What the text encoders make of a prompt, remembered for the next variant of it."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Final, NamedTuple

import torch
from diffusers import StableDiffusion3Pipeline
from torch import Tensor

_REMEMBERED: Final = 16
_log = logging.getLogger(__name__)


class Conditioning(NamedTuple):
    """What the transformer attends: `joint` (rows, CLIP's and T5's tokens, width), `pooled` (rows, width)."""

    joint: Tensor
    pooled: Tensor


class PromptEncoder:
    """Encodes as `StableDiffusion3Pipeline` does, text by text.

    The variants of a prompt differ only in their seeds, and most have no negative prompt: the last 16 texts
    are kept (3 MB each for SD3.5 in bfloat16).
    """

    def __init__(self, pipeline: StableDiffusion3Pipeline, t5_tokens: int) -> None:
        self._pipeline = pipeline
        self._t5_tokens = t5_tokens
        self._kept: OrderedDict[str, Conditioning] = OrderedDict()
        # It warns of every prompt that CLIP cuts, which is usual, and names the wrong words for T5.
        logging.getLogger(StableDiffusion3Pipeline.__module__).setLevel(logging.ERROR)

    def encode(self, prompt: str, negative_prompt: str | None) -> Conditioning:
        """One row, or the negative prompt's and then the prompt's where guidance needs both."""
        asked = self._text(prompt)
        if negative_prompt is None:
            return asked
        free = self._text(negative_prompt)
        return Conditioning(torch.cat([free.joint, asked.joint]), torch.cat([free.pooled, asked.pooled]))

    def _text(self, text: str) -> Conditioning:
        if text not in self._kept:
            self._tell_what_is_cut(text)
            joint, _, pooled, _ = self._pipeline.encode_prompt(
                prompt=text,
                prompt_2=None,
                prompt_3=None,
                do_classifier_free_guidance=False,
                max_sequence_length=self._t5_tokens,
            )
            self._kept[text] = Conditioning(joint, pooled)
            if len(self._kept) > _REMEMBERED:
                self._kept.popitem(last=False)
        self._kept.move_to_end(text)
        return self._kept[text]

    def _tell_what_is_cut(self, text: str) -> None:
        """Of the encoder that reads most: T5, or CLIP where there is no T5."""
        if self._pipeline.text_encoder_3 is not None:
            name, tokenizer, most = "T5", self._pipeline.tokenizer_3, self._t5_tokens
        else:
            name, tokenizer, most = "CLIP", self._pipeline.tokenizer, self._pipeline.tokenizer_max_length
        count = len(tokenizer(text, verbose=False).input_ids)
        if count > most:
            _log.warning(
                "%s reads %d of the prompt's %d tokens, its end is lost: %.60r", name, most, count, text
            )
