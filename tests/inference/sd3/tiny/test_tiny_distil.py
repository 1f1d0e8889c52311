"""The student starts as its teacher, learns four steps, survives a kill, and is a LoRA diffusers loads."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline
from torch import Tensor, nn

from inference.sd3.tiny import distil, latents, store
from inference.sd3.tiny.conductor import Clocks
from inference.sd3.tiny.distil import Budget, Distillation, Distiller
from inference.sd3.tiny.export import export, start_from
from inference.sd3.tiny.flow import sample
from inference.sd3.tiny.learner import Cooldown
from inference.sd3.tiny.lora import WEIGHTS, attach
from inference.sd3.tiny.probe import Probe
from inference.sd3.tiny.spelling import T5_TOKENS
from inference.sd3.tiny.store import Run
from inference.sd3.tiny.student import RANK, STEPS, StudentTask, schedule, walk
from inference.sd3.tiny.tasks import Sizes
from inference.sd3.tiny.transformer import tiny_transformer

torch.set_num_threads(1)
SMALL = Sizes(bands=2, wholes=1)
PROMPT = 'a red circle on deep blue, bold title "ORBIT 9"'
SEEN = Probe(4, 0.25, 0.5, 1.0, 0.75)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported checkpoint whose transformer's weights are drawn by lot: its own start says only zeros."""
    run = store.begin(5, SMALL, latents.fit(0, posters=8))
    with torch.no_grad():
        for weight in run.flow.transformer.parameters():
            weight.normal_(std=0.05) if weight.ndim > 1 else weight.normal_(1.0, 0.1)
    for task in run.tasks:
        task.learner.restart_at(3)
    folder = tmp_path_factory.mktemp("teacher")
    export(run, folder)
    return folder


@pytest.fixture
def begun(teacher: Path) -> Distillation:
    return distil.begin(teacher, 3, SMALL)


def _drawn(run: Run) -> Tensor:
    return sample(run.flow.transformer, run.encoders, [PROMPT], steps=2, guidance=1.0, seed=4, exact=True)


def _learn_by_lot(student: StudentTask) -> None:
    """Large enough changes that none of them can be missed."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in student.lora.weights:
            weight.copy_(0.05 * torch.randn(weight.shape, generator=generator))
    student.learner.restart_at(0)


def _relative_rms(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).square().mean().sqrt() / wanted.std())


def test_a_lora_at_its_start_changes_nothing(teacher: Path, begun: Distillation) -> None:
    assert torch.equal(_drawn(begun.run), _drawn(start_from(teacher)))


def test_merged_weights_draw_what_the_lora_does(begun: Distillation) -> None:
    _learn_by_lot(begun.student)
    changed = _drawn(begun.run)
    plain = tiny_transformer()
    before = plain.state_dict().keys()
    plain.load_state_dict(begun.student.lora.merged())
    begun.run.flow.transformer = plain
    assert begun.student.lora.merged().keys() == before
    assert _relative_rms(_drawn(begun.run), changed) < 1e-4


def test_diffusers_loads_the_lora_and_draws_what_the_student_does(
    teacher: Path, begun: Distillation, tmp_path: Path
) -> None:
    pytest.importorskip("peft", reason="diffusers reads a LoRA with peft only")
    base = _drawn(begun.run)
    _learn_by_lot(begun.student)
    distil.export_lora(begun, tmp_path)
    pipe = StableDiffusion3Pipeline.from_pretrained(teacher, dtype=torch.float32)
    pipe.load_lora_weights(tmp_path)
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(4)
    theirs = pipe(
        PROMPT,
        num_inference_steps=2,
        guidance_scale=1.0,
        height=256,
        width=256,
        max_sequence_length=T5_TOKENS,
        generator=generator,
        output_type="latent",
    ).images
    # The file is in fp16.
    assert _relative_rms(theirs, _drawn(begun.run)) < 0.01
    assert _relative_rms(theirs, base) > 0.1


def test_the_folder_says_how_to_draw_with_it_and_fits_the_budget(begun: Distillation, tmp_path: Path) -> None:
    distil.export_lora(begun, tmp_path)
    card = json.loads((tmp_path / "glyphstream.json").read_text())
    assert card == {"format": 1, "name": "glyphstream/tiny-sd3.5-distilled", "steps": 4, "guidance": 1.0}
    recipe = json.loads((tmp_path / "recipe.json").read_text())
    assert (recipe["teacher_sha256"], recipe["rank"], recipe["seed"]) == (begun.teacher, RANK, 3)
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) < 1_100_000


def test_the_schedule_is_the_one_diffusers_draws_with() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(4)
    assert schedule() == scheduler.sigmas.tolist()
    assert schedule()[-2:] == pytest.approx([0.0089, 0.0], abs=1e-4)


@torch.no_grad()
def test_the_walk_is_the_one_the_sampler_takes(begun: Distillation) -> None:
    noise = torch.randn(1, 16, 32, 32, generator=torch.Generator().manual_seed(4))
    run = begun.run
    walked = walk(run.flow.transformer, noise, run.encoders.encode([PROMPT]), schedule())
    drawn = sample(
        run.flow.transformer, run.encoders, [PROMPT], steps=STEPS, guidance=1.0, seed=4, exact=True
    )
    assert len(walked) == STEPS
    assert torch.allclose(walked[-1], drawn, atol=1e-4)


def test_some_steps_lower_the_loss_on_the_same_posters(begun: Distillation) -> None:
    student = begun.student
    batch = student.batch(0)
    losses = []
    for _ in range(8):
        loss = student.loss(batch)
        losses.append(float(loss.detach()))
        student.learner.descend(loss)
    assert losses[-1] < 0.9 * losses[0]


def test_only_the_lora_learns(teacher: Path, begun: Distillation) -> None:
    begun.student.advance()
    begun.student.advance()
    fresh = start_from(teacher)
    for ours, theirs in (
        (begun.run.encoders.parameters(), fresh.encoders.parameters()),
        (begun.run.decoder.vae.parameters(), fresh.decoder.vae.parameters()),
        (_frozen(begun.run), _frozen(fresh)),
    ):
        assert all(torch.equal(here, there) for here, there in zip(ours, theirs, strict=True))
    assert any(bool(layer.up.any()) for layer in begun.student.lora.layers.values())


def _frozen(run: Run) -> list[Tensor]:
    """The transformer's weights without the LoRA's, in an order that it does not change."""
    named = run.flow.transformer.named_parameters()
    base = [
        (name.replace(".base.", "."), weight) for name, weight in named if not name.endswith((".up", ".down"))
    ]
    return [weight for _, weight in sorted(base, key=lambda each: each[0])]


class _Ticks:
    """A clock that moves by one at every look."""

    def __init__(self) -> None:
        self._now = itertools.count()

    def __call__(self) -> float:
        return float(next(self._now))


def _distiller(begun: Distillation, out: Path, *, stops_after: int, cpu_s: float = 5.0) -> Distiller:
    """A step takes a second of its clock; looking finds `SEEN`."""
    asked = itertools.count()
    budget = Budget(cpu_s=cpu_s, probe_every_cpu_s=3.0)
    clocks = Clocks(_Ticks(), _Ticks())
    return Distiller(
        begun,
        budget,
        out,
        clocks,
        lambda: next(asked) >= stops_after,
        lambda _run, _folder, _steps, _scale: SEEN,
    )


def test_stopped_and_resumed_it_ends_where_an_uninterrupted_run_ends(
    teacher: Path, begun: Distillation, tmp_path: Path
) -> None:
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    _distiller(begun, straight, stops_after=99).distil()
    _distiller(distil.begin(teacher, 3, SMALL), stopped, stops_after=2).distil()
    resumed = distil.resume(teacher, stopped, SMALL)
    assert (resumed.student.learner.step, resumed.goal, resumed.spent) == (2, SEEN, 2.0)
    _distiller(resumed, stopped, stops_after=99).distil()
    assert resumed.student.learner.step == begun.student.learner.step == 5
    assert resumed.student.seen == begun.student.seen
    for ours, theirs in zip(resumed.student.lora.weights, begun.student.lora.weights, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-7)
    lora = Path(distil.LORA, WEIGHTS)
    assert (straight / lora).stat().st_size == (stopped / lora).stat().st_size


def test_the_last_two_fifths_of_the_budget_are_the_cooldown_and_each_probe_is_a_row(
    begun: Distillation, tmp_path: Path
) -> None:
    _distiller(begun, tmp_path, stops_after=99).distil()
    assert begun.student.learner.cooldown == Cooldown(3, 2)
    rows = [json.loads(line) for line in (tmp_path / distil.CURVE).open()]
    assert [row["step"] for row in rows] == [3, 5]
    assert rows[-1]["teacher"]["exact"] == rows[-1]["student"]["exact"] == 0.25


def test_a_finished_run_is_not_trained_on(begun: Distillation, teacher: Path, tmp_path: Path) -> None:
    _distiller(begun, tmp_path, stops_after=99, cpu_s=1.0).distil()
    curve = (tmp_path / distil.CURVE).read_text()
    again = distil.resume(teacher, tmp_path, SMALL)
    _distiller(again, tmp_path, stops_after=99).distil()
    assert again.student.learner.step == begun.student.learner.step
    assert (tmp_path / distil.CURVE).read_text() == curve


def test_a_state_of_another_teacher_is_refused(teacher: Path, begun: Distillation, tmp_path: Path) -> None:
    begun.teacher = "0" * 64
    distil.save(begun, tmp_path)
    with pytest.raises(ValueError, match="its teacher was 000000000000"):
        distil.resume(teacher, tmp_path, SMALL)


def test_a_state_of_another_format_is_refused(teacher: Path, tmp_path: Path) -> None:
    torch.save({"format": 99}, tmp_path / distil.STATE)
    with pytest.raises(ValueError, match="format 99, this version writes"):
        distil.resume(teacher, tmp_path)


def test_layers_that_are_not_linear_are_refused() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.SiLU())
    with pytest.raises(ValueError, match="'1' is a SiLU"):
        attach(network, ["1"], 2, torch.Generator())
    with pytest.raises(ValueError, match="rank: 0"):
        attach(network, ["0"], 0, torch.Generator())
