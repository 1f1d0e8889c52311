"""Prompts are encoded as diffusers encodes them, once for all variants, and what no encoder reads is told."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import torch
from diffusers import StableDiffusion3Pipeline

from inference.sd3.encoding import PromptEncoder
from tests.inference.sd3.small import small_pipeline

torch.set_num_threads(1)
T5_TOKENS = 36
PROMPT = 'a red circle on deep blue, bold title "ORBIT 9"'


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module", params=[True, False], ids=["t5", "no-t5"])
def pipeline(request: pytest.FixtureRequest) -> StableDiffusion3Pipeline:
    return small_pipeline(t5=request.param)


@pytest.mark.parametrize("negative", ["", "dull"])
def test_rows_are_those_of_diffusers_the_negative_prompt_first(
    pipeline: StableDiffusion3Pipeline, negative: str
) -> None:
    asked, free, pooled_asked, pooled_free = pipeline.encode_prompt(
        PROMPT, None, None, negative_prompt=negative, max_sequence_length=T5_TOKENS
    )
    joint, pooled = PromptEncoder(pipeline, T5_TOKENS).encode(PROMPT, negative)
    assert torch.equal(joint, torch.cat([free, asked]))
    assert torch.equal(pooled, torch.cat([pooled_free, pooled_asked]))


def test_without_a_negative_prompt_there_is_one_row(pipeline: StableDiffusion3Pipeline) -> None:
    encoder = PromptEncoder(pipeline, T5_TOKENS)
    joint, pooled = encoder.encode(PROMPT, None)
    assert len(joint) == len(pooled) == 1
    assert torch.equal(joint, encoder.encode(PROMPT, "dull").joint[1:])


def test_variants_of_a_prompt_encode_it_once_and_a_text_long_unused_is_forgotten(
    pipeline: StableDiffusion3Pipeline,
) -> None:
    runs: list[int] = []
    hook = pipeline.text_encoder.register_forward_hook(lambda *given: runs.append(len(given)))
    try:
        encoder = PromptEncoder(pipeline, T5_TOKENS)
        for _ in range(5):
            encoder.encode(PROMPT, "")
        assert len(runs) == 2
        for index in range(20):
            encoder.encode(f"another {index}", "")
        assert len(runs) == 22
        encoder.encode(PROMPT, "")
        assert len(runs) == 23
    finally:
        hook.remove()


def test_words_that_no_encoder_reads_are_told_of_once(
    pipeline: StableDiffusion3Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    reader, most = ("T5", 36) if pipeline.text_encoder_3 is not None else ("CLIP", 16)
    encoder = PromptEncoder(pipeline, T5_TOKENS)
    encoder.encode("OK", "")
    assert _told(caplog) == []
    encoder.encode("x" * 80, "")
    encoder.encode("x" * 80, "")
    assert [record.levelno for record in _told(caplog)] == [logging.WARNING]
    assert f"{reader} reads {most} of the prompt's 82 tokens" in _told(caplog)[0].getMessage()


def _told(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """By us, or by diffusers whose pipeline we speak for."""
    return [record for record in caplog.records if record.name.startswith(("inference", "diffusers"))]
