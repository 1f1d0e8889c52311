"""Where a prompt goes first: total, first match wins, with the reason in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.events import PromptEvent, Purpose, Text
from streams.routing.policy import LAYOUT_ENGINE, Policy

SURE_ENOUGH = 0.8
# Imagen's own advice is at most 25 characters a text; spelling falls with the number of regions.
DENSE_REGIONS = 4
DENSE_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Route:
    """`name` is the brief's word for the way, `engine` the logical engine."""

    name: str
    engine: str
    purpose: Purpose
    reason: str


def is_dense(texts: Sequence[Text]) -> bool:
    """Enough text that the better speller pays."""
    return len(texts) >= DENSE_REGIONS or sum(len(text.text) for text in texts) > DENSE_CHARACTERS


def precise_engine(tags: Sequence[str], texts: Sequence[Text]) -> tuple[str, str]:
    """The hosted engine for typography, and why."""
    if "ultra" in tags:
        return "imagen4_ultra", "tag ultra"
    if is_dense(texts):
        characters = sum(len(text.text) for text in texts)
        return "imagen4_ultra", f"dense text ({len(texts)} regions, {characters} characters)"
    return "imagen4_remote", "no tag ultra, no dense text"


def decide_route(event: PromptEvent, texts: Sequence[Text], policy: Policy) -> Route:
    """`texts` are the expected words of one variant, explicit or parsed."""
    if "layout-only" in event.tags:
        return Route("layout", LAYOUT_ENGINE, "final", "tag layout-only")
    if policy.preview_all:
        return Route(
            "local-sd_medium", "sd3.5_medium", "preview", f"policy {policy.name}: every prompt is previewed"
        )
    if event.requires_typography_precision and (event.confidence or 0.0) < SURE_ENOUGH:
        engine, why = precise_engine(event.tags, texts)
        return Route("remote-imagen-polish", engine, "polish", f"{_precision_reason(event)}; {why}")
    if event.fast_preview and not policy.skip_preview:
        return Route("local-sd_medium", "sd3.5_medium", "preview", "fast_preview")
    return _remote_final(event)


def _precision_reason(event: PromptEvent) -> str:
    if event.confidence is None:
        return f"requires_typography_precision; confidence absent, counts as 0 < {SURE_ENOUGH}"
    return f"requires_typography_precision; confidence {event.confidence:g} < {SURE_ENOUGH}"


def _remote_final(event: PromptEvent) -> Route:
    for tag, engine in (("stylised", "dalle3_hd"), ("layout-heavy", "ideogram_v2a_turbo")):
        if tag in event.tags:
            return Route("remote-final", engine, "final", f"tag {tag}")
    return Route("remote-final", "imagen4_ultra", "final", "no earlier case holds, no engine tag")
