"""report.json: everything the contact sheet shows, one entry a prompt."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from schemas.events import Attempt, Legibility, Pictures, PromptEvent, Result
from streams.demo.figures import EngineFigures, Share, Yardstick
from streams.demo.tables import BRIEF_DOLLARS, BRIEF_READ, BRIEF_SECONDS

VERSION = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The run as a whole. `seconds` is wall time of this process; a continued run had earlier ones."""

    policy: str
    started: str
    seconds: float
    continued: bool
    assets_verified: int


def report(
    run: Run,
    prompts: Sequence[PromptEvent],
    finals: Sequence[Result],
    engines: Sequence[EngineFigures],
    measured: Yardstick,
) -> dict[str, Any]:
    """The whole report as JSON-ready values."""
    return {
        "version": VERSION,
        "run": dataclasses.asdict(run),
        "engines": [dataclasses.asdict(row) for row in engines],
        "measured": dataclasses.asdict(measured)
        | {"first_read": _share(measured.first_read), "final_read": _share(measured.final_read)},
        "brief": {
            "note": "the story told in the brief, before -> after; not measured here",
            "median": BRIEF_SECONDS,
            "ocr_accuracy": BRIEF_READ,
            "usd_per_1000": BRIEF_DOLLARS,
        },
        "prompts": [_prompt(prompt, finals) for prompt in prompts],
    }


def write_report(path: Path, content: dict[str, Any]) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    fresh.replace(path)


def _share(value: Share) -> dict[str, Any]:
    return {"read": value.hits, "of": value.total, "share": value.value, "wilson_95": value.interval}


def _prompt(prompt: PromptEvent, finals: Sequence[Result]) -> dict[str, Any]:
    own = [final for final in finals if (final.ref.source, final.ref.id) == (prompt.source, prompt.id)]
    return {
        "source": prompt.source,
        "id": prompt.id,
        "prompt": prompt.prompt,
        "tags": prompt.tags,
        "finals": [_final(final) for final in sorted(own, key=lambda final: final.ref.variant)],
    }


def _final(final: Result) -> dict[str, Any]:
    return {
        "variant": final.ref.variant,
        "locale": final.locale,
        "status": final.status,
        "reason": final.reason,
        "route": final.route,
        "policy": final.policy,
        "engine": final.engine,
        "resolved_engine": final.resolved_engine,
        "emulated": final.emulated,
        "usd": final.usd,
        "seconds": final.seconds,
        "picture": _picture(final.pictures),
        **_reading(final.legibility),
        "attempts": [_attempt(attempt) for attempt in final.attempts],
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "purpose": attempt.purpose,
        "engine": attempt.engine,
        "resolved_engine": attempt.resolved_engine,
        "emulated": attempt.emulated,
        "outcome": attempt.outcome,
        "verdict": attempt.verdict,
        "reason": attempt.reason,
        "seed": attempt.seed,
        "usd": attempt.usd,
        "seconds": attempt.seconds,
        "found_in_store": attempt.cached,
        "picture": _picture(attempt.pictures),
        **_reading(attempt.legibility),
    }


def _picture(pictures: Pictures | None) -> dict[str, Any] | None:
    if pictures is None:
        return None
    named = {
        "image": pictures.image,
        "original": pictures.original,
        "background": pictures.background,
        "vector": pictures.vector,
    }
    return {name: dataclasses.asdict(asset) for name, asset in named.items() if asset is not None}


def _reading(legibility: Legibility | None) -> dict[str, Any]:
    if legibility is None:
        return {"score": None, "texts": []}
    return {
        "score": legibility.score,
        "by_construction": legibility.by_construction,
        "texts": [
            {"text": text.text, "verdict": text.verdict, "read": text.read, "exact": text.exact}
            for text in legibility.texts
        ],
    }
