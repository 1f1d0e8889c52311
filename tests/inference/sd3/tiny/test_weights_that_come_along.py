"""The checkpoints in the repository: both engines find them, and they stay small."""

from __future__ import annotations

from pathlib import Path

from inference.sd3.checkpoint import find
from inference.sd3.choosing import TINY, Chosen, choose

MOST_BYTES = 24_000_000


def test_each_local_engine_falls_back_to_its_own_variant() -> None:
    chosen = {
        engine: choose(setting="", registered="nobody/nothing", tiny=source, gpu=False, find=find)
        for engine, source in TINY.items()
    }
    assert {engine: isinstance(one, Chosen) and one.stands_in for engine, one in chosen.items()} == {
        "sd3.5_medium": True,
        "sd3.5_local": True,
    }


def test_the_distilled_variant_takes_four_steps_without_guidance() -> None:
    base, distilled = find(TINY["sd3.5_medium"]), find(TINY["sd3.5_local"])
    assert (distilled.defaults.steps, distilled.defaults.guidance) == (4, 1.0)
    assert base.defaults.guidance > 1
    assert (base.name, base.lora_name) == ("glyphstream/tiny-sd3.5", "")
    assert (distilled.name, distilled.lora_name) == (base.name, "glyphstream/tiny-sd3.5-distilled")


def test_both_together_keep_the_repository_small() -> None:
    folder = Path(TINY["sd3.5_medium"].base).parent
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) <= MOST_BYTES
