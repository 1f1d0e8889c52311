"""results: what the line made, as it is made, with its pictures."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schemas.events import Result
from schemas.faults import BadEvent
from schemas.ids import digest
from schemas.topics import RESULTS
from schemas.wire import decode, encode
from streams.commands.choices import opened_store
from streams.commands.terminal import dollars, safe
from streams.commands.verb import WITH_BROKER, App, Failure, pass_app, verb
from streams.settings import Settings

if TYPE_CHECKING:
    from inference.assets import AssetStore
    from streams.scan import Scan

_UNSAFE_IN_NAMES = re.compile(r"[^\w.@+-]+")
_LONGEST_PART = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which results are shown, and when reading ends. Times are in seconds."""

    follow: bool
    everything: bool
    source: str | None
    id: str | None
    count: int | None
    timeout_s: float | None

    def takes(self, result: Result) -> bool:
        return (
            (self.everything or result.final)
            and self.source in (None, result.ref.source)
            and self.id in (None, result.ref.id)
        )


@verb(
    "results",
    examples=(
        "glyphstream results",
        "glyphstream results --follow --save pictures",
        "glyphstream results --source me --id 1 --follow --count 1 --timeout 120 --json",
    ),
    exits=WITH_BROKER,
)
@click.option("--follow", "-f", is_flag=True, help="Wait for more, until Ctrl-C, --count or --timeout.")
@click.option("--save", type=click.Path(path_type=Path, file_okay=False), help="Put the pictures here.")
@click.option("--all", "everything", is_flag=True, help="Previews too, not only finals.")
@click.option("--source", help="Only of this source.")
@click.option("--id", "prompt_id", help="Only of the prompt with this id.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after so many; exit 1 when there are fewer.")
@click.option("--timeout", type=click.FloatRange(min=0), help="With --follow: stop after so many seconds.")
@click.option("--json", "as_json", is_flag=True, help="The result events as JSON lines, plus `saved`.")
@pass_app
def command(
    app: App,
    follow: bool,
    save: Path | None,
    everything: bool,
    source: str | None,
    prompt_id: str | None,
    count: int | None,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Read results, and save their pictures.

    Reads committed results from the first one on: exactly one final for each prompt, variant and locale.
    With --save each picture is fetched from the asset store, its SHA-256 is checked, and it is written
    under a name made of source, id, variant, locale and status.
    """
    if timeout is not None and not follow:
        raise click.UsageError(
            "--timeout needs --follow: without it reading ends at the last record; "
            "add --follow or leave --timeout out"
        )
    wanted = Wanted(
        follow=follow, everything=everything, source=source, id=prompt_id, count=count, timeout_s=timeout
    )
    shown = asyncio.run(_show(app.settings(), wanted, save, as_json=as_json))
    if count is not None and shown < count:
        raise Failure(f"{shown} of {count} results; --follow waits for more, --timeout says how long")


async def _show(settings: Settings, wanted: Wanted, save: Path | None, *, as_json: bool) -> int:
    store = opened_store(settings) if save is not None else None
    shown = 0
    async with contextlib.aclosing(_results(settings, wanted)) as results:
        async for result in results:
            saved = await _save(result, store, save) if store is not None and save is not None else None
            click.echo(_json_line(result, saved) if as_json else _line(result, saved))
            shown += 1
            if shown == wanted.count:
                break
    return shown


async def _results(settings: Settings, wanted: Wanted) -> AsyncGenerator[Result, None]:
    from streams.commands.reading import scan_or_failure

    async with scan_or_failure(settings, [RESULTS.name]) as scan:
        async for value in _values(scan, wanted):
            try:
                result = decode(Result, value)
            except BadEvent as error:
                click.echo(f"warning: a record on {RESULTS.name} is no result: {error.summary}", err=True)
                continue
            if wanted.takes(result):
                yield result


async def _values(scan: Scan, wanted: Wanted) -> AsyncIterator[bytes | None]:
    until = time.monotonic() + wanted.timeout_s if wanted.timeout_s is not None else None
    if not wanted.follow:
        async for record in scan.to_end():
            yield record.value
        return
    while until is None or time.monotonic() < until:
        for record in await scan.poll():
            yield record.value


async def _save(result: Result, store: AssetStore, folder: Path) -> Path | None:
    """The file written, or None where the result has no picture."""
    if result.pictures is None:
        return None
    from inference.assets import AssetError

    image = result.pictures.image
    try:
        data = await store.get(image)
    except AssetError as error:
        raise Failure(f"{error}; is --assets the store that the line writes to?") from error
    path = folder / file_name(result, image.media_type)
    await asyncio.to_thread(_write, path, data)
    return path


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def file_name(result: Result, media_type: str) -> str:
    """`source-id-v0-en-accepted.png`, safe on any file system; one name for one result.

    Where a name had to be changed to be safe, a few digits of its hash keep it apart from others.
    """
    from inference.assets import EXTENSIONS

    ref = result.ref
    parts = [_safe_part(ref.source), _safe_part(ref.id), f"v{ref.variant}", _safe_part(result.locale)]
    parts.append(result.status or f"preview{len(result.attempts)}")
    if [_safe_part(ref.source), _safe_part(ref.id)] != [ref.source, ref.id] or "-" in ref.source:
        parts.append(digest(ref.source, ref.id)[:8])
    return "-".join(part for part in parts if part) + "." + EXTENSIONS.get(media_type, "bin")


def _safe_part(text: str) -> str:
    return _UNSAFE_IN_NAMES.sub("_", text)[:_LONGEST_PART].strip(".")


def _json_line(result: Result, saved: Path | None) -> bytes:
    import orjson

    event: dict[str, Any] = orjson.loads(encode(result))
    return orjson.dumps(event | {"saved": str(saved)} if saved is not None else event)


def _line(result: Result, saved: Path | None) -> str:
    ref = result.ref
    score = result.legibility.score if result.legibility is not None else None
    parts = [
        f"{result.status or 'preview':<12}",
        f"{safe(ref.source)}/{safe(ref.id)} v{ref.variant} {result.locale}".rstrip(),
        f"{result.engine or 'no engine'}{' (emulated)' if result.emulated else ''}",
        "unscored" if score is None else f"score {score:.2f}",
        "1 attempt" if len(result.attempts) == 1 else f"{len(result.attempts)} attempts",
        f"{result.seconds:.1f} s",
        dollars(result.usd),
    ]
    if result.status != "accepted":
        parts.append(safe(result.reason))
    where = (
        str(saved) if saved is not None else result.pictures.image.uri if result.pictures else "no picture"
    )
    return "  ".join([*parts, safe(where)])
