from __future__ import annotations

import numpy as np
import pytest

from inference.typography import contrast, ground
from inference.typography.contrast import Under
from inference.typography.ground import Inked, Zone
from inference.typography.palettes import PALETTES


def test_black_on_white_is_twenty_one_to_one() -> None:
    assert contrast.ratio(
        contrast.luminance((0, 0, 0)), contrast.luminance((255, 255, 255))
    ) == pytest.approx(21.0)


def test_a_known_grey_meets_the_threshold_of_the_standard() -> None:
    # #767676 is the lightest grey that passes 4.5 on white (WCAG 2.2, technique G18).
    white = contrast.luminance((255, 255, 255))
    assert contrast.ratio(contrast.luminance((0x76, 0x76, 0x76)), white) >= 4.5
    assert contrast.ratio(contrast.luminance((0x78, 0x78, 0x78)), white) < 4.5


def test_an_ink_inside_the_grounds_range_has_no_contrast() -> None:
    assert Under(0.0, 1.0).against((128, 128, 128)) == 1.0


@pytest.mark.parametrize("palette", PALETTES, ids=lambda palette: palette.name)
def test_paper_and_ink_of_every_palette_read_on_each_other(palette: object) -> None:
    assert contrast.ratio(contrast.luminance(palette.paper), contrast.luminance(palette.ink)) > 12  # type: ignore[attr-defined]  # a Palette


def test_the_veil_found_really_gives_the_ratio() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (120, 160, 4), np.uint8)
    zone = Zone("main", ((40.0, 30.0, 80.0, 50.0),))
    ink, veil = (250, 248, 240), (12, 12, 20)
    opacity = contrast.veil_needed(contrast.crop(noise, zone.boxes[0]), ink, veil, 4.5)
    assert opacity is not None
    ground.lay_veil(noise, zone, Inked(ink, veil, opacity), feather=20)
    assert contrast.measure(contrast.crop(noise, zone.boxes[0])).against(ink) >= 4.5


def test_a_calm_ground_needs_no_veil() -> None:
    flat = np.full((20, 20, 3), 10, np.uint8)
    assert contrast.veil_needed(flat, (255, 255, 255), (0, 0, 0), 4.5) == 0.0


def test_busyness_tells_noise_from_sky() -> None:
    picture = np.full((200, 200, 4), 90, np.uint8)
    picture[100:] = np.random.default_rng(1).integers(0, 256, (100, 200, 4), np.uint8)
    assert contrast.busyness(picture, (0, 0, 200, 90)) < contrast.busyness(picture, (0, 110, 200, 90))
