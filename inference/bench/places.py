"""Where a report's pictures lie: in a file beside them by their way from it, so that both can move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import msgspec

from inference.bench.baseline import Report
from inference.bench.samples import Sample


def told_from(folder: Path, report: Report) -> Report:
    """The report as a file in `folder` tells it: pictures below it by their way from there, others whole."""
    here = folder.resolve()

    def way(uri: str) -> str:
        parts = urlsplit(uri)
        path = Path(unquote(parts.path))
        below = parts.scheme == "file" and path.is_relative_to(here)
        return quote(path.relative_to(here).as_posix()) if below else uri

    return _moved(report, way)


def found_from(folder: Path, report: Report) -> Report:
    """What `told_from` told, each picture by its own uri again."""
    here = folder.resolve()

    def whole(uri: str) -> str:
        return uri if not uri or urlsplit(uri).scheme else (here / unquote(uri)).as_uri()

    return _moved(report, whole)


def _moved(report: Report, move: Callable[[str], str]) -> Report:
    engines = (
        msgspec.structs.replace(engine, samples=tuple(_sample(each, move) for each in engine.samples))
        for engine in report.engines
    )
    return msgspec.structs.replace(report, engines=tuple(engines))


def _sample(sample: Sample, move: Callable[[str], str]) -> Sample:
    told = sample.agreement
    if told is not None:
        apart = (replace(each, picture=move(each.picture)) for each in told.disagreements)
        told = replace(told, disagreements=tuple(apart))
    return replace(sample, image=move(sample.image), agreement=told)
