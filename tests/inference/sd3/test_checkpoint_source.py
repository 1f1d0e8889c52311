from __future__ import annotations

import pytest

from inference.sd3.checkpoint import Source

MEDIUM = "stabilityai/stable-diffusion-3.5-medium"


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (MEDIUM, Source(MEDIUM)),
        (f"{MEDIUM}@refs/pr/4", Source(MEDIUM, "refs/pr/4")),
        (f"{MEDIUM}@b940f670", Source(MEDIUM, "b940f670")),
        (f"{MEDIUM}+someone/text-lora@v2", Source(MEDIUM, "", "someone/text-lora@v2")),
        (f"{MEDIUM}@v1+loras/text.safetensors*0.8", Source(MEDIUM, "v1", "loras/text.safetensors", 0.8)),
        ("/models/sd@home/base", Source("/models/sd@home/base")),
        ("./org/name@v1", Source("./org/name@v1")),
        ("weights/base+weights/distilled*-0.5", Source("weights/base", "", "weights/distilled", -0.5)),
    ],
)
def test_what_is_written_is_what_is_asked_and_written_again(text: str, source: Source) -> None:
    assert Source.parse(text) == source
    assert str(source) == text


def test_a_scale_of_one_goes_without_saying() -> None:
    assert str(Source.parse("base+lora*1.0")) == "base+lora"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "base is empty"),
        ("  +lora", "base is empty"),
        ("base+", "lora is empty"),
        ("base+one+two", "more than one \\+"),
        ("base+lora*strong", "'strong' must be a number"),
        ("base+lora*nan", "'nan' must be a number"),
        ("base+lora*0", "'0' must be a number and not 0"),
        ("base+*2", "'2' must be a number"),
    ],
)
def test_what_cannot_be_read_says_where(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Source.parse(text)
