"""RapidOCR with the PP-OCRv6 weights that its wheel carries. Nothing is ever downloaded."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from inference.legibility.alternatives import Spoken, Telling
from inference.legibility.base import Line, Seen
from inference.legibility.folding import in_both_cases
from inference.legibility.measured import unread
from inference.legibility.pixels import decode, enlarged
from inference.legibility.weights import WeightsRefused

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_DETECTOR: Final = "PP-OCRv6_det_small.onnx"
_RECOGNISER: Final = "PP-OCRv6_rec_small.onnx"
_CLASSIFIER: Final = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"
# The detector sees the longest side at so many pixels at most; letters are then read at full size. By
# default it sees the shortest at 736 or more, and cuts words of 200 pixels and taller in two: of 100 clean
# posters (192 to 2,048 pixels, type of 10 to 340) that read 81, this 99, at a third of the CPU time.
_DETECTION_SIDE: Final = 736
# Lines are recognised one by one at their own width, this one at least. In RapidOCR's batches of six each is
# padded to the widest, 320 pixels at least: half as much work again for the same texts.
_LEAST_WIDTH: Final = 160
# RapidOCR's own bound (`text_score`).
_CONFIDENT: Final = 0.5


def characters() -> frozenset[str]:
    """What the recogniser reads: the list in its own metadata, less the letters that it lists and misreads.

    Imports onnxruntime.
    """
    session = _session(_RECOGNISER, threads=1)
    listed: str = session.get_modelmeta().custom_metadata_map["character"]
    return in_both_cases(frozenset(listed.splitlines()) | {" "}) - unread()


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
                "Global.text_score": 0.0,
                "Det.limit_type": "max",
                "Det.limit_side_len": _DETECTION_SIDE,
                "Det.model_path": str(_model(_DETECTOR)),
                "Rec.model_path": str(_model(_RECOGNISER)),
                "Rec.rec_batch_num": 1,
                "Rec.rec_img_shape": [3, 48, _LEAST_WIDTH],
                "Cls.model_path": str(_model(_CLASSIFIER)),
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        # The networks load at the first picture; that must not be a caller's.
        finder: Any = self._engine._load_det_model()  # type: ignore[no-untyped-call]  # RapidOCR has no types
        recogniser: Any = self._engine._load_rec_model()  # type: ignore[no-untyped-call]  # RapidOCR has no types
        finder.session.session = _session(_DETECTOR, threads=threads)
        recogniser.session.session = _session(_RECOGNISER, threads=threads)
        recogniser.postprocess_op = Telling(recogniser.postprocess_op)

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
        found: Any = self._engine(np.ascontiguousarray(np.asarray(shown)[:, :, ::-1]))
        if found.txts is None:
            return Seen(())
        lines = tuple(
            Line(
                str(text),
                float(score),
                tuple((float(x) / factor, float(y) / factor) for x, y in box),
                self.name,
                alternatives=text.alternatives if isinstance(text, Spoken) else (),
            )
            for text, score, box in zip(found.txts, found.scores, found.boxes, strict=True)
        )
        return Seen(
            tuple(line for line in lines if line.confidence >= _CONFIDENT),
            tuple(line for line in lines if line.confidence < _CONFIDENT),
        )


def _session(name: str, *, threads: int) -> InferenceSession:
    """A network that keeps its memory between pictures and whose threads sleep while they wait.

    RapidOCR makes its own without an arena (a fifth more CPU time for finding) and with threads that spin
    (twice the CPU time of two threads on a busy machine); neither can be set through it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        str(_model(name)), sess_options=options, providers=["CPUExecutionProvider"]
    )


def _model(name: str) -> Path:
    spec = find_spec("rapidocr")
    if spec is None or spec.origin is None:
        raise WeightsRefused("rapidocr is not installed: pip install rapidocr onnxruntime")
    path = Path(spec.origin).parent / "models" / name
    if not path.is_file():
        raise WeightsRefused(f"rapidocr {version('rapidocr')} carries no {name}: install rapidocr 3.10.0")
    return path
