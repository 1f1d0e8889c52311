"""The tiny model's three text encoders, of SD3's classes, and the one way their outputs are joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, T5Config, T5EncoderModel

from inference.sd3.tiny.spelling import CLIP_TOKENS, T5_TOKENS, clip_tokenizer, t5_tokenizer

JOINT_WIDTH: Final = 128
POOLED_WIDTH: Final = 128
_CLIP_WIDTH: Final = 64


class Encoded(NamedTuple):
    """`joint` (count, 16 + 36, 128): CLIP's tokens, then T5's; `pooled` (count, 128)."""

    joint: Tensor
    pooled: Tensor


class TextEncoders(nn.Module):
    """Tokenizers and encoders; `forward` gives what `StableDiffusion3Pipeline.encode_prompt` would."""

    def __init__(self) -> None:
        super().__init__()
        self.clip_tokenizer = clip_tokenizer()
        self.t5_tokenizer = t5_tokenizer()
        self.clip_1 = _clip(self.clip_tokenizer.eos_token_id, len(self.clip_tokenizer), "quick_gelu")
        self.clip_2 = _clip(self.clip_tokenizer.eos_token_id, len(self.clip_tokenizer), "gelu")
        self.t5 = _t5(len(self.t5_tokenizer))

    def tokens(self, prompts: Sequence[str], t5_tokens: int = T5_TOKENS) -> tuple[Tensor, Tensor]:
        """CLIP's (count, 16) and T5's (count, `t5_tokens`) token ids, padded and cut as the pipeline does."""
        clip = self.clip_tokenizer(
            list(prompts), padding="max_length", max_length=CLIP_TOKENS, truncation=True, return_tensors="pt"
        )
        t5 = self.t5_tokenizer(
            list(prompts), padding="max_length", max_length=t5_tokens, truncation=True, return_tensors="pt"
        )
        return clip.input_ids, t5.input_ids

    def forward(self, clip_ids: Tensor, t5_ids: Tensor, spelled: Tensor | None = None) -> Encoded:
        """Encodes token ids; padding is attended, as in SD3.

        Where `spelled` (count,) is false T5's part is zeros: what the pipeline has when no T5 is loaded.
        """
        first = self.clip_1(clip_ids, output_hidden_states=True)
        second = self.clip_2(clip_ids, output_hidden_states=True)
        clip = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        clip = functional.pad(clip, (0, JOINT_WIDTH - clip.shape[-1]))
        t5 = self.t5(t5_ids)[0]
        if spelled is not None:
            t5 = t5 * spelled[:, None, None]
        pooled = torch.cat([first.text_embeds, second.text_embeds], dim=-1)
        return Encoded(torch.cat([clip.to(t5.dtype), t5], dim=-2), pooled)

    def encode(self, prompts: Sequence[str]) -> Encoded:
        """Tokenizes and encodes."""
        encoded: Encoded = self(*self.tokens(prompts))
        return encoded


def _clip(end: int, vocabulary: int, activation: str) -> CLIPTextModelWithProjection:
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=_CLIP_WIDTH,
            intermediate_size=4 * _CLIP_WIDTH,
            projection_dim=POOLED_WIDTH // 2,
            num_hidden_layers=3,
            num_attention_heads=2,
            max_position_embeddings=CLIP_TOKENS,
            hidden_act=activation,
            bos_token_id=end - 1,
            eos_token_id=end,
            pad_token_id=end,
        )
    )


def _t5(vocabulary: int) -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(
            vocab_size=vocabulary,
            d_model=JOINT_WIDTH,
            d_kv=32,
            d_ff=320,
            num_layers=3,
            num_heads=4,
            # Every distance to 16 has a bucket of its own: letters are counted from their quotation mark.
            relative_attention_num_buckets=64,
            relative_attention_max_distance=64,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            pad_token_id=0,
            eos_token_id=1,
        )
    )
