"""Training goes on after a kill as if there had been none, takes turns as planned, at true positions."""

from __future__ import annotations

import itertools
import json
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from inference.sd3.tiny import latents, store
from inference.sd3.tiny.conductor import Clocks, Conductor, Plan
from inference.sd3.tiny.flow import noised, sample
from inference.sd3.tiny.learner import Cooldown, Group, Learner
from inference.sd3.tiny.probe import Probe
from inference.sd3.tiny.store import Run
from inference.sd3.tiny.tasks import Sizes, Task
from inference.sd3.tiny.transformer import at_rows, matrices_and_rest, tiny_transformer

torch.set_num_threads(1)
SMALL = Sizes(primer=4, bands=2, wholes=1, crops=1)


@pytest.fixture(scope="module")
def linear() -> latents.LinearLatents:
    return latents.fit(0, posters=8)


@pytest.fixture
def run(linear: latents.LinearLatents) -> Run:
    return store.begin(5, SMALL, linear)


def test_a_resumed_run_has_the_next_loss_of_an_uninterrupted_one(run: Run, tmp_path: Path) -> None:
    for task in run.tasks:
        task.advance()
        task.advance()
    run.spent["flow"] = 12.5
    store.save(run, tmp_path)
    resumed = store.resume(tmp_path, SMALL)
    assert resumed.spent == run.spent
    for here, there in zip(run.tasks, resumed.tasks, strict=True):
        assert (there.learner.step, there.seen) == (here.learner.step, here.seen) == (2, here.seen)
        assert there.advance() == pytest.approx(here.advance(), rel=1e-6)
        assert there.advance() == pytest.approx(here.advance(), rel=1e-5)


def test_a_kill_while_saving_leaves_the_last_good_state(run: Run, tmp_path: Path) -> None:
    store.save(run, tmp_path)
    (tmp_path / "state.pt.partial").write_bytes(b"half of")
    assert store.resume(tmp_path, SMALL).seed == 5
    assert not (tmp_path / "state.pt.partial").read_bytes().startswith(b"PK")


def test_a_state_of_another_format_is_refused(tmp_path: Path) -> None:
    torch.save({"format": 99}, tmp_path / "state.pt")
    with pytest.raises(ValueError, match="format 99, this version writes"):
        store.resume(tmp_path, SMALL)


def test_a_state_of_another_network_is_refused() -> None:
    small, large = (Learner([Group(list(nn.Linear(n, 2).parameters()), 1e-3)], warmup=1) for n in (2, 3))
    with pytest.raises(ValueError, match="do not fit"):
        large.load(small.state())


def test_the_rate_warms_up_stays_and_falls() -> None:
    layer = nn.Linear(1, 1)
    learner = Learner([Group(list(layer.parameters()), 1.0)], warmup=2, cooldown=Cooldown(4, 4))
    rates = []
    while not learner.finished:
        learner.descend(layer(torch.ones(1)).square().sum())
        rates.append(learner._optimizers[0].param_groups[0]["lr"])
    assert rates == pytest.approx([0.5, 1, 1, 1, 1, 0.75, 0.5, 0.25])


def test_the_average_is_lent_and_given_back() -> None:
    layer = nn.Linear(1, 1)
    learner = Learner([Group(list(layer.parameters()), 0.1)], warmup=1)
    for _ in range(5):
        learner.descend(layer(torch.ones(1)).square().sum())
    trained = layer.weight.detach().clone()
    with learner.averaged():
        assert not torch.equal(layer.weight, trained)
    assert torch.equal(layer.weight, trained)


@torch.no_grad()
def test_a_band_is_embedded_where_it_lies_in_the_poster() -> None:
    torch.manual_seed(0)
    embed = (transformer := tiny_transformer()).pos_embed
    poster = torch.randn(1, 16, 32, 32)
    whole = embed(poster).unflatten(1, (16, 16))
    with at_rows(transformer, (24, 32)):
        band = embed(poster[:, :, 24:]).unflatten(1, (4, 16))
    assert torch.allclose(band, whole[:, 12:], atol=1e-5)
    assert torch.equal(embed(poster).unflatten(1, (16, 16)), whole)


def test_rows_between_patches_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of the patch"), at_rows(tiny_transformer(), (3, 11)):
        pass


def test_the_transformer_is_sd35_shaped_and_small() -> None:
    transformer = tiny_transformer()
    config = transformer.config
    assert (config.qk_norm, config.dual_attention_layers, config.patch_size) == ("rms_norm", (0, 1, 2), 2)
    assert sum(weight.numel() for weight in transformer.parameters()) < 9_000_000
    matrices, rest = matrices_and_rest(transformer)
    assert len(matrices) + len(rest) == len(list(transformer.parameters()))
    assert all(weight.ndim == 2 for weight in matrices)


def test_noise_is_mixed_in_a_line_and_the_velocity_leads_along_it() -> None:
    clean, noise = torch.randn(2, 16, 4, 4), torch.randn(2, 16, 4, 4)
    sigmas = torch.tensor([0.25, 0.75])
    seen, velocity = noised(clean, noise, sigmas)
    assert torch.allclose(seen - sigmas[:, None, None, None] * velocity, clean, atol=1e-6)


def test_a_pictures_noise_does_not_depend_on_its_batch(run: Run) -> None:
    prompts = ['a red ring on black, bold title "ABC"', 'a blue star on white, round title "X1Z"']
    both, alone = (
        sample(run.flow.transformer, run.encoders, each, steps=1, guidance=3.0, seed=4, side=8)
        for each in (prompts, prompts[:1])
    )
    assert torch.allclose(both[:1], alone, atol=0.05)


class _Ticks:
    """A clock that moves by one at every look."""

    def __init__(self) -> None:
        self._now = itertools.count()

    def __call__(self) -> float:
        return float(next(self._now))


def _conductor(run: Run, folder: Path, stops_after: int, plan: Plan) -> tuple[Conductor, list[int]]:
    """A conductor over tasks that only count; looking only notes when."""
    looked: list[int] = []

    def count(task: Task) -> float:
        task.learner.step += 1
        return 0.5

    def look(run: Run, _folder: Path) -> Probe:
        looked.append(run.flow.learner.step)
        return Probe(4, 0.25, 0.5, 1.0, 0.75)

    for task in run.tasks:
        task.advance = partial(count, task)  # type: ignore[method-assign]  # the schedule is under test
    asked = itertools.count()
    clocks = Clocks(_Ticks(), _Ticks())
    return Conductor(run, plan, folder, clocks, lambda: next(asked) >= stops_after, look), looked


def test_the_primer_comes_first_then_flow_and_decoder_share_the_time(run: Run, tmp_path: Path) -> None:
    run.primer.learner.cooldown = Cooldown(1, 1)
    conductor, looked = _conductor(run, tmp_path, 42, Plan(decoder_share=0.25, probe_every_cpu_s=20))
    conductor.conduct()
    assert {task.name: task.learner.step for task in run.tasks} == {"primer": 2, "flow": 30, "decoder": 10}
    assert looked
    assert [json.loads(line)["flow_step"] for line in (tmp_path / "curve.jsonl").open()] == looked
    assert store.resume(tmp_path, SMALL).flow.learner.step == 30


def test_training_ends_when_the_planned_steps_are_done(run: Run, tmp_path: Path) -> None:
    run.primer.learner.cooldown = Cooldown(0, 1)
    conductor, _ = _conductor(run, tmp_path, 1000, Plan(flow_steps=20, decoder_cpu_s=12.0))
    conductor.conduct()
    assert run.flow.learner.step == 20
    assert run.flow.learner.cooldown == Cooldown(16, 4)
    assert run.decoder.learner.cooldown == Cooldown(8, 4)
    assert run.decoder.learner.step == 12
    assert conductor.next_task() is None
