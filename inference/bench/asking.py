"""Prompts as a bench asks them: one locale, the words that must be read written out, no seed of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson

from inference.bench.plan import PlanError
from inference.legibility.expected import expected_texts
from schemas.events import PromptEvent, Spec
from schemas.faults import BadEvent
from schemas.ids import digest
from schemas.wire import decode

SOURCE: Final = "glyphstream-bench"
_NOT_IN_IDS: Final = re.compile(r"[\W_]+")


def from_file(path: Path, **asked: Any) -> tuple[PromptEvent, ...]:
    """The prompts of a file, one a line: plain text, or prompt events as JSON, whose own fields win.

    Lines end as JSON Lines do, with LF or CR LF: what else Unicode ends lines with may stand in a prompt.

    Raises:
        PlanError: it cannot be read, holds none, or a line is no prompt; names the line and the field.
    """
    try:
        lines = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"--prompts {path}: {error}; give a UTF-8 text file, one prompt a line") from error
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not numbered:
        raise PlanError(f"--prompts {path}: is empty; write one prompt a line")
    return tuple(_event(f"--prompts {path}, line {number}", line, asked) for number, line in numbered)


def from_text(prompt: str, **asked: Any) -> PromptEvent:
    """One prompt from the command line.

    Raises:
        PlanError: names the field.
    """
    return _event("--prompt", prompt, asked)


def spec_of(event: PromptEvent, seed: int) -> Spec:
    """What an engine is asked to draw."""
    return Spec(
        prompt=event.prompt,
        texts=event.texts,
        negative_prompt=event.negative_prompt,
        width=event.width,
        height=event.height,
        sampler=event.sampler,
        steps=event.steps,
        guidance=event.guidance,
        seed=seed,
        locale=event.locale,
        tags=event.tags,
    )


def _event(where: str, line: str, asked: Mapping[str, Any]) -> PromptEvent:
    try:
        event = decode(PromptEvent, _as_json(line, asked))
    except BadEvent as error:
        raise PlanError(f"{where}: {error.summary}") from error
    return _prepared(where, event)


def _as_json(line: str, asked: Mapping[str, Any]) -> bytes:
    if line.lstrip().startswith("{"):
        try:
            return orjson.dumps({**asked, **orjson.loads(line)})
        except orjson.JSONDecodeError:
            return line.encode()
    return orjson.dumps({**asked, "source": SOURCE, "id": _id(line), "prompt": line})


def _id(prompt: str) -> str:
    """`blue-hour-3f2a9c`: reports show it, so it says more than a digest."""
    words = " ".join(text.text for text in expected_texts(prompt, ())) or prompt
    slug = _NOT_IN_IDS.sub("-", words).strip("-").lower()[:40].rstrip("-") or "prompt"
    return f"{slug}-{digest(prompt)[:6]}"


def _prepared(where: str, event: PromptEvent) -> PromptEvent:
    """With the expected texts written out, each with its locale; what a bench decides itself is taken out."""
    if len(event.locales) > 1:
        raise PlanError(
            f"{where}: locales: a bench draws each prompt in one locale; got {', '.join(event.locales)}; "
            "write one line for each"
        )
    locale = event.locales[0] if event.locales else event.locale
    texts = expected_texts(event.prompt, event.texts)
    return replace(
        event,
        texts=tuple(text if text.locale else replace(text, locale=locale) for text in texts),
        locale=locale,
        locales=(),
        variants=1,
        seed=None,
        deadline=None,
    )
