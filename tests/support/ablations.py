"""Parts of an SD3 pipeline taken out for a while: whoever reads its pictures must notice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal, get_args

from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor, nn

from inference.sd3.base import Drawing
from inference.sd3.loading import Loaded
from inference.sd3.rendering import Renderer
from inference.typography.canvas import Pixels

Ablation = Literal["none", "qk_norm", "guidance", "shift", "token_order"]
ABLATIONS: Final[tuple[Ablation, ...]] = get_args(Ablation)
_NORMS: Final = ("norm_q", "norm_k", "norm_added_q", "norm_added_k")
# The tiny T5's piece before a title's first letter.
_QUOTE: Final = '▁"'


def drawn(loaded: Loaded, drawings: Iterable[Drawing], ablation: Ablation) -> Iterator[Pixels]:
    """Each drawing by the product's renderer without that part of the model, which is whole again after."""
    with _ablated(loaded.pipeline, ablation):
        renderer = Renderer(loaded)
        for drawing in drawings:
            guidance = 1.0 if ablation == "guidance" else drawing.guidance
            yield renderer.draw(dataclasses.replace(drawing, guidance=guidance))


@contextmanager
def _ablated(pipeline: Any, ablation: Ablation) -> Iterator[None]:
    if ablation == "qk_norm":
        with _without_norms(pipeline.transformer):
            yield
    elif ablation == "shift":
        with _without_shift(pipeline):
            yield
    elif ablation == "token_order":
        with _first_letters_swapped(pipeline):
            yield
    else:
        yield


@contextmanager
def _without_norms(transformer: nn.Module) -> Iterator[None]:
    """Queries and keys go into the attention as they are projected."""
    removed: list[tuple[nn.Module, str, nn.Module]] = []
    for module in transformer.modules():
        for name in _NORMS:
            if isinstance(norm := getattr(module, name, None), nn.Module):
                removed.append((module, name, norm))
    if not removed:
        raise ValueError(f"{type(transformer).__name__} has none of {', '.join(_NORMS)}: nothing to take out")
    for module, name, _ in removed:
        setattr(module, name, nn.Identity())
    try:
        yield
    finally:
        for module, name, norm in removed:
            setattr(module, name, norm)


@contextmanager
def _without_shift(pipeline: Any) -> Iterator[None]:
    """Noise levels evenly spaced."""
    whole = pipeline.scheduler
    if whole.config.shift == 1:
        raise ValueError("scheduler: its shift is 1 already: nothing to take out")
    pipeline.scheduler = FlowMatchEulerDiscreteScheduler.from_config(whole.config, shift=1.0)
    try:
        yield
    finally:
        pipeline.scheduler = whole


@contextmanager
def _first_letters_swapped(pipeline: Any) -> Iterator[None]:
    """T5 is given the first two tokens after the quotation mark in each other's place."""
    quote = pipeline.tokenizer_3.convert_tokens_to_ids(_QUOTE)

    def swap(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        ids, *others = given
        ids = ids.clone()
        for row in ids:
            found = (row == quote).nonzero()
            if len(found):
                first = int(found[0]) + 1
                row[[first, first + 1]] = row[[first + 1, first]]
        return ids, *others

    handle = pipeline.text_encoder_3.register_forward_pre_hook(swap)
    try:
        yield
    finally:
        handle.remove()
