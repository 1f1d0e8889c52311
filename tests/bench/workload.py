"""The events that are routed: prompts as a poster shop sends them, and poison among them."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from schemas.events import PromptEvent, Text
from schemas.wire import encode, headers_for, key_for

POISON_HEADER = "x-poison"
SOURCE = "bench.poster-shop"
_TIME = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_SCENES = (
    "a ramen counter on a rainy street at night, neon in the puddles, steam under the awning",
    "a saxophone against a harbour at dusk, brass and deep teal, long diagonal shadows",
    "runners crossing a bridge at sunrise, bold flat colours, the river below them in haze",
    "a greenhouse full of citrus trees, hand-printed texture, warm paper and two inks",
    "an observatory on a ridge under the milky way, fine engraving lines, one accent colour",
)
_STYLES = ("Art deco poster", "Swiss style poster", "Risograph print", "Letterpress poster", "Film poster")
_TITLES = ("OPEN LATE", "Harbour Jazz", "Run the City", "Citrus Week", "Night of the Stars", "Salon No. 7")


@dataclass(frozen=True, slots=True)
class Row:
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def prompt(number: int) -> PromptEvent:
    """Every second one asks for a preview, every other for precise typography: both job topics fill."""
    title = f"{_TITLES[number % len(_TITLES)]} {number}"
    scene, style = _SCENES[number % len(_SCENES)], _STYLES[number // 3 % len(_STYLES)]
    preview = number % 2 == 0
    return PromptEvent(
        id=f"order-{number:08d}",
        source=SOURCE,
        prompt=f'{style}: {scene}. Headline "{title}", lots of empty space at the top.',
        texts=(Text(title, role="headline", critical=True),),
        width=768,
        height=1024,
        tags=("poster", "spring"),
        fast_preview=preview,
        requires_typography_precision=not preview,
        confidence=None if preview else 0.4,
        campaign=f"campaign-{number % 40}",
    )


def row(event: PromptEvent) -> Row:
    return Row(key_for(event), encode(event), headers_for(event, producer="bench", time=_TIME))


def good_rows(count: int) -> list[Row]:
    return [row(prompt(number)) for number in range(count)]


def _broken(number: int) -> Iterator[tuple[bytes | None, bytes | None]]:
    """One of each way in which strangers spoil a record; (key, value)."""
    event = prompt(number)
    key, body = key_for(event), orjson.loads(encode(event))
    yield key, b"this is no JSON"
    yield key, encode(event)[:-40]
    yield key, orjson.dumps({**body, "width": "wide"})
    yield key, orjson.dumps({name: value for name, value in body.items() if name != "prompt"})
    yield key, orjson.dumps({**body, "texts": [{"text": ""}]})
    yield key, b"\xff\xfe\x00\x01"
    yield key, orjson.dumps([body])
    yield key, None
    yield None, b"{}"
    yield key, b""


def poison_rows(count: int, *, first: int) -> list[Row]:
    """`count` records no stage can decode, each numbered in a header; their prompts begin at `first`."""
    rows = []
    for number in range(count):
        key, value = next(itertools.islice(_broken(first + number), number % 10, None))
        rows.append(Row(key, value, [(POISON_HEADER, str(number).encode())]))
    return rows


def mixed(good: Sequence[Row], poison: Sequence[Row], rng: random.Random) -> list[Row]:
    """The good rows in their order with the poison strewn in at random places."""
    places = sorted(rng.randrange(len(good) + 1) for _ in poison)
    rows: list[Row] = []
    done = 0
    for place, bad in zip(places, poison, strict=True):
        rows += good[done:place]
        rows.append(bad)
        done = place
    return rows + list(good[done:])
