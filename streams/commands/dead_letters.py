"""dead-letters: what could not be worked on, and why."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from schemas.topics import DEAD_LETTERS
from streams.commands.terminal import cells, console, echo_json, safe, safe_bytes, table
from streams.commands.verb import WITH_BROKER, App, Failure, VerbGroup, pass_app, subverb
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.runtime.records import Record

SHOWN_BYTES = 4_096
_OURS = ("x-error-", "x-original-")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record of the dead-letters topic, its headers as text."""

    partition: int
    offset: int
    at: dt.datetime
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, record: Record) -> DeadLetter:
        headers = tuple((name, value.decode("utf-8", "backslashreplace")) for name, value in record.headers)
        at = dt.datetime.fromtimestamp(record.timestamp / 1000, dt.UTC)
        return cls(record.partition, record.offset, at, record.key, record.value, headers)

    @property
    def place(self) -> str:
        return f"{self.partition}:{self.offset}"

    def header(self, name: str) -> str:
        """The last header of that name: ours come after what the producer sent."""
        return dict(self.headers).get(name, "")


command = VerbGroup("dead-letters", help="List what could not be worked on, or show one.")
command.examples = ("glyphstream dead-letters list", "glyphstream dead-letters show 0:17")


@subverb(
    command,
    "list",
    examples=("glyphstream dead-letters list", "glyphstream dead-letters list --code not-json --json"),
    exits=WITH_BROKER,
)
@click.option("--stage", help="Only of this stage.")
@click.option("--code", help="Only with this error code.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a dead letter.")
@pass_app
def list_(app: App, stage: str | None, code: str | None, as_json: bool) -> None:
    """List dead letters, the oldest first.

    PLACE is partition and offset: what `dead-letters show` takes.
    """
    letters = [
        letter
        for letter in asyncio.run(_read_all(app.settings()))
        if stage in (None, letter.header("x-error-stage")) and code in (None, letter.header("x-error-code"))
    ]
    if as_json:
        for letter in letters:
            echo_json(_as_mapping(letter) | {"bytes": len(letter.value or b"")})
        return
    if not letters:
        click.echo("no dead letters")
        return
    shown = table("", "PLACE", "WHEN", "STAGE", "CODE", "FROM", "WHY")
    for letter in letters:
        origin = ":".join(letter.header(f"x-original-{part}") for part in ("topic", "partition", "offset"))
        why = letter.header("x-error-message").partition("\n")[0]
        when = f"{letter.at:%Y-%m-%d %H:%M:%S}"
        row = (letter.place, when, letter.header("x-error-stage"), letter.header("x-error-code"), origin, why)
        shown.add_row(*cells(*row))
    console().print(shown)


@subverb(
    command,
    "show",
    examples=("glyphstream dead-letters show 0:17", "glyphstream dead-letters show 0:17 --raw > record.bin"),
    exits=WITH_BROKER,
)
@click.argument("place", metavar="PARTITION:OFFSET")
@click.option("--raw", is_flag=True, help="Write the value's bytes as they are, nothing else.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object; the value as text with escapes.")
@pass_app
def show(app: App, place: str, raw: bool, as_json: bool) -> None:
    """Show one dead letter: why it is here, its headers, key and value.

    Control characters are shown as escapes, so that nothing in a record can steer the terminal.
    """
    partition, offset = _place(place)
    letter = asyncio.run(_read_one(app.settings(), partition, offset))
    if raw:
        sys.stdout.buffer.write(letter.value or b"")
    elif as_json:
        echo_json(_as_mapping(letter) | {"value": _text(letter.value)})
    else:
        _show(letter)


def _place(text: str) -> tuple[int, int]:
    left, colon, right = text.partition(":")
    if not colon or not left.isdecimal() or not right.isdecimal():
        raise click.BadParameter(
            f"{text!r} is no PARTITION:OFFSET such as 0:17; `glyphstream dead-letters list` shows them"
        )
    return int(left), int(right)


async def _read_all(settings: Settings) -> list[DeadLetter]:
    from streams.commands.reading import scan_or_failure

    async with scan_or_failure(settings, [DEAD_LETTERS.name]) as scan:
        letters = [DeadLetter.of(record) async for record in scan.to_end()]
    return sorted(letters, key=lambda letter: (letter.at, letter.partition, letter.offset))


async def _read_one(settings: Settings, partition: int, offset: int) -> DeadLetter:
    from streams.commands.reading import scan_or_failure

    topic = settings.topic_prefix + DEAD_LETTERS.name
    async with scan_or_failure(settings, [DEAD_LETTERS.name]) as scan:
        await scan.seek(topic, partition, offset)
        async for record in scan.to_end():
            if (record.partition, record.offset) == (partition, offset):
                return DeadLetter.of(record)
    raise Failure(
        f"offset {offset}: holds no record of {topic} partition {partition}; "
        "`glyphstream dead-letters list` shows those there are"
    )


def _as_mapping(letter: DeadLetter) -> dict[str, object]:
    headers: Mapping[str, str] = dict(letter.headers)
    return {
        "partition": letter.partition,
        "offset": letter.offset,
        "time": letter.at.isoformat(),
        "key": _text(letter.key),
        "headers": headers,
    }


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")


def _show(letter: DeadLetter) -> None:
    click.echo(safe(letter.header("x-error-message"), lines=True))
    click.echo()
    ours = [pair for pair in letter.headers if pair[0].startswith(_OURS) and pair[0] != "x-error-message"]
    theirs = [pair for pair in letter.headers if not pair[0].startswith(_OURS)]
    width = max((len(name) for name, _ in letter.headers), default=0)
    for name, value in [*ours, *theirs]:
        click.echo(f"{safe(name):<{width}}  {safe(value)}")
    click.echo()
    click.echo(f"key    {'null' if letter.key is None else safe_bytes(letter.key, limit=SHOWN_BYTES)}")
    if letter.value is None:
        click.echo("value  null")
    else:
        click.echo(f"value  {len(letter.value)} bytes")
        click.echo(safe_bytes(letter.value, limit=SHOWN_BYTES))
