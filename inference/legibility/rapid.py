"""RapidOCR with the PP-OCRv6 weights that its wheel carries. Nothing is ever downloaded."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from inference.legibility.base import Line
from inference.legibility.pixels import decode
from inference.legibility.weights import WeightsRefused

_DETECTOR: Final = "PP-OCRv6_det_small.onnx"
_RECOGNISER: Final = "PP-OCRv6_rec_small.onnx"
_CLASSIFIER: Final = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"
# The detector sees the longest side at so many pixels at most; letters are then read at full size. By
# default it sees the shortest at 736 or more, and cuts words of 200 pixels and taller in two: of 100 clean
# posters (192 to 2,048 pixels, type of 10 to 340) that read 81, this 99, at a third of the CPU time.
_DETECTION_SIDE: Final = 736


def characters() -> frozenset[str]:
    """What the recogniser can print, from the list in its own metadata. Imports onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        str(_model(_RECOGNISER)), sess_options=options, providers=["CPUExecutionProvider"]
    )
    listed: str = session.get_modelmeta().custom_metadata_map["character"]
    return frozenset(listed.splitlines()) | {" "}


class RapidReader:
    """`threads` of the CPU are used by each of its networks."""

    def __init__(self, *, threads: int) -> None:
        import cv2
        from rapidocr import RapidOCR

        cv2.setNumThreads(threads)
        self.name = f"rapidocr-{version('rapidocr')}/PP-OCRv6-small"
        self._characters = characters()
        # A model path, where there is one, keeps RapidOCR from looking for a download.
        self._engine = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Det.limit_type": "max",
                "Det.limit_side_len": _DETECTION_SIDE,
                "Det.model_path": str(_model(_DETECTOR)),
                "Rec.model_path": str(_model(_RECOGNISER)),
                "Cls.model_path": str(_model(_CLASSIFIER)),
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        # The networks load at the first picture; that must not be a caller's.
        self._engine(np.full((64, 64, 3), 255, dtype=np.uint8))

    def characters(self) -> frozenset[str]:
        return self._characters

    def read(self, png: bytes) -> tuple[Line, ...]:
        bgr = np.ascontiguousarray(np.asarray(decode(png))[:, :, ::-1])
        found: Any = self._engine(bgr)
        if found.txts is None:
            return ()
        return tuple(
            Line(text, float(score), tuple((float(x), float(y)) for x, y in box), self.name)
            for text, score, box in zip(found.txts, found.scores, found.boxes, strict=True)
        )


def _model(name: str) -> Path:
    spec = find_spec("rapidocr")
    if spec is None or spec.origin is None:
        raise WeightsRefused("rapidocr is not installed: pip install rapidocr onnxruntime")
    path = Path(spec.origin).parent / "models" / name
    if not path.is_file():
        raise WeightsRefused(f"rapidocr {version('rapidocr')} carries no {name}: install rapidocr 3.10.0")
    return path
