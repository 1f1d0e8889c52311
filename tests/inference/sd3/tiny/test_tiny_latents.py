"""The fixed latents keep a poster readable, and the autoencoder's encoder is exactly that map."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from inference.sd3.tiny import latents
from inference.sd3.tiny.autoencoder import SCALING, SHIFT, autoencoder
from inference.sd3.tiny.drawing import draw_batch
from inference.sd3.tiny.latents import LinearLatents, as_pixels, as_signal, pixel_rows
from inference.sd3.tiny.words import draw_posters

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def fitted() -> LinearLatents:
    return latents.fit(0, posters=24)


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return as_signal(draw_batch(draw_posters(np.random.default_rng(11), 3, second_share=0.5)))


@pytest.fixture(scope="module")
def vae(fitted: LinearLatents) -> AutoencoderKL:
    return autoencoder(fitted)


def test_latents_are_sixteen_channels_at_an_eighth_with_about_unit_variance(
    fitted: LinearLatents, pictures: Tensor
) -> None:
    encoded = fitted.encode(pictures)
    assert encoded.shape == (3, 16, 32, 32)
    assert 0.5 < float(encoded[:, :, 4:12].std()) < 1.5


def test_the_least_squares_picture_is_near_the_drawn_one(fitted: LinearLatents, pictures: Tensor) -> None:
    again = fitted.decode(fitted.encode(pictures))
    assert float((again - pictures).abs().mean()) < 0.04
    assert torch.allclose(fitted.encode(again), fitted.encode(pictures), atol=1e-3)


def test_a_band_has_the_latents_of_its_rows(fitted: LinearLatents, pictures: Tensor) -> None:
    top, bottom = pixel_rows((4, 12))
    assert torch.allclose(
        fitted.encode(pictures[:, :, top:bottom]), fitted.encode(pictures)[:, :, 4:12], atol=1e-4
    )


@torch.no_grad()
def test_the_encoder_of_the_autoencoder_is_the_linear_map(
    vae: AutoencoderKL, fitted: LinearLatents, pictures: Tensor
) -> None:
    posterior = vae.encode(pictures).latent_dist
    found = (posterior.mode() - SHIFT) * SCALING
    wanted = fitted.encode(pictures)
    assert float((found - wanted).square().mean().sqrt()) < 1e-4
    assert float(posterior.std.max()) < 0.01


def test_only_the_decoder_learns(vae: AutoencoderKL) -> None:
    assert not any(weight.requires_grad for weight in vae.encoder.parameters())
    assert all(weight.requires_grad for weight in vae.decoder.parameters())


def test_pixels_survive_the_way_to_signals_and_back() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    assert np.array_equal(as_pixels(as_signal(pixels)), pixels)


@pytest.mark.parametrize("rows", [(4, 4), (-2, 4), (12, 4), (28, 34)])
def test_rows_outside_the_latents_are_refused(rows: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="rows"):
        pixel_rows(rows)
