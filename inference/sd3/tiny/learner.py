"""One network in training: Muon or AdamW, a schedule, clipping, and the running average that is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from inference.sd3.tiny.muon import BatchedMuon

_CLIP: Final = 1.0
_EMA_DECAY: Final = 0.999


@dataclass(frozen=True, slots=True)
class Cooldown:
    """From step `start` the learning rate falls in a line, to a twentieth after `length` steps."""

    start: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Group:
    """Weights that learn at one peak rate.

    `orthogonal` ones, matrices all, learn by Muon (Jordan et al. 2024) in steps of the size of AdamW's; the
    others by AdamW.
    """

    weights: Sequence[nn.Parameter]
    rate: float
    orthogonal: bool = False


class Learner:
    """Warms up over `warmup` steps, then keeps its rate until a cooldown is set.

    So it can run for as long as there is time, and end well whenever there is none.
    """

    def __init__(self, groups: Sequence[Group], *, warmup: int, cooldown: Cooldown | None = None) -> None:
        self.step = 0
        self.cooldown = cooldown
        self._warmup = warmup
        self._warm_from = 0
        self._rates = [group.rate for group in groups]
        self._optimizers = [_optimizer(group) for group in groups]
        self._weights = [each for group in groups for each in group.weights]
        self._average = [each.detach().clone() for each in self._weights]

    @property
    def finished(self) -> bool:
        """Whether the cooldown, where there is one, has ended."""
        return self.cooldown is not None and self.step >= self.cooldown.end

    def descend(self, loss: Tensor) -> None:
        """One step against the loss's gradient."""
        for weight in self._weights:
            weight.grad = None
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self._weights, _CLIP)
        for optimizer, rate in zip(self._optimizers, self._rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * self._scale()
            optimizer.step()
        self.step += 1
        self._update_average()

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within, the modules have their averaged weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state(self) -> dict[str, Any]:
        """Everything a resume needs."""
        return {
            "step": self.step,
            "cooldown": (self.cooldown.start, self.cooldown.length) if self.cooldown else None,
            "weights": [each.detach() for each in self._weights],
            "average": self._average,
            "optimizers": [each.state_dict() for each in self._optimizers],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continues from a state of the same groups.

        Raises:
            ValueError: the state is of other weights.
        """
        found = [tuple(each.shape) for each in state["weights"]]
        wanted = [tuple(each.shape) for each in self._weights]
        if found != wanted:
            raise ValueError(
                f"checkpoint: {len(found)} weights that do not fit the {len(wanted)} of this network: it was "
                "saved by another version of the recipe; start anew in an empty folder"
            )
        self.step = state["step"]
        self.cooldown = Cooldown(*state["cooldown"]) if state["cooldown"] else None
        with torch.no_grad():
            for target, source in zip(self._weights, state["weights"], strict=True):
                target.copy_(source)
            for mean, source in zip(self._average, state["average"], strict=True):
                mean.copy_(source)
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
            # What was saved before this was set says otherwise; it changes no result.
            optimizer.param_groups[0]["fused"] = isinstance(optimizer, torch.optim.AdamW)

    def restart_at(self, step: int) -> None:
        """Counts on from `step` with the weights as they are; warms up again, since no momentum is left."""
        self.step = self._warm_from = step
        with torch.no_grad():
            for mean, weight in zip(self._average, self._weights, strict=True):
                mean.copy_(weight)

    def _scale(self) -> float:
        warm = min(1.0, (self.step + 1 - self._warm_from) / self._warmup)
        if self.cooldown is None or self.step < self.cooldown.start:
            return warm
        done = (self.step - self.cooldown.start) / self.cooldown.length
        return warm * max(0.05, 1 - done)

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(_EMA_DECAY, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self._average, [each.detach() for each in self._weights], 1 - decay)

    @torch.no_grad()
    def _swap(self) -> None:
        for weight, average in zip(self._weights, self._average, strict=True):
            kept = weight.detach().clone()
            weight.copy_(average)
            average.copy_(kept)


def _optimizer(group: Group) -> torch.optim.Optimizer:
    if group.orthogonal:
        return BatchedMuon(group.weights, lr=group.rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    return torch.optim.AdamW(group.weights, lr=group.rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
