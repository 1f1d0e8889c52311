"""The training loop: whose turn it is, when to save, when to look, and what to tell."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from inference.sd3.tiny import store
from inference.sd3.tiny.learner import Cooldown
from inference.sd3.tiny.probe import Probe, probe
from inference.sd3.tiny.store import Run
from inference.sd3.tiny.tasks import Task

CURVE: Final = "curve.jsonl"
_SMOOTHED_STEPS: Final = 50

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """How time is shared out.

    `decoder_share` of the CPU time goes to the decoder until it has had `decoder_cpu_s`. The flow ends at
    `flow_steps`; the last fifth of them is its cooldown. Saving and telling go by the wall clock, probing by
    the CPU seconds of training: a probe costs about 25 itself.
    """

    flow_steps: int = 10_000
    decoder_share: float = 0.3
    decoder_cpu_s: float = 3600.0
    save_every_s: float = 120.0
    tell_every_s: float = 30.0
    probe_every_cpu_s: float = 400.0


@dataclass(slots=True)
class Clocks:
    """Where time comes from: the wall's seconds and this process's CPU seconds."""

    wall: Callable[[], float]
    cpu: Callable[[], float]


@dataclass(slots=True)
class Conductor:
    """Runs a `Run` by a `Plan`. `stopping` is asked between steps."""

    run: Run
    plan: Plan
    folder: Path
    clocks: Clocks
    stopping: Callable[[], bool]
    look: Callable[[Run, Path], Probe] = probe
    _losses: dict[str, deque[float]] = field(default_factory=dict)
    _saved: float = 0.0
    _told: float = 0.0
    _probed: float = 0.0

    def conduct(self) -> None:
        """Trains until the plan is done or `stopping` says so, and saves at the end."""
        self._saved = self._told = self.clocks.wall()
        self._probed = self._trained()
        self._set_cooldowns()
        while not self.stopping() and (task := self.next_task()) is not None:
            self._advance(task)
            self._attend()
        self.save()
        self._tell()

    def next_task(self) -> Task | None:
        """The primer while it lasts; then the flow, or the decoder where it is behind its share."""
        run, plan = self.run, self.plan
        if not run.primer.learner.finished:
            return run.primer
        decoder_open = not run.decoder.learner.finished
        if run.flow.learner.finished:
            return run.decoder if decoder_open else None
        both = run.spent["flow"] + run.spent["decoder"]
        behind = run.spent["decoder"] <= plan.decoder_share * both
        return run.decoder if decoder_open and behind else run.flow

    def save(self) -> None:
        """Writes the state now."""
        store.save(self.run, self.folder)
        self._saved = self.clocks.wall()

    def _trained(self) -> float:
        return sum(self.run.spent.values())

    def _set_cooldowns(self) -> None:
        flow = self.run.flow.learner
        if flow.cooldown is None or flow.step < flow.cooldown.start:
            length = max(1, self.plan.flow_steps // 5)
            flow.cooldown = Cooldown(max(flow.step, self.plan.flow_steps - length), length)

    def _advance(self, task: Task) -> None:
        began = self.clocks.cpu()
        loss = task.advance()
        spent = self.run.spent
        spent[task.name] += self.clocks.cpu() - began
        self._losses.setdefault(task.name, deque(maxlen=_SMOOTHED_STEPS)).append(loss)
        decoder = self.run.decoder.learner
        late = spent["decoder"] >= self.plan.decoder_cpu_s * 2 / 3
        if task is self.run.decoder and decoder.cooldown is None and late:
            # The last third of the time given: as many steps as half of those so far.
            decoder.cooldown = Cooldown(decoder.step, max(1, decoder.step // 2))

    def _attend(self) -> None:
        now = self.clocks.wall()
        if now - self._told >= self.plan.tell_every_s:
            self._tell()
        if now - self._saved >= self.plan.save_every_s:
            self.save()
        if self._trained() - self._probed >= self.plan.probe_every_cpu_s and self.run.flow.learner.step:
            self._probe()

    def _tell(self) -> None:
        self._told = self.clocks.wall()
        parts = []
        for task in self.run.tasks:
            losses = self._losses.get(task.name)
            if losses:
                mean = sum(losses) / len(losses)
                spent = self.run.spent[task.name]
                parts.append(
                    f"{task.name} step {task.learner.step}, {task.seen} seen, loss {mean:.4f}, "
                    f"{spent / 60:.1f} CPU min"
                )
        left = (self.run.flow.learner.cooldown or Cooldown(0, 0)).end - self.run.flow.learner.step
        each = self.run.spent["flow"] / max(1, self.run.flow.learner.step)
        logger.info("%s; flow has %d steps left, %.0f CPU min", "; ".join(parts), left, left * each / 60)

    def _probe(self) -> None:
        found = self.look(self.run, self.folder / "sheets")
        self._probed = self._trained()
        row = {
            "flow_step": self.run.flow.learner.step,
            "flow_seen": self.run.flow.seen,
            "decoder_step": self.run.decoder.learner.step,
            "cpu_minutes": {name: round(spent / 60, 1) for name, spent in self.run.spent.items()},
            "loss": {name: sum(each) / len(each) for name, each in self._losses.items()},
            **asdict(found),
        }
        with (self.folder / CURVE).open("a") as file:
            file.write(json.dumps(row) + "\n")
        logger.info(
            "held-out words of %d posters: read exactly %.0f %% (by the linear inverse %.0f %%, "
            "drawn clean %.0f %%), letters right %.0f %%",
            found.count,
            100 * found.exact,
            100 * found.linear,
            100 * found.clean,
            100 * found.letters,
        )
