"""Prompts out of a file: one JSON object, an array, or JSON lines; checked all together."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from schemas.events import PromptEvent
from schemas.faults import BadEvent
from schemas.wire import decode, duplicate_fields, unknown_fields
from streams.commands.verb import Failure

FILE_OR_STDIN = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@dataclass(frozen=True, slots=True)
class Document:
    """One event's own bytes, and where they were: `line 3`, `item 2`."""

    place: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Placed:
    place: str
    event: PromptEvent


@dataclass(frozen=True, slots=True)
class Checked:
    """`faults` and `warnings` are whole lines, each naming its place and field."""

    prompts: tuple[Placed, ...]
    faults: tuple[str, ...]
    warnings: tuple[str, ...]


def read_documents(path: Path) -> tuple[Document, ...]:
    """The documents of a file, or of standard input where `path` is `-`.

    Raises:
        Failure: the file cannot be read, or holds nothing.
    """
    name = "standard input" if str(path) == "-" else str(path)
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise Failure(f"{name}: {error.strerror or error}; give a file, or - to pipe") from error
    documents = split_documents(data)
    if not documents:
        raise Failure(f"{name}: is empty; give one JSON object, an array, or one object a line")
    return documents


def split_documents(data: bytes) -> tuple[Document, ...]:
    """Cuts a file into its events; bytes that are no JSON are cut at their line ends."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        whole = msgspec.json.decode(data, type=list[msgspec.Raw] | dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        lines = enumerate(data.splitlines(), 1)
        return tuple(Document(f"line {number}", line) for number, line in lines if line.strip())
    if isinstance(whole, dict):
        return (Document("line 1", data),)
    return tuple(Document(f"item {number}", bytes(raw)) for number, raw in enumerate(whole, 1))


def check(documents: Iterable[Document]) -> Checked:
    """Decodes every document, so that all faults of all of them can be told at once."""
    prompts: list[Placed] = []
    faults: list[str] = []
    warnings: list[str] = []
    for document in documents:
        twice = duplicate_fields(document.raw)
        faults += [f"{document.place}: {name}: is given twice; keep one" for name in twice]
        warnings += [
            f"{document.place}: {name}: unknown field, nobody reads it"
            for name in unknown_fields(PromptEvent, document.raw)
        ]
        try:
            prompts.append(Placed(document.place, decode(PromptEvent, document.raw)))
        except BadEvent as error:
            faults += [f"{document.place}: {fault}" for fault in error.faults]
    faults += _same_name(prompts)
    return Checked(tuple(prompts), tuple(faults), tuple(warnings))


def _same_name(prompts: Iterable[Placed]) -> list[str]:
    """Two different prompts of one (source, id): the second would be taken for a resend and dropped."""
    first: dict[tuple[str, str], Placed] = {}
    faults = []
    for placed in prompts:
        earlier = first.setdefault((placed.event.source, placed.event.id), placed)
        if earlier.event != placed.event:
            faults.append(
                f"{placed.place}: id: is the same as on {earlier.place}, source too, with other content; "
                f"got {placed.event.id!r}; give it an id of its own"
            )
    return faults


def checked_or_failure(path: Path) -> Checked:
    """The prompts of a file, warnings told on standard error.

    Raises:
        Failure: lists every fault of every line.
    """
    checked = check(read_documents(path))
    for warning in checked.warnings:
        click.echo(f"warning: {warning}", err=True)
    if checked.faults:
        for fault in checked.faults:
            click.echo(fault, err=True)
        count = len(checked.faults)
        raise Failure(f"{path}: {count} fault{'s' if count > 1 else ''}, nothing was done; mend them")
    return checked
