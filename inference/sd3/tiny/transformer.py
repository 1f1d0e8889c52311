"""The tiny MMDiT-X, and training it on bands of posters: a band costs a quarter of a poster's tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from diffusers import SD3Transformer2DModel
from torch import Tensor, nn

from inference.sd3.tiny.encoders import JOINT_WIDTH, POOLED_WIDTH
from inference.sd3.tiny.latents import CHANNELS

SIDE: Final = 32
_PATCH: Final = 2
_POSITIONS: Final = 24
_HEADS: Final = 3
_HEAD_WIDTH: Final = 64


def tiny_transformer() -> SD3Transformer2DModel:
    """SD3.5 Medium's structure, 8.6 M parameters: q/k RMSNorm, and a second attention in the first half.

    Modulation and output start at zero (adaLN-Zero, Peebles and Xie 2023); diffusers leaves that open.
    """
    transformer = SD3Transformer2DModel(
        sample_size=SIDE,
        patch_size=_PATCH,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        num_layers=6,
        attention_head_dim=_HEAD_WIDTH,
        num_attention_heads=_HEADS,
        caption_projection_dim=_HEADS * _HEAD_WIDTH,
        joint_attention_dim=JOINT_WIDTH,
        pooled_projection_dim=POOLED_WIDTH,
        pos_embed_max_size=_POSITIONS,
        dual_attention_layers=(0, 1, 2),
        qk_norm="rms_norm",
    )
    for name, module in transformer.named_modules():
        if name.endswith(("norm1.linear", "norm1_context.linear", "norm_out.linear", "proj_out")):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    return transformer


def matrices_and_rest(transformer: SD3Transformer2DModel) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The matrices that act on tokens, and all other weights: what Muon is made for, and what it is not.

    Modulation reads one vector a picture and starts at zero; a third of Muon's cost would go there.
    """
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, weight in transformer.named_parameters():
        on_tokens = name.startswith("transformer_blocks.") and weight.ndim == 2 and ".norm1" not in name
        (matrices if on_tokens else rest).append(weight)
    return matrices, rest


@contextmanager
def at_rows(transformer: SD3Transformer2DModel, rows: tuple[int, int]) -> Iterator[None]:
    """Within, the transformer takes its input for these rows of a poster's latents.

    Raises:
        ValueError: the rows do not fall on patches.
    """
    if rows[0] % _PATCH or rows[1] % _PATCH:
        raise ValueError(f"rows: {rows} must be multiples of the patch, {_PATCH}")
    embed = transformer.pos_embed
    edge = (_POSITIONS - SIDE // _PATCH) // 2
    top = edge + rows[0] // _PATCH

    def positions(height: int, width: int) -> Tensor:
        grid = embed.pos_embed.reshape(1, _POSITIONS, _POSITIONS, -1)
        cut: Tensor = grid[:, top : top + height // _PATCH, edge : edge + width // _PATCH]
        return cut.reshape(1, -1, cut.shape[-1])

    embed.cropped_pos_embed = positions
    try:
        yield
    finally:
        del embed.cropped_pos_embed
