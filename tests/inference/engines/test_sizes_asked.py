from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from inference.engines.adapters import ADAPTERS
from inference.engines.base import Unsupported
from inference.engines.contract import Contract, Request, ratio_of
from tests.inference.engines.playback import SPEC, checked_in


def contract(name: str) -> Contract:
    entry = checked_in().get(name)
    return ADAPTERS[entry.adapter](entry)


def asked(name: str, width: int, height: int) -> Request:
    return contract(name).request(replace(SPEC, width=width, height=height))


@pytest.mark.parametrize(
    ("size", "shape", "tier"),
    [
        ((1024, 1024), "1:1", "1K"),
        ((1536, 1536), "1:1", "2K"),
        ((896, 1280), "3:4", "1K"),
        ((1408, 768), "16:9", "1K"),
        ((720, 1280), "9:16", "1K"),
        ((1536, 2816), "9:16", "2K"),
    ],
)
def test_imagen_is_asked_for_a_shape_and_a_tier(size: tuple[int, int], shape: str, tier: str) -> None:
    parameters = orjson.loads(asked("imagen4_remote", *size).body)["parameters"]
    assert (parameters["aspectRatio"], parameters["sampleImageSize"]) == (shape, tier)


@pytest.mark.parametrize(
    ("size", "shape", "tier", "usd"),
    [
        ((512, 512), "1:1", "512", 0.04482),
        ((1024, 1024), "1:1", "1K", 0.0672),
        ((832, 1248), "2:3", "1K", 0.0672),
        ((1024, 1536), "2:3", "2K", 0.1008),
        ((896, 1200), "3:4", "1K", 0.0672),
        ((848, 1264), "2:3", "1K", 0.0672),
        ((1376, 768), "16:9", "1K", 0.0672),
        ((1584, 672), "21:9", "1K", 0.0672),
        ((1696, 2528), "2:3", "2K", 0.1008),
        ((896, 1280), "3:4", "1K", 0.0672),
        ((1408, 768), "16:9", "1K", 0.0672),
        ((1792, 2560), "3:4", "2K", 0.1008),
        ((3840, 2160), "16:9", "4K", 0.1512),
        ((3072, 384), "8:1", "2K", 0.1008),
    ],
)
def test_gemini_is_paid_for_the_tier_it_is_asked_for(
    size: tuple[int, int], shape: str, tier: str, usd: float
) -> None:
    request = asked("gemini-3.1-flash-image", *size)
    config = orjson.loads(request.body)["generationConfig"]["imageConfig"]
    assert config == {"aspectRatio": shape, "imageSize": tier}
    assert checked_in().get("gemini-3.1-flash-image").price.list_usd(request.width, request.height) == usd


@pytest.mark.parametrize(
    ("size", "preset"),
    [
        ((1024, 1024), "1024x1024"),
        ((512, 512), "1024x1024"),
        ((1040, 1040), "2048x2048"),
        ((1440, 2880), "1440x2880"),
        ((512, 1024), "1440x2880"),
        ((1344, 768), "2560x1440"),
    ],
)
def test_ideogram_is_asked_for_the_smallest_preset_that_holds_the_picture(
    size: tuple[int, int], preset: str
) -> None:
    assert orjson.loads(asked("ideogram-4.5", *size).body)["size"] == preset


@pytest.mark.parametrize(
    ("name", "width", "height"),
    [
        ("imagen4_remote", 1024, 1536),
        ("imagen4_remote", 3072, 3072),
        ("gemini-3-pro-image", 3840, 3840),
        ("gemini-3.1-flash-image", 1024, 592),
        ("ideogram_v2a_turbo", 1024, 256),
        ("ideogram-4.5", 1024, 256),
        ("ideogram-4.5", 3072, 3072),
        ("sd3.5_medium_hosted", 1024, 768),
    ],
)
def test_a_size_that_a_contract_has_no_words_for_is_refused_with_those_it_has(
    name: str, width: int, height: int
) -> None:
    with pytest.raises(Unsupported, match=rf"^{name}: draws no {width}x{height}; it draws .*1.?1") as caught:
        asked(name, width, height)
    assert (caught.value.kind, caught.value.billed) == ("invalid", "never")


@pytest.mark.parametrize(
    ("name", "most"),
    [("dalle3_hd", 4_000), ("gpt-image-2.5-flare", 32_000), ("ideogram-4.5", 10_000),
     ("ideogram_v2a_turbo", 10_000), ("sd3.5_medium_hosted", 10_000)],
)  # fmt: skip
def test_a_prompt_that_would_be_cut_is_refused_instead(name: str, most: int) -> None:
    contract(name).request(replace(SPEC, prompt="a" * most))
    with pytest.raises(Unsupported, match=rf"prompt: at most {most} characters; got {most + 1}"):
        contract(name).request(replace(SPEC, prompt="a" * (most + 1)))


def test_stability_is_never_asked_for_a_random_seed_or_a_guidance_it_has_not() -> None:
    stability = contract("sd3.5_medium_hosted")
    assert stability.request(replace(SPEC, seed=0)).used["seed"] == 1
    assert stability.request(replace(SPEC, seed=2**32 - 1)).used["seed"] == 2**32 - 2
    assert "seed" not in stability.request(SPEC).used
    with pytest.raises(Unsupported, match=r"guidance: must be 1 to 10; got 0\.5"):
        stability.request(replace(SPEC, guidance=0.5))


def test_what_a_provider_cannot_be_told_is_written_down() -> None:
    spec = replace(SPEC, negative_prompt="fog", steps=20, guidance=4.5, sampler="heun")
    for name in ("imagen4_remote", "gemini-3.1-flash-image", "gpt-image-2.5-flare"):
        used = contract(name).request(replace(spec)).used
        assert used["not_sent"] == "seed, steps, guidance, sampler"
        assert used["negative_prompt"] == ""
    used = contract("ideogram_v2a_turbo").request(spec).used
    assert used["not_sent"] == "steps, guidance, sampler"
    used = contract("sd3.5_medium_hosted").request(spec).used
    assert used["not_sent"] == "steps, sampler"
    assert "negative_prompt" not in used


def test_a_shape_may_be_two_in_a_hundred_off_and_no_more() -> None:
    assert ratio_of(1344, 768, ("16:9", "3:2")) == "16:9"
    assert ratio_of(1104, 640, ("16:9", "3:2")) is None
    assert ratio_of(1024, 1024, ("ASPECT_1_1",)) == "ASPECT_1_1"
