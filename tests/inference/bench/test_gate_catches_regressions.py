"""The gate sees what was made worse on purpose, in pictures of a real model read by a real reader.

The tiny SD3.5 draws a dozen held-out titles through `glyphstream bench`, in this process so that its parts
can be changed; RapidOCR reads them in its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pytest
import torch
from PIL import Image
from torch.nn.functional import conv2d, pad

from inference.bench.baseline import Report, decode
from inference.legibility import folding, judgement, looking
from inference.legibility.base import Line
from inference.legibility.rapid import RapidReader
from inference.sd3.base import Drawing
from inference.sd3.checkpoint import Checkpoint, find
from inference.sd3.choosing import TINY
from inference.sd3.device import Choice
from inference.sd3.loading import Loaded, load
from inference.sd3.process import Drawn
from inference.sd3.tiny.words import draw_held_out
from schemas.events import Legibility, Text
from streams.cli import main
from tests.support.ablations import drawn

# One baseline serves all of them.
pytestmark = pytest.mark.xdist_group("the gate's baseline")

PROMPTS: Final = 12
SEED: Final = 6
GATE: Final = "legibility < baseline - 0.02"
_CPU: Final = Choice("cpu", "float32", "for the test")
# In pixels. Titles are some 40 high and are read as well as sharp ones up to 5: 0.87 for 0.88.
_BLUR: Final = 8.0

Seeded = Callable[[Loaded], contextlib.AbstractContextManager[None]]


class Painter:
    """Draws in this process with a model that may be changed, and keeps what it drew at first."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.kept: dict[Drawing, bytes] = {}
        self.replays = False

    async def warm(self, checkpoint: Checkpoint) -> None:
        pass

    async def draw(self, checkpoint: Checkpoint, drawing: Drawing) -> Drawn:  # noqa: ARG002 # as a painter is asked
        if self.replays:
            return Drawn(self.kept[drawing], 1.0)
        (pixels,) = drawn(self.loaded, [drawing], "none")
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG", compress_level=1)
        self.kept.setdefault(drawing, out.getvalue())
        return Drawn(out.getvalue(), 1.0)

    async def aclose(self) -> None:
        pass


class ReadersHere:
    """`OcrService` in this process, where its normaliser can be changed."""

    def __init__(self, _names: Sequence[str]) -> None:
        self._reader = RapidReader(threads=1)
        self.coverage: Mapping[str, frozenset[str]] = {self._reader.name: self._reader.characters()}

    async def start(self) -> None:
        pass

    async def read(self, png: bytes) -> Mapping[str, tuple[Line, ...]]:
        return {name: seen.lines for name, seen in looking.look([self._reader], _picture(png)).items()}

    async def judge(self, png: bytes, texts: Sequence[Text], *, by_construction: bool = False) -> Legibility:
        return looking.judge([self._reader], _picture(png), texts, by_construction=by_construction)

    async def aclose(self) -> None:
        pass


def _picture(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


@dataclasses.dataclass(frozen=True, slots=True)
class Bench:
    """The command line over the dozen prompts, each run in a folder of its own."""

    folder: Path
    painter: Painter

    def run(self, name: str, *more: str) -> int:
        with pytest.MonkeyPatch.context() as patched, pytest.raises(SystemExit) as left:
            patched.setenv("GLYPHSTREAM_SD3_LOCAL", _setting())
            patched.setattr(
                "inference.engines.local_sd3.ModelService", lambda _choice, **_watch: self.painter
            )
            main(
                [
                    "bench", "--models", "sd3.5_local", "--prompts", str(self.folder / "prompts.jsonl"),
                    "--samples", "1", "--warm-up", "0", "--reader", "rapidocr",
                    "--out", str(self.folder / name), "--json", str(self.folder / f"{name}.json"), *more,
                ]
            )  # fmt: skip
        assert isinstance(left.value.code, int)
        return left.value.code

    def gated(self, name: str, condition: str = GATE) -> int:
        return self.run(name, "--baseline", str(self.folder / "base.json"), "--fail-if", condition)

    def report(self, name: str) -> Report:
        return decode((self.folder / f"{name}.json").read_bytes(), name)


def _setting() -> str:
    source = TINY["sd3.5_local"]
    return f"{source.base}+{source.lora}"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """With a baseline recorded. The texts are asked for as people write them, the model has capitals only."""
    folder = tmp_path_factory.mktemp("gate")
    posters = draw_held_out(np.random.default_rng(SEED), PROMPTS)
    events = [
        {
            "source": "gate",
            "id": f"p{number}",
            "prompt": poster.prompt,
            "texts": [{"text": poster.title.capitalize()}],
            "width": 256,
            "height": 256,
        }
        for number, poster in enumerate(posters)
    ]
    (folder / "prompts.jsonl").write_bytes(b"\n".join(map(orjson.dumps, events)))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        made = Bench(folder, Painter(load(find(TINY["sd3.5_local"]), _CPU)))
        assert made.run("base") == 0
        yield made
    finally:
        torch.set_num_threads(threads)


def _scores(report: Report) -> list[float | None]:
    return [sample.score for sample in report.engines[0].samples]


def _images(report: Report) -> list[str]:
    return [Path(sample.image).name for sample in report.engines[0].samples]


def test_an_unchanged_run_draws_the_same_bytes_and_passes(bench: Bench) -> None:
    assert bench.gated("unchanged") == 0
    base, again = bench.report("base"), bench.report("unchanged")
    assert _images(again) == _images(base)
    assert _scores(again) == _scores(base)
    assert np.mean([score or 0.0 for score in _scores(base)]) > 0.5


def test_a_significant_fall_is_asked_for_where_luck_may_differ(bench: Bench) -> None:
    assert bench.gated("significantly", "legibility significantly < baseline - 0.02") == 0


def _blurred(picture: torch.Tensor) -> torch.Tensor:
    """By a Gaussian of `_BLUR` pixels; (1, 3, height, width)."""
    reach = int(3 * _BLUR)
    bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / _BLUR) ** 2)
    row = (bell / bell.sum()).expand(3, 1, 1, -1)
    wide = pad(picture, [reach] * 4, mode="reflect")
    return conv2d(conv2d(wide, row, groups=3), row.mT, groups=3)


@contextlib.contextmanager
def blurred_decode(loaded: Loaded) -> Iterator[None]:
    vae: Any = loaded.pipeline.vae
    whole = vae.decode

    def decode_blurred(latents: torch.Tensor, *, return_dict: bool) -> tuple[torch.Tensor]:
        return (_blurred(whole(latents, return_dict=return_dict)[0]),)

    vae.decode = decode_blurred
    try:
        yield
    finally:
        vae.decode = whole


@contextlib.contextmanager
def halved_attention_scale(loaded: Loaded) -> Iterator[None]:
    """The queries' norm is linear in its weight: halved, attention has 1 / (2 sqrt(d)) for 1 / sqrt(d)."""
    norms = [
        norm
        for module in loaded.pipeline.transformer.modules()
        for name in ("norm_q", "norm_added_q")
        if (norm := getattr(module, name, None)) is not None
    ]
    assert norms
    for norm in norms:
        norm.weight.mul_(0.5)
    try:
        yield
    finally:
        for norm in norms:
            norm.weight.mul_(2.0)


@pytest.mark.parametrize("seeded", [blurred_decode, halved_attention_scale])
def test_a_worse_picture_trips_and_is_named(
    bench: Bench, seeded: Seeded, capfd: pytest.CaptureFixture[str]
) -> None:
    with seeded(bench.painter.loaded):
        code = bench.gated(seeded.__name__)
    said = capfd.readouterr().out
    assert code == 1
    assert f"sd3.5_local: {GATE}: trips: " in said
    assert [line for line in said.splitlines() if " before, " in line and line.endswith(".png")]


def _case_kept(text: str) -> str:
    return folding.strict(text)


def _digits_dropped(text: str, characters: frozenset[str]) -> str:
    return "".join(each for each in folding.readable(text, characters) if not each.isdigit())


@pytest.mark.parametrize(
    ("module", "name", "worse", "code"),
    [
        (folding, "tolerant", folding.tolerant, 0),
        (folding, "tolerant", _case_kept, 1),
        (judgement, "readable", _digits_dropped, 1),
    ],
    ids=["sound", "case kept", "digits dropped"],
)
def test_a_worse_normaliser_trips_over_the_same_pictures(
    bench: Bench, module: object, name: str, worse: Callable[..., str], code: int
) -> None:
    run = f"{name}-{worse.__name__}"
    bench.painter.replays = True
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("inference.bench.room.OcrService", ReadersHere)
            patched.setattr(module, name, worse)
            folding.units.cache_clear()
            assert bench.gated(run) == code
    finally:
        folding.units.cache_clear()
        bench.painter.replays = False
    assert _images(bench.report(run)) == _images(bench.report("base"))
