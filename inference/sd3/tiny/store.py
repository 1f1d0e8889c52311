"""The state of a training run on disk: one file, replaced whole, so that any kill leaves a good one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from inference.sd3.tiny.encoders import TextEncoders
from inference.sd3.tiny.latents import LinearLatents, fit
from inference.sd3.tiny.tasks import DecoderTask, FlowTask, PrimerTask, Sizes, Task, load_task, task_state

STATE: Final = "state.pt"
_FORMAT: Final = 1


@dataclass(slots=True)
class Run:
    """All of one training run. `spent` is CPU seconds by task's name."""

    seed: int
    latents: LinearLatents
    encoders: TextEncoders
    primer: PrimerTask
    flow: FlowTask
    decoder: DecoderTask
    spent: dict[str, float]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """In the order of loading: the flow's encoders are the primer's, and later."""
        return self.primer, self.flow, self.decoder


def begin(seed: int, sizes: Sizes | None = None, latents: LinearLatents | None = None) -> Run:
    """A run at its first step: latents fitted, networks drawn by `seed`."""
    sizes = sizes or Sizes()
    torch.manual_seed(seed)
    latents = latents or fit(seed)
    encoders = TextEncoders()
    return Run(
        seed,
        latents,
        encoders,
        PrimerTask(encoders, seed, sizes),
        FlowTask(encoders, latents, seed, sizes),
        DecoderTask(latents, seed, sizes),
        {"primer": 0.0, "flow": 0.0, "decoder": 0.0},
    )


def save(run: Run, folder: Path) -> None:
    """Writes `state.pt`, beside it first, then in its place."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        "format": _FORMAT,
        "seed": run.seed,
        "latents": run.latents.state(),
        "spent": run.spent,
        "tasks": {task.name: task_state(task) for task in run.tasks},
    }
    partial = folder / f"{STATE}.partial"
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / STATE)


def resume(folder: Path, sizes: Sizes | None = None) -> Run:
    """The run as last saved.

    Raises:
        FileNotFoundError: there is none in `folder`.
        ValueError: it is of another format or of other networks.
    """
    state: dict[str, Any] = torch.load(folder / STATE, weights_only=True)
    if state.get("format") != _FORMAT:
        raise ValueError(
            f"{STATE}: format {state.get('format')!r}, this version writes {_FORMAT}: "
            "start anew in an empty folder"
        )
    run = begin(state["seed"], sizes, LinearLatents(**state["latents"]))
    for task in run.tasks:
        load_task(task, state["tasks"][task.name])
    run.spent = dict(state["spent"])
    return run
