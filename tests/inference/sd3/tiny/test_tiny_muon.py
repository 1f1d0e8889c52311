"""Our Muon takes the steps that torch's takes, and continues from its state."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from inference.sd3.tiny.muon import BatchedMuon, orthogonal

SHAPES = [(24, 24), (48, 24), (24, 48), (24, 24), (48, 24)]
SETTINGS = {"lr": 0.02, "weight_decay": 0.01, "adjust_lr_fn": "match_rms_adamw"}


def weights(seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def descend(optimizer: torch.optim.Optimizer, of: list[nn.Parameter], seed: int) -> None:
    for weight, gradient in zip(of, weights(seed), strict=True):
        weight.grad = gradient.detach()
    optimizer.step()


def relative(found: list[nn.Parameter], wanted: list[nn.Parameter], start: list[Tensor]) -> float:
    """The largest difference of two ways from `start`, as a share of the way."""
    ways = ((a.detach(), b.detach(), begun) for a, b, begun in zip(found, wanted, start, strict=True))
    return max(float((a - b).norm() / (b - begun).norm()) for a, b, begun in ways)


def test_five_steps_lead_where_those_of_torch_lead() -> None:
    ours, theirs = weights(), weights()
    start = [each.detach().clone() for each in ours]
    mine, reference = BatchedMuon(ours, **SETTINGS), torch.optim.Muon(theirs, **SETTINGS)
    for seed in range(1, 6):
        descend(mine, ours, seed)
        descend(reference, theirs, seed)
    # Both iterate in bfloat16, which has three digits.
    assert relative(ours, theirs, start) < 0.01


def test_a_state_saved_by_torch_is_continued() -> None:
    theirs = weights()
    reference = torch.optim.Muon(theirs, **SETTINGS)
    descend(reference, theirs, 1)
    ours = copy.deepcopy(theirs)
    start = [each.detach().clone() for each in ours]
    mine = BatchedMuon(ours, **SETTINGS)
    mine.load_state_dict(copy.deepcopy(reference.state_dict()))
    descend(mine, ours, 2)
    descend(reference, theirs, 2)
    assert relative(ours, theirs, start) < 0.01


def test_a_weight_without_gradient_stays() -> None:
    ours = weights()
    optimizer = BatchedMuon(ours, **SETTINGS)
    ours[0].grad = torch.ones_like(ours[0])
    before = [each.detach().clone() for each in ours]
    optimizer.step()
    assert [bool(torch.equal(a, b)) for a, b in zip(ours, before, strict=True)] == [False, *[True] * 4]


def test_the_result_is_near_orthogonal() -> None:
    matrices = torch.randn((3, 32, 64), generator=torch.Generator().manual_seed(3))
    values = torch.linalg.svdvals(orthogonal(matrices, (3.4445, -4.775, 2.0315), 5, 1e-7).float())
    assert float(values.min()) > 0.5
    assert float(values.max()) < 1.4


def test_a_closure_is_refused() -> None:
    with pytest.raises(ValueError, match=r"closure: .* backward"):
        BatchedMuon(weights(), **SETTINGS).step(lambda: 0.0)
