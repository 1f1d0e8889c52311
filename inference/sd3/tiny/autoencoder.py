"""A 16-channel 8x `AutoencoderKL` whose encoder is a known linear map, so that only its decoder is trained.

The map of `latents.py` is written into the encoder's own weights. Its residual branches end in zeros; its
strided convolutions cut and project patches. A GroupNorm and a SiLU follow, which would bend the result, so
every number goes in twice, as x and -x (silu(x) - silu(-x) = x), in groups whose variance is decided by
constant channels.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from inference.sd3.tiny.drawing import SIDE
from inference.sd3.tiny.latents import CHANNELS, LinearLatents

SCALING: Final = 1.5
SHIFT: Final = 0.06
_WIDTHS: Final = (16, 32, 64, 96)
_GROUPS: Final = 4
_CONSTANT: Final = 64.0
_LOG_VARIANCE: Final = -12.0


def autoencoder(latents: LinearLatents) -> AutoencoderKL:
    """The encoder of `latents`, frozen, and a decoder whose residual branches start as nothing.

    As in every SD3 checkpoint the transformer's latents are (z - SHIFT) * SCALING of the autoencoder's z.
    """
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(_WIDTHS),
        up_block_types=("UpDecoderBlock2D",) * len(_WIDTHS),
        block_out_channels=_WIDTHS,
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=_GROUPS,
        sample_size=SIDE,
        scaling_factor=SCALING,
        shift_factor=SHIFT,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
    )
    for name, module in vae.named_modules():
        if name.endswith(".conv2"):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    _write_encoder(vae, latents)
    vae.encoder.requires_grad_(False)
    return vae


@torch.no_grad()
def _write_encoder(vae: AutoencoderKL, latents: LinearLatents) -> None:
    encoder = vae.encoder
    for module in (encoder.conv_in, encoder.conv_out, *_strided(vae), *_shortcuts(vae)):
        nn.init.zeros_(module.weight)
        nn.init.zeros_(module.bias)
    halve, to_inner, to_outer = (module.weight for module in _strided(vae))
    _pass(encoder.conv_in.weight, 3)
    for colour in range(3):
        for row in range(2):
            for column in range(2):
                halve[colour * 4 + row * 2 + column, colour, row, column] = 1
    _pass(_shortcuts(vae)[0].weight, 12)
    to_inner[:, :12, :2, :2] = _regrouped(latents.inner)
    _pass(_shortcuts(vae)[1].weight, len(latents.inner))
    whitened = latents.outer / latents.deviation[:, None]
    to_outer[:CHANNELS, : len(latents.inner), :2, :2] = whitened.reshape(CHANNELS, -1, 2, 2)
    _bias(_strided(vae)[2])[:CHANNELS] = -latents.mean / latents.deviation
    _write_end(vae)


def _write_end(vae: AutoencoderKL) -> None:
    """Each group of 24 holds four numbers as +x and -x, and sixteen constants."""
    encoder = vae.encoder
    width, each = _WIDTHS[-1] // _GROUPS, CHANNELS // _GROUPS
    spread = _shortcuts(vae)[2]
    for channel in range(CHANNELS):
        plus = channel // each * width + channel % each
        minus = plus + each
        spread.weight[plus, channel, 0, 0] = 1
        spread.weight[minus, channel, 0, 0] = -1
        encoder.conv_out.weight[channel, plus, 1, 1] = 1 / SCALING
        encoder.conv_out.weight[channel, minus, 1, 1] = -1 / SCALING
    constants = torch.arange(_WIDTHS[-1]) % width >= 2 * each
    signs = torch.where(torch.arange(_WIDTHS[-1]) % 2 == 0, 1.0, -1.0)
    _bias(spread)[constants] = _CONSTANT * signs[constants]
    variance = (2 * each + (width - 2 * each) * _CONSTANT**2) / width
    nn.init.constant_(encoder.conv_norm_out.weight, math.sqrt(variance))
    nn.init.zeros_(encoder.conv_norm_out.bias)
    encoder.conv_out.bias[:CHANNELS] = SHIFT
    encoder.conv_out.bias[CHANNELS:] = _LOG_VARIANCE


def _regrouped(inner: Tensor) -> Tensor:
    """(32, colour 4 x 4) to (32, colour and fine place, coarse place): how two halvings deliver a patch."""
    by_place = inner.reshape(-1, 3, 2, 2, 2, 2)
    return by_place.permute(0, 1, 3, 5, 2, 4).reshape(len(inner), 12, 2, 2)


def _bias(convolution: nn.Conv2d) -> Tensor:
    assert convolution.bias is not None
    return convolution.bias


def _pass(weight: Tensor, count: int) -> None:
    middle = weight.shape[-1] // 2
    for channel in range(count):
        weight[channel, channel, middle, middle] = 1


def _strided(vae: AutoencoderKL) -> list[nn.Conv2d]:
    return [block.downsamplers[0].conv for block in vae.encoder.down_blocks[:-1]]


def _shortcuts(vae: AutoencoderKL) -> list[nn.Conv2d]:
    return [block.resnets[0].conv_shortcut for block in vae.encoder.down_blocks[1:]]
