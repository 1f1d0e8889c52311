"""The bench's report as JSON: what `--json` writes, and what `--baseline` reads."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections import Counter
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from inference.bench.figures import EngineFigures, Pair
from inference.bench.samples import Hex, Sample, Subject
from schemas.events import Seed
from schemas.faults import shown
from schemas.ids import digest

FORMAT: Final = "glyphstream.bench.v1"
_ANEW: Final = "record it anew with `glyphstream bench ... --json FILE`"


class BaselineError(ValueError):
    """A file that is no report of this version; the text names the field and the fix."""


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """Under what two reports may be compared. `machine` is in words; times of another one say nothing."""

    prompts: Hex
    samples: Annotated[int, Meta(ge=1, description="of each prompt")]
    seed: Seed
    score_version: str
    readers: tuple[str, ...]
    machine: str


class EngineReport(msgspec.Struct, frozen=True, kw_only=True):
    """One engine: the figures for people and other programs, and the samples they are made of.

    A gate makes its figures from the samples.
    """

    engine: str
    figures: EngineFigures
    samples: tuple[Sample, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One bench. Fields that are not known are let through: a later version may have more."""

    conditions: Conditions
    subjects: tuple[Subject, ...]
    engines: tuple[EngineReport, ...]
    pairs: tuple[Pair, ...] = ()
    command: str = ""
    made: Annotated[dt.datetime, Meta(tz=True)] | None = None
    format: str = FORMAT

    def engine(self, name: str) -> EngineReport | None:
        return next((engine for engine in self.engines if engine.engine == name), None)


def prompts_digest(subjects: tuple[Subject, ...]) -> str:
    """The digest of a set of prompts, whatever their order."""
    return digest("bench prompts", *sorted(subject.digest for subject in subjects))


def encode(report: Report) -> bytes:
    """JSON in UTF-8, indented; the same report is the same bytes."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


def decode(data: bytes, name: str) -> Report:
    """Reads a report; `name` is what the error calls the file.

    Raises:
        BaselineError: it is no JSON, of another version, has a wrong field or contradicts itself.
    """
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BaselineError(f"{name}: is not JSON: {error}; {_ANEW}") from error
    if not isinstance(raw, dict):
        raise BaselineError(f"{name}: $: must be an object; got {shown(raw)}; {_ANEW}")
    if raw.get("format") != FORMAT:
        got = shown(raw.get("format"))
        raise BaselineError(f"{name}: format: must be {FORMAT!r}; got {got}; {_ANEW}")
    if fault := _not_finite(raw):
        raise BaselineError(f"{name}: {fault}; {_ANEW}")
    try:
        report = msgspec.convert(raw, Report)
    except msgspec.ValidationError as error:
        raise BaselineError(f"{name}: {_explained(raw, str(error))}; {_ANEW}") from error
    if fault := _contradiction(report):
        raise BaselineError(f"{name}: {fault}; {_ANEW}")
    return report


def _explained(raw: object, message: str) -> str:
    """msgspec's message with the field first and the value, which it leaves out."""
    what, _, path = message.partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    value = raw
    for key, index in re.findall(r"\.(\w+)|\[(\d+)\]", "." + field):
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and index and int(index) < len(value):
            value = value[int(index)]
        else:
            return f"{field}: {what}"
    return f"{field or '$'}: {what}; got {shown(value)}"


def _not_finite(raw: object) -> str | None:
    """The first number without end, which Python's JSON knows: a gate against it would hold for ever."""
    waiting: list[tuple[str, object]] = [("", raw)]
    while waiting:
        field, value = waiting.pop()
        if isinstance(value, float) and not math.isfinite(value):
            return f"{field}: must be a finite number; got {value}"
        if isinstance(value, dict):
            waiting += [(f"{field}.{key}".lstrip("."), each) for key, each in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{field}[{place}]", each) for place, each in enumerate(value)]
    return None


def _contradiction(report: Report) -> str | None:
    known = {subject.digest for subject in report.subjects}
    if report.conditions.prompts != prompts_digest(report.subjects):
        return f"conditions.prompts: is not the digest of its subjects; got {report.conditions.prompts!r}"
    names = Counter(engine.engine for engine in report.engines)
    if twice := [name for name, count in names.items() if count > 1]:
        return f"engines: {twice[0]!r} is there {names[twice[0]]} times"
    for place, engine in enumerate(report.engines):
        for index, sample in enumerate(engine.samples):
            field = f"engines[{place}].samples[{index}]"
            if sample.engine != engine.engine:
                return f"{field}.engine: must be {engine.engine!r}; got {sample.engine!r}"
            if sample.digest not in known:
                return f"{field}.digest: is that of no subject; got {sample.digest!r}"
        pairs = Counter((sample.pair, sample.warm_up) for sample in engine.samples)
        if repeated := [pair for (pair, _), count in pairs.items() if count > 1]:
            prompt, seed = repeated[0]
            return f"engines[{place}].samples: prompt {prompt[:12]} with seed {seed} is there more than once"
    return None
