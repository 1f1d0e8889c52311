"""From a spec to a drawing and back to a picture, with a painter that only pretends."""

from __future__ import annotations

import datetime as dt
import io
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from inference.assets import AssetStore
from inference.engines.base import Broken, EngineError, Transient, Unsupported
from inference.engines.local_sd3 import LocalModels, LocalSd3Engine, drawing_of, model_name
from inference.engines.registry import Engines, EngineUnavailable, load_registry
from inference.render import RenderService
from inference.sd3.base import CannotDraw, CheckpointError, Drawing, NotHere, OutOfMemory
from inference.sd3.checkpoint import Checkpoint, Defaults, Source
from inference.sd3.device import Choice
from inference.sd3.process import DrawFailed, Drawn, ProcessDied
from schemas.events import PromptRef, RenderJob, Spec
from tests.inference.engines.conftest import MakeSpec

CPU = Choice("cpu", "float32", "a test")
GPU = Choice("cuda", "bfloat16", "a test")


def make_checkpoint(base: str = "small", revision: str = "0123456789abcdef", **defaults: Any) -> Checkpoint:
    given: dict[str, Any] = {"steps": 28, "guidance": 4.5, **defaults}
    return Checkpoint(
        source=Source(base),
        folder=Path(base),
        lora_file=None,
        revision=revision,
        defaults=Defaults(**given),
        has_t5=True,
        variant="",
        name=base,
    )


TINY = make_checkpoint("tiny", sizes=("256x256",), guidance=3.0, language="tiny-posters-1", t5_tokens=36)


@dataclass(slots=True)
class Pretender:
    """Gives every drawing a picture of its size in a second and a half, or raises."""

    raises: Exception | None = None
    asked: list[tuple[Checkpoint, Drawing]] = field(default_factory=list)
    warmed: list[Checkpoint] = field(default_factory=list)
    closed: int = 0

    async def draw(self, checkpoint: Checkpoint, drawing: Drawing) -> Drawn:
        self.asked.append((checkpoint, drawing))
        if self.raises is not None:
            raise self.raises
        out = io.BytesIO()
        Image.new("RGB", (drawing.width, drawing.height), (drawing.seed % 256, 0, 0)).save(out, "PNG")
        return Drawn(out.getvalue(), 1.5)

    async def warm(self, checkpoint: Checkpoint) -> None:
        self.warmed.append(checkpoint)

    async def aclose(self) -> None:
        self.closed += 1


def engine(painter: Pretender, checkpoint: Checkpoint | None = None, choice: Choice = CPU) -> LocalSd3Engine:
    return LocalSd3Engine(painter, checkpoint or make_checkpoint(), choice, usd_per_hour=3600.0)


async def test_what_the_spec_leaves_open_is_the_checkpoints_and_is_not_named(make_spec: MakeSpec) -> None:
    painter = Pretender()
    picture = await engine(painter).render(make_spec(negative_prompt="blur"))
    (_, drawing), spec = painter.asked[0], make_spec()
    assert drawing == Drawing(
        prompt=spec.prompt,
        negative_prompt="blur",
        width=256,
        height=192,
        sampler="euler",
        steps=28,
        guidance=4.5,
        seed=7,
    )
    assert (picture.used, picture.seconds, picture.usd) == ({}, 1.5, 1.5)
    assert (picture.media_type, picture.emulated) == ("image/png", False)


def test_what_the_spec_says_wins_over_the_checkpoint(make_spec: MakeSpec) -> None:
    drawing, used = drawing_of(make_spec(steps=4, guidance=2.0, sampler="heun"), make_checkpoint())
    assert (drawing.steps, drawing.guidance, drawing.sampler) == (4, 2.0, "heun")
    assert used == {}


def test_without_guidance_a_negative_prompt_is_not_looked_at_and_that_is_noted(make_spec: MakeSpec) -> None:
    drawing, used = drawing_of(make_spec(negative_prompt="blur", guidance=1.0), make_checkpoint())
    assert (drawing.negative_prompt, used) == ("", {"negative_prompt": ""})


def test_the_tiny_model_is_spoken_to_in_its_own_language_and_size(make_spec: MakeSpec) -> None:
    spec = make_spec('a poster that says "SALE"', "SALE", width=512, height=768, negative_prompt="blur")
    drawing, used = drawing_of(spec, TINY)
    assert 'title "SALE"' in drawing.prompt
    assert (drawing.width, drawing.height, drawing.negative_prompt) == (256, 256, "")
    assert (used["prompt"], used["negative_prompt"]) == (drawing.prompt, "")
    assert not used.keys() & {"width", "height", "steps", "guidance", "sampler"}


async def test_words_the_tiny_model_cannot_spell_are_not_supported(make_spec: MakeSpec) -> None:
    with pytest.raises(Unsupported, match="tiny"):
        await engine(Pretender(), TINY).render(make_spec("茶", "茶"))


@pytest.mark.parametrize(
    ("asked", "drawn"),
    [((512, 512), (512, 512)), ((1024, 1024), (512, 512)), ((768, 512), (768, 384)), ((64, 512), (384, 768))],
)
def test_of_the_sizes_a_model_draws_the_nearest_shape_is_taken(
    asked: tuple[int, int], drawn: tuple[int, int], make_spec: MakeSpec
) -> None:
    checkpoint = make_checkpoint(sizes=("384x768", "512x512", "768x384"))
    drawing, _ = drawing_of(make_spec(width=asked[0], height=asked[1]), checkpoint)
    assert (drawing.width, drawing.height) == drawn


def test_whatever_shapes_a_picture_beside_its_spec_is_in_the_models_name() -> None:
    plain = make_checkpoint()
    others = [
        make_checkpoint("another"),
        make_checkpoint(revision="fedcba9876543210"),
        make_checkpoint(steps=4),
        make_checkpoint(guidance=1.0),
        replace(plain, has_t5=False),
        replace(plain, variant="fp16"),
    ]
    names = {model_name(each, CPU) for each in [plain, *others]}
    names |= {model_name(plain, GPU), model_name(plain, replace(GPU, dtype="float16"))}
    assert len(names) == 9


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (CannotDraw("width: 8"), Unsupported),
        (CheckpointError("vae: cut off"), Unsupported),
        (NotHere("gone"), Unsupported),
        (OutOfMemory("cuda is full"), Broken),
        (DrawFailed("RuntimeError: odd"), Broken),
        (ProcessDied("exit code -9"), Transient),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_every_fault_becomes_its_kind_and_keeps_its_text(
    error: Exception, becomes: type[EngineError], make_spec: MakeSpec
) -> None:
    with pytest.raises(becomes, match=f"small.*{error}"):
        await engine(Pretender(error)).render(make_spec())


async def test_when_the_next_process_may_be_tried_is_handed_on(make_spec: MakeSpec) -> None:
    with pytest.raises(Transient) as raised:
        await engine(Pretender(ProcessDied("again", after_s=50.0))).render(make_spec())
    assert raised.value.after_s == 50.0


async def test_a_background_is_refused(make_spec: MakeSpec) -> None:
    with pytest.raises(Unsupported, match="layout"):
        await engine(Pretender()).render(make_spec(), background=b"png")


def models(
    painter: Pretender, found: Mapping[str, Checkpoint], choice: Choice = CPU, **settings: str
) -> LocalModels:
    """With the checkpoints of these bases on disk."""

    def find(source: Source) -> Checkpoint:
        if source.base not in found:
            raise NotHere(f"{source.base}: not here; get it")
        return found[source.base]

    registered = {entry.name: entry.model for entry in load_registry() if entry.adapter == "sd3_local"}
    return LocalModels(
        registered,
        {"sd3.5_medium": settings.get("medium", ""), "sd3.5_local": settings.get("local", "")},
        device=lambda: choice,
        find=find,
        tiny={name: Source("tiny") for name in registered},
        painter=lambda _choice: painter,
    )


def engines(local: LocalModels | None, emulator_url: str | None = "http://127.0.0.1:9") -> Engines:
    return Engines(
        load_registry(),
        today=lambda: dt.date(2026, 11, 23),
        emulator_url=emulator_url,
        usd_per_cpu_hour=36.0,
        usd_per_gpu_hour=7200.0,
        environ={},
        local=local,
    )


def test_the_tiny_model_stands_in_and_the_render_will_say_so() -> None:
    resolved = engines(models(Pretender(), {"tiny": TINY})).resolve("sd3.5_medium")
    assert not resolved.emulated
    assert resolved.model == model_name(TINY, CPU)
    assert resolved.reason == (
        "stabilityai/stable-diffusion-3.5-medium is not on this machine; the tiny SD3.5 stands in"
    )


def test_what_the_settings_name_draws_without_further_words() -> None:
    resolved = engines(models(Pretender(), {"mine": make_checkpoint("mine")}, medium="mine")).resolve(
        "sd3.5_medium"
    )
    assert (resolved.model.startswith("mine@"), resolved.reason, resolved.emulated) == (True, "", False)


@pytest.mark.parametrize("setting", ["", "none", "mine"])
def test_with_no_checkpoint_the_emulator_stands_in_or_the_engine_is_unavailable(setting: str) -> None:
    local = models(Pretender(), {}, medium=setting)
    resolved = engines(local).resolve("sd3.5_medium")
    assert resolved.emulated
    assert resolved.model == "emulator:sd3.5_medium"
    with pytest.raises(EngineUnavailable, match=r"sd3\.5_medium: .*GLYPHSTREAM_EMULATOR_URL"):
        engines(local, emulator_url=None).resolve("sd3.5_medium")


@pytest.mark.parametrize(
    ("choice", "usd"), [(CPU, 1.5 * 36 / 3600), (GPU, 1.5 * 7200 / 3600)], ids=["cpu", "gpu"]
)
async def test_a_second_costs_what_the_device_costs(choice: Choice, usd: float, make_spec: MakeSpec) -> None:
    pool = engines(models(Pretender(), {"tiny": TINY}, choice))
    picture = await pool.engine("sd3.5_local").render(make_spec('"SALE"', "SALE"))
    assert picture.usd == pytest.approx(usd)


async def test_both_engines_share_a_painter_that_is_closed_with_them(make_spec: MakeSpec) -> None:
    painter = Pretender()
    local = models(painter, {"tiny": TINY})
    pool = engines(local)
    await local.warm("sd3.5_medium")
    for name in ("sd3.5_medium", "sd3.5_local"):
        await pool.engine(name).render(make_spec('"SALE"', "SALE"))
    assert (painter.warmed, len(painter.asked)) == ([TINY], 2)
    await pool.aclose()
    await local.aclose()
    assert painter.closed == 1


def job(spec: Spec) -> RenderJob:
    return RenderJob(
        ref=PromptRef("s", "1"),
        spec=spec,
        engine="sd3.5_medium",
        purpose="preview",
        ordinal=0,
        route="local-sd_medium",
        reason="",
        policy="p",
    )


async def test_a_preview_is_found_the_second_time_and_drawn_anew_by_another_checkpoint(
    make_spec: MakeSpec,
) -> None:
    painter, store = Pretender(), AssetStore.open("memory://")
    asked = job(make_spec('neon sign "SALE"', "SALE", width=512, height=768, negative_prompt="blur"))
    service = RenderService(engines(models(painter, {"tiny": TINY})), store)
    first, second = await service.render(asked), await service.render(asked)
    assert [first.outcome, first.cached, second.cached] == ["rendered", False, True]
    assert (second.render_id, second.model) == (first.render_id, model_name(TINY, CPU))
    assert "the tiny SD3.5 stands in; asked for 512x768, got 256x256" in first.reason
    trained_on = replace(TINY, revision="fedcba9876543210")
    third = await RenderService(engines(models(painter, {"tiny": trained_on})), store).render(asked)
    assert (third.cached, len(painter.asked)) == (False, 2)


async def test_what_the_model_leaves_out_is_said_with_the_picture(make_spec: MakeSpec) -> None:
    service = RenderService(engines(models(Pretender(), {"tiny": TINY})), AssetStore.open("memory://"))
    rendered = await service.render(job(make_spec('neon, "GRAND CLOSING SALE"', "GRAND CLOSING SALE")))
    assert 'is written "GRAND", without "CLOSING SALE"' in rendered.reason


PARENT = """
import datetime as dt, sys
from inference.engines.registry import Engines, load_registry
from inference.sd3.checkpoint import find
from streams.models import local_models
from streams.settings import Settings

registry = load_registry()
local = local_models(Settings(sd3_medium="none"), registry)
engines = Engines(registry, today=lambda: dt.date(2026, 11, 23), emulator_url="http://x", local=local)
for name in ("sd3.5_medium", "sd3.5_local"):
    engines.resolve(name)
import inference.sd3.service, inference.sd3.tiny.phrasing
sys.exit(", ".join({"torch", "diffusers", "transformers", "skia"} & set(sys.modules)) or 0)
"""


def test_the_parent_never_imports_torch() -> None:
    found = subprocess.run([sys.executable, "-c", PARENT], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
