"""What was drawn and read so far: a line for each picture, and the pictures themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inference.legibility.folding import tolerant
from inference.sd3.tiny import reading
from inference.sd3.tiny.reading import Texts
from inference.typography.canvas import Pixels
from tests.bench.tiny.pictures import Picture, Variant


@dataclass(frozen=True, slots=True)
class Read:
    """One picture as read: its two lines, folded as the score folds them."""

    picture: Picture
    title: str
    second: str

    @property
    def texts(self) -> Texts:
        return Texts(self.title, self.second)

    @property
    def exact(self) -> bool:
        """Both lines without a fault, and nothing low where no second line belongs."""
        return reading.is_exact(self.picture.poster, self.texts)

    @property
    def title_exact(self) -> bool:
        return self.title == tolerant(self.picture.poster.title)

    @property
    def second_exact(self) -> bool:
        return self.second == tolerant(self.picture.poster.second)

    @property
    def letters(self) -> float:
        """The share of the title's letters that are right."""
        return reading.letters_right(self.picture.poster, self.texts)


@dataclass(slots=True)
class Journal:
    """Appends as it goes: whatever kills the run, what was read stays read."""

    folder: Path
    models: Mapping[Variant, str]
    found: dict[str, Read] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, models: Mapping[Variant, str], pictures: Iterable[Picture]) -> Journal:
        """What `folder` has of `pictures` by these `models`; a line that was cut off counts for nothing."""
        journal = cls(folder, models)
        folder.mkdir(parents=True, exist_ok=True)
        by_name = {picture.name: picture for picture in pictures}
        for line in journal._lines():
            picture = by_name.get(line["picture"])
            if picture is None:
                continue
            # The last line tells whose picture lies in the file.
            journal.found.pop(picture.name, None)
            if {**line, **journal._identity(picture)} == line:
                journal.found[picture.name] = Read(picture, line["title"], line["second"])
        return journal

    def missing(self, pictures: Iterable[Picture]) -> list[Picture]:
        return [picture for picture in pictures if picture.name not in self.found]

    def keep(self, picture: Picture, pixels: Pixels) -> Read:
        """Saves, reads and notes one picture."""
        path = self.path(picture)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(pixels)).save(path, compress_level=1)
        read = Read(picture, *reading.read(pixels[None])[0])
        line = {**self._identity(picture), "title": read.title, "second": read.second}
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.found[picture.name] = read
        return read

    def pixels(self, picture: Picture) -> Pixels:
        with Image.open(self.path(picture)) as image:
            return np.asarray(image.convert("RGB"))

    def path(self, picture: Picture) -> Path:
        return self.folder / f"{picture.name}.png"

    def _identity(self, picture: Picture) -> dict[str, Any]:
        model = self.models[picture.setting.variant]
        return {"picture": picture.name, "model": model, "poster": asdict(picture.poster)}

    @property
    def _file(self) -> Path:
        return self.folder / "readings.jsonl"

    def _lines(self) -> Iterable[Mapping[str, Any]]:
        if not self._file.exists():
            return
        for text in self._file.read_text("utf-8").splitlines():
            try:
                yield json.loads(text)
            except json.JSONDecodeError:
                continue


def fill(
    journal: Journal,
    pictures: Iterable[Picture],
    draw: Callable[[Picture], Pixels],
    tell: Callable[[int, Read], None],
) -> None:
    """Draws and reads what is missing; `tell` hears how many are left, and of each as it is read."""
    left = journal.missing(pictures)
    for done, picture in enumerate(left, 1):
        tell(len(left) - done, journal.keep(picture, draw(picture)))
