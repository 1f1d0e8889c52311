"""One measurement: its models, what is timed and drawn, and the folder where all of it is kept."""

from __future__ import annotations

import importlib.metadata
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch

from inference.sd3.checkpoint import Source
from inference.sd3.tiny.drawing import draw
from inference.typography.canvas import Pixels
from tests.bench import machine
from tests.bench.tiny.artist import Artist, chosen
from tests.bench.tiny.journal import Journal, Read, fill
from tests.bench.tiny.pictures import ASKED, DISTILLED, PREVIEW, Counts, Picture, Setting, Variant, wanted
from tests.bench.tiny.report import Told
from tests.bench.tiny.speed import TIMED, WARM, Speed, measure

TIMED_SETTINGS: Final = (DISTILLED, PREVIEW, ASKED)
TELL_EVERY_S: Final = 20.0
READING_S: Final = 0.3
# Drawn from the fonts' outlines by this repository, whatever the checkpoint.
CLEAN_MODEL: Final = "outlines"

Artists = Mapping[Variant, Artist]


@dataclass(frozen=True, slots=True)
class Session:
    """Keeps everything in `folder`; `say` hears how it goes."""

    folder: Path
    say: Callable[[str], None]

    def load(self, base: str, distilled: str | None, threads: int, command: str) -> Artists:
        """Loads the models, and notes what they are for the page."""
        torch.set_num_threads(threads)
        choice = chosen()
        artists: dict[Variant, Artist] = {"base": Artist.of(Source.parse(base), choice)}
        if distilled:
            artists["distilled"] = Artist.of(Source.parse(f"{base}+{distilled}"), choice)
        told = Told(
            command=command,
            models={"clean": CLEAN_MODEL, **{name: each.model for name, each in artists.items()}},
            device=choice.device,
            dtype=artists["base"].dtype,
            machine={
                **machine.described(),
                "torch": torch.__version__,
                "diffusers": importlib.metadata.version("diffusers"),
            },
        )
        self._write("told.json", asdict(told))
        return artists

    def told(self) -> Told:
        """What `load` noted last.

        Raises:
            SystemExit: nothing was measured into this folder.
        """
        plain = self._read("told.json")
        if plain is None:
            raise SystemExit(f"{self.folder}: nothing was measured here yet: leave `report` out")
        return Told(**plain)

    def time(self, artists: Artists, *, again: bool) -> None:
        """Times what was not timed with these models, or everything `again`."""
        models = {name: artist.model for name, artist in artists.items()}
        kept = [] if again else self._timings(models)
        done = [Setting(**each["setting"]) for each in kept]
        for setting in TIMED_SETTINGS:
            artist = artists.get(setting.variant)
            if artist is None or setting in done:
                continue
            self.say(f"timing {setting.name}: {WARM} pictures to warm up, {TIMED} timed")
            speed = measure(artist, setting)
            self.say(f"{statistics.median(speed.walls):.2f} s a picture")
            kept.append({"model": artist.model, **asdict(speed)})
            self._write("speeds.json", kept)

    def speeds(self) -> list[Speed]:
        """Of the models last loaded."""
        return [Speed.of(each) for each in self._timings(self.told().models)]

    def draw(self, artists: Artists, counts: Counts) -> None:
        """Draws and reads what is missing of the posters."""
        pictures = wanted(counts, distilled="distilled" in artists)
        journal = Journal.open(self.folder, self.told().models, pictures)
        left = journal.missing(pictures)
        self.say(f"{len(left)} of {len(pictures)} pictures to draw and read{self._guess(left)}")
        began = told = time.monotonic()

        def tell(remaining: int, read: Read) -> None:
            nonlocal told
            if time.monotonic() - told >= TELL_EVERY_S or not remaining:
                told = time.monotonic()
                word = "read" if read.exact else "misread"
                self.say(
                    f"{remaining} left after {told - began:.0f} s; last: {read.picture.name} "
                    f"{read.picture.poster.title} {word}"
                )

        def drawn(picture: Picture) -> Pixels:
            variant = picture.setting.variant
            return draw(picture.poster) if variant == "clean" else artists[variant].draw(picture)

        fill(journal, pictures, drawn, tell)

    def _guess(self, left: Sequence[Picture]) -> str:
        """How long it may take, from what was timed of the nearest setting."""
        speeds = self.speeds()
        if not speeds:
            return ""
        seconds = READING_S * len(left)
        for picture in left:
            rows = picture.setting.rows
            near = min(speeds, key=lambda speed: abs(speed.setting.rows - rows))
            seconds += near.guess(picture.setting) if rows else 0.0
        return f", about {seconds / 60:.0f} minutes"

    def _timings(self, models: Mapping[Variant, str]) -> list[dict[str, Any]]:
        plain: list[dict[str, Any]] = self._read("speeds.json") or []
        return [each for each in plain if models.get(each["setting"]["variant"]) == each["model"]]

    def _read(self, name: str) -> Any:
        path = self.folder / name
        return json.loads(path.read_text("utf-8")) if path.exists() else None

    def _write(self, name: str, plain: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f"{name}.partial"
        partial.write_text(json.dumps(plain, indent=1), "utf-8")
        partial.replace(self.folder / name)
