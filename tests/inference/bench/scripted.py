"""A studio whose engines write words into pixels, as a test scripts them, and whose reader finds them."""

from __future__ import annotations

import datetime as dt
import io
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from inference.assets import AssetStore
from inference.bench.asking import from_text
from inference.bench.engine import EngineContestant, Studio
from inference.bench.journal import Stamp
from inference.bench.running import Setup
from inference.bench.samples import Sample
from inference.engines.base import Engine, Picture
from inference.engines.entries import Billing, Entry, Price
from inference.engines.registry import Resolved
from inference.legibility.base import Line
from inference.legibility.score import score
from inference.render import RenderService
from schemas.events import Legibility, PromptEvent, Spec, Text

READER = "scripted 1"
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 %&")
TODAY = dt.date(2026, 11, 23)
STAMP = Stamp(
    score_version="scripted-score",
    readers=(READER,),
    machine="two cores",
    accept={"score": 0.85},
    usd_per_hour={},
)

# What an engine writes for a spec; it may raise what an engine may.
Script = Callable[[Spec], Sequence[str]]


def as_asked(spec: Spec) -> Sequence[str]:
    return [text.text for text in spec.texts]


def picture_of(lines: Sequence[str]) -> bytes:
    """A picture whose red values spell the lines."""
    words = "\n".join(lines).encode()
    image = Image.new("RGB", (32, 32))
    image.putdata([(byte, 0, 0) for byte in words.ljust(32 * 32, b"\0")])
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


class PixelReader:
    """Reads such pictures without a fault."""

    coverage: Mapping[str, frozenset[str]] = {READER: LETTERS}

    async def read(self, png: bytes) -> Mapping[str, tuple[Line, ...]]:
        image = Image.open(io.BytesIO(png)).convert("RGB")
        text = image.tobytes()[::3].rstrip(b"\0").decode()
        lines = tuple(
            Line(
                words,
                0.99,
                ((0, 40.0 * row), (400, 40.0 * row), (400, 40.0 * row + 20), (0, 40.0 * row + 20)),
            )
            for row, words in enumerate(text.split("\n"))
            if words
        )
        return {READER: lines}

    async def judge(self, png: bytes, texts: Sequence[Text], *, by_construction: bool = False) -> Legibility:
        return score(texts, await self.read(png), self.coverage, by_construction=by_construction)


@dataclass
class ScriptedEngine:
    script: Script
    usd: float = 0.0
    seconds: float = 1.0
    by_construction: bool = False
    drawn: list[Spec] = field(default_factory=list)

    async def render(self, spec: Spec, *, background: bytes | None = None) -> Picture:  # noqa: ARG002 # as engines are asked
        self.drawn.append(spec)
        return Picture(
            picture_of(self.script(spec)),
            "image/png",
            "m",
            usd=self.usd,
            seconds=self.seconds,
            by_construction=self.by_construction,
        )

    async def aclose(self) -> None:
        pass


def entry(name: str, **fields: Any) -> Entry:
    price = Price(priced_on=TODAY, per="cpu_second")
    return Entry(
        **{
            "name": name,
            "adapter": "fake",
            "model": "m",
            "title": name,
            "roles": ("final",),
            "price": price,
            **fields,
        }
    )


def hosted(name: str, usd: float = 0.04, **fields: Any) -> Entry:
    price = Price(priced_on=TODAY, usd=usd)
    return entry(name, price=price, key_env="PEN_KEY", billing=Billing(), **fields)


@dataclass
class Pool:
    """The scripted engines by name; an `emulated` one stands in for its own."""

    engines: Mapping[str, Engine]
    entries: Mapping[str, Entry] = field(default_factory=dict)
    emulated: frozenset[str] = frozenset()

    def resolve(self, name: str) -> Resolved:
        found = self.entries.get(name) or entry(name)
        return Resolved(name, found, "m", emulated=name in self.emulated)

    def engine_for(self, resolved: Resolved) -> Engine:
        return self.engines[resolved.name]

    def most_usd(self, _resolved: Resolved, _spec: Spec) -> float | None:
        return None


def studio_of(pool: Pool, *, readers: Any = None, environ: Mapping[str, str] | None = None) -> Studio:
    store = AssetStore.open("memory://")
    ticks = itertools.count()
    service = RenderService(pool, store, lambda: float(next(ticks)), no_cache=True)
    return Studio(pool, service, store, readers or PixelReader(), environ=environ or {})


def posters(count: int, words: str = "OPEN LATE") -> tuple[PromptEvent, ...]:
    return tuple(from_text(f'poster {n} says "{words}"', width=64, height=64) for n in range(count))


def setup_of(
    engines: Mapping[str, Script | ScriptedEngine], events: Sequence[PromptEvent], **fields: Any
) -> Setup:
    made = {
        name: each if isinstance(each, ScriptedEngine) else ScriptedEngine(each)
        for name, each in engines.items()
    }
    studio = studio_of(Pool(made, fields.pop("entries", {})), environ=fields.pop("environ", None))
    return Setup(
        contestants=[EngineContestant(name, studio) for name in made],
        events=events,
        **{"samples": 2, "seed": 1, "readers": (READER,), "machine": "two cores", "rounds": 100, **fields},
    )


def without_times(samples: Sequence[Sample]) -> list[Sample]:
    return [replace(sample, seconds=0.0, usd_infrastructure=0.0) for sample in samples]
