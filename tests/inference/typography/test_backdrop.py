from __future__ import annotations

import io
import random

import numpy as np
import pytest
from PIL import Image

from inference.typography import canvas
from inference.typography.backdrop import MOTIFS, backdrop, draw_backdrop
from inference.typography.oklab import lightness_of, lit
from inference.typography.palettes import PALETTES, pick


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert draw_backdrop("jazz", 256, 384, 7, "a") == draw_backdrop("jazz", 256, 384, 7, "a")


@pytest.mark.parametrize(("seed", "style"), [(8, "a"), (7, "b")])
def test_seed_and_style_change_the_picture(seed: int, style: str) -> None:
    assert draw_backdrop("poster", 256, 384, 7, "a") != draw_backdrop("poster", 256, 384, seed, style)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (512, 768), (768, 512), (1280, 720)])
def test_it_is_an_srgb_png_of_the_size_asked(width: int, height: int) -> None:
    image = Image.open(io.BytesIO(draw_backdrop("mountain", width, height, 1)))
    assert (image.size, image.mode, image.format) == ((width, height), "RGB", "PNG")
    assert "srgb" in image.info


@pytest.mark.parametrize("motif", sorted(MOTIFS))
@pytest.mark.parametrize("palette", [PALETTES[0], PALETTES[-1]], ids=["dark", "light"])
def test_every_motif_leaves_the_top_calm_for_words(motif: str, palette: object) -> None:
    pixels, surface = canvas.sheet(320, 480)
    MOTIFS[motif](surface, 320.0, 480.0, palette, random.Random(4))  # type: ignore[arg-type]  # a Palette
    rows = pixels[..., :3].astype(float).mean(axis=2)
    assert rows[:120].std() < rows[200:].std() + 12
    assert rows.std() > 4


@pytest.mark.parametrize(
    ("prompt", "channel"), [("a red poster", 0), ("an emerald poster", 1), ("a navy blue poster", 2)]
)
def test_a_colour_the_prompt_names_rules_the_picture(prompt: str, channel: int) -> None:
    pixels, _ = backdrop(prompt, 200, 300, 1)
    means = pixels[..., :3].reshape(-1, 3).mean(axis=0)
    assert int(np.argmax(means)) == channel


def test_colours_inside_quotes_are_words_to_set_not_paint() -> None:
    assert pick('a poster "Red Gold"', random.Random(1)).name in {each.name for each in PALETTES}


def test_dark_words_ask_for_a_dark_palette() -> None:
    assert all(pick("midnight thriller", random.Random(seed)).dark for seed in range(20))


@pytest.mark.parametrize("lightness", [0.2, 0.5, 0.8, 0.97])
def test_a_colour_keeps_the_lightness_asked_for(lightness: float) -> None:
    assert lightness_of(lit((209, 43, 43), lightness)) == pytest.approx(lightness, abs=0.02)
