"""The short form of `make chaos`: a demo of four prompts, killed three times in its middle."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.chaos.kill_demo import count, kill_times, torment

SIZE = {"width": 256, "height": 256}
PROMPTS = [
    {"id": "layout", "source": "chaos", "prompt": 'a "SALE" sign', "tags": ["layout-only"], **SIZE},
    {"id": "preview", "source": "chaos", "prompt": 'a "JAZZ" night', "fast_preview": True, **SIZE},
    {"id": "hosted", "source": "chaos", "prompt": 'a "CIRCUS" poster', "tags": ["stylised"], **SIZE},
    {"id": "variants", "source": "chaos", "prompt": 'a "MARKET" stall', "variants": 2, **SIZE},
]


@pytest.mark.slow
def test_a_demo_killed_in_its_middle_ends_with_one_final_for_each_prompt(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps(prompt) + "\n" for prompt in PROMPTS), "utf-8")
    delays = list(kill_times(3, random.Random(3), 1.5, 4.0))
    assert torment(tmp_path / "demo", prompts, delays, tmp_path / "demo.log") == 3
    found = count(tmp_path / "demo", prompts)
    assert (found.wrong, found.bad_assets) == ({}, [])
    assert found.finals == 5
