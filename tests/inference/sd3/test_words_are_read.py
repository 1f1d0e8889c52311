"""The trained checkpoint in this repository writes words that a text reader reads, and needs every part to.

`words_are_read.json` is chosen by `python -m tests.bench.tiny_ablations` for the weights beside it: posters
that the whole model spells in a few steps, where guidance and shift decide.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import inference.sd3.tiny
from inference.sd3.base import Drawing
from inference.sd3.checkpoint import Source, find
from inference.sd3.device import Choice
from inference.sd3.loading import Loaded, load
from inference.sd3.rendering import Renderer
from inference.sd3.tiny import reading
from inference.sd3.tiny.drawing import SIDE
from inference.sd3.tiny.words import Poster, is_held_out
from tests.support.ablations import ABLATIONS, Ablation, drawn

WEIGHTS = Path(inference.sd3.tiny.__file__).parent / "weights" / "base"
CASE: dict[str, Any] = json.loads(Path(__file__).with_name("words_are_read.json").read_text("utf-8"))
SEEDS = [each["seed"] for each in CASE["posters"]]
POSTERS = [Poster(**{name: each[name] for name in each if name != "seed"}) for each in CASE["posters"]]


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    torch.set_num_threads(1)
    return load(find(Source(str(WEIGHTS))), Choice("cpu", "float32", "the same on every machine"))


def _drawing(poster: Poster, seed: int, *, steps: int, guidance: float) -> Drawing:
    return Drawing(prompt=poster.prompt, width=SIDE, height=SIDE, steps=steps, guidance=guidance, seed=seed)


def _share_read(loaded: Loaded, ablation: Ablation) -> float:
    drawings = [
        _drawing(poster, seed, steps=CASE["steps"], guidance=CASE["guidance"])
        for poster, seed in zip(POSTERS, SEEDS, strict=True)
    ]
    pictures = np.stack(list(drawn(loaded, drawings, ablation)))
    found = zip(POSTERS, reading.read(pictures), strict=True)
    return float(np.mean([reading.is_exact(poster, texts) for poster, texts in found]))


def test_a_word_it_never_saw_is_read_from_its_picture(loaded: Loaded) -> None:
    poster, defaults = POSTERS[0], loaded.checkpoint.defaults
    assert is_held_out(poster.title)
    picture = Renderer(loaded).draw(
        _drawing(poster, SEEDS[0], steps=defaults.steps, guidance=defaults.guidance)
    )
    assert reading.read(picture[None]) == [(poster.title.casefold(), "")]


def test_words_are_read_in_few_steps(loaded: Loaded) -> None:
    assert _share_read(loaded, "none") >= CASE["least"]


@pytest.mark.parametrize("ablation", [each for each in ABLATIONS if each != "none"])
def test_words_are_not_read_without(loaded: Loaded, ablation: Ablation) -> None:
    assert _share_read(loaded, ablation) < CASE["least"]
