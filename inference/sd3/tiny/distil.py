"""`python -m inference.sd3.tiny.distil TEACHER OUT`: teaches the tiny model to draw in four steps.

TEACHER is an exported folder. OUT has the state, so that it can be killed and resumed, `distil.log`,
`distil.jsonl` (the held-out probes), `sheets/` and, whenever it is saved, the LoRA itself in `distilled/`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch

from inference.sd3.tiny.conductor import Clocks
from inference.sd3.tiny.export import start_from
from inference.sd3.tiny.learner import Cooldown
from inference.sd3.tiny.probe import Probe, probe
from inference.sd3.tiny.store import Run
from inference.sd3.tiny.student import RANK, SIZES, STEPS, StudentTask
from inference.sd3.tiny.tasks import Sizes, load_task, task_state

STATE: Final = "distil.pt"
CURVE: Final = "distil.jsonl"
LORA: Final = "distilled"
_FORMAT: Final = 1
_TEACHER_WEIGHTS: Final = Path("transformer", "diffusion_pytorch_model.safetensors")
_TEACHER_STEPS: Final = 28
_TEACHER_GUIDANCE: Final = 3.0
_COOLDOWN_SHARE: Final = 0.4
_SMOOTHED_STEPS: Final = 50
_CARD: Final = {"format": 1, "name": "glyphstream/tiny-sd3.5-distilled", "steps": STEPS, "guidance": 1.0}

logger = logging.getLogger(__name__)

Look = Callable[[Run, Path, int, float], Probe]


def look(run: Run, folder: Path, steps: int, guidance: float) -> Probe:
    """Reads the trainer's held-out posters, drawn in `steps`; a sheet of them goes into `folder`."""
    return probe(run, folder, steps=steps, guidance=guidance)


@dataclass(frozen=True, slots=True)
class Budget:
    """CPU seconds of training, of which the last two fifths are its cooldown; the rest is when to look up.

    Saving and telling go by the wall clock.
    """

    cpu_s: float = 45 * 60.0
    save_every_s: float = 120.0
    tell_every_s: float = 30.0
    probe_every_cpu_s: float = 300.0


@dataclass(slots=True)
class Distillation:
    """A student in training. `teacher` is the SHA-256 of the teacher's transformer, `goal` how it reads."""

    run: Run
    student: StudentTask
    seed: int
    teacher: str
    spent: float = 0.0
    goal: Probe | None = None


def begin(folder: Path, seed: int, sizes: Sizes = SIZES, rank: int = RANK) -> Distillation:
    """A student that still draws as its teacher, which `export` has written into `folder`.

    Raises:
        FileNotFoundError: there is no such checkpoint.
    """
    run = start_from(folder)
    teacher = hashlib.sha256((folder / _TEACHER_WEIGHTS).read_bytes()).hexdigest()
    return Distillation(run, StudentTask(run, seed, sizes, rank), seed, teacher)


def resume(folder: Path, out: Path, sizes: Sizes = SIZES, rank: int = RANK) -> Distillation:
    """The student as last saved in `out`.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it has another teacher than the one in `folder`, or is of another format or rank.
    """
    state: dict[str, Any] = torch.load(out / STATE, weights_only=True)
    if state.get("format") != _FORMAT:
        raise ValueError(
            f"{STATE}: format {state.get('format')!r}, this version writes {_FORMAT}: "
            "start anew in an empty folder"
        )
    found = begin(folder, state["seed"], sizes, rank)
    if found.teacher != state["teacher"]:
        raise ValueError(
            f"{STATE}: its teacher was {state['teacher'][:12]}, {folder} has {found.teacher[:12]}: "
            "a LoRA fits one base only; start anew in an empty folder"
        )
    load_task(found.student, state["student"])
    found.spent = state["spent"]
    found.goal = Probe(**state["goal"]) if state["goal"] else None
    return found


def save(distillation: Distillation, out: Path) -> None:
    """Writes the state, beside it first, then in its place; and the LoRA as it stands."""
    out.mkdir(parents=True, exist_ok=True)
    state = {
        "format": _FORMAT,
        "seed": distillation.seed,
        "teacher": distillation.teacher,
        "student": task_state(distillation.student),
        "spent": distillation.spent,
        "goal": asdict(distillation.goal) if distillation.goal else None,
    }
    partial = out / f"{STATE}.partial"
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(out / STATE)
    export_lora(distillation, out / LORA)


def export_lora(distillation: Distillation, folder: Path) -> None:
    """Writes the averaged LoRA in fp16, what it wants to be asked for, and how it was made."""
    student = distillation.student
    with student.learner.averaged():
        student.lora.save(folder)
    recipe = {
        "seed": distillation.seed,
        "teacher_sha256": distillation.teacher,
        "rank": student.lora.rank,
        "step": student.learner.step,
        "seen": student.seen,
        "cpu_seconds": round(distillation.spent),
    }
    (folder / "recipe.json").write_text(json.dumps(recipe, indent=1) + "\n")
    (folder / "glyphstream.json").write_text(json.dumps(_CARD, indent=1) + "\n")


@dataclass(slots=True)
class Distiller:
    """Trains until the budget is spent or `stopping`, asked between steps, says so."""

    distillation: Distillation
    budget: Budget
    out: Path
    clocks: Clocks
    stopping: Callable[[], bool]
    look: Look = look
    _losses: deque[float] = field(default_factory=lambda: deque(maxlen=_SMOOTHED_STEPS))
    _saved: float = 0.0
    _told: float = 0.0
    _probed: float = 0.0

    def distil(self) -> None:
        """Looks at the teacher, trains, and looks at the student at the end; saves whenever it stops."""
        self.out.mkdir(parents=True, exist_ok=True)
        self._saved = self._told = self.clocks.wall()
        self._probed = self.distillation.spent
        learner = self.distillation.student.learner
        if self.distillation.goal is None and learner.step == 0:
            self._look_at_teacher()
        trained = False
        while not self.stopping() and not learner.finished:
            self._advance()
            trained = True
            self._attend()
        self._tell()
        if trained and learner.finished:
            self._probe()
        save(self.distillation, self.out)

    def _advance(self) -> None:
        distillation, learner = self.distillation, self.distillation.student.learner
        began = self.clocks.cpu()
        self._losses.append(distillation.student.advance())
        distillation.spent += self.clocks.cpu() - began
        share = 1 - _COOLDOWN_SHARE
        if learner.cooldown is None and distillation.spent >= share * self.budget.cpu_s:
            length = max(1, round(learner.step * _COOLDOWN_SHARE / share))
            learner.cooldown = Cooldown(learner.step, length)

    def _attend(self) -> None:
        now = self.clocks.wall()
        if now - self._told >= self.budget.tell_every_s:
            self._tell()
        if now - self._saved >= self.budget.save_every_s:
            save(self.distillation, self.out)
            self._saved = self.clocks.wall()
        if self.distillation.spent - self._probed >= self.budget.probe_every_cpu_s:
            self._probe()

    def _tell(self) -> None:
        self._told = self.clocks.wall()
        if not self._losses:
            return
        spent = self.distillation.spent
        logger.info(
            "step %d, %d seen, loss %.4f, %.1f of %.0f CPU min",
            self.distillation.student.learner.step,
            self.distillation.student.seen,
            sum(self._losses) / len(self._losses),
            spent / 60,
            self.budget.cpu_s / 60,
        )

    def _look_at_teacher(self) -> None:
        goal = self.look(
            self.distillation.run, self.out / "sheets" / "teacher", _TEACHER_STEPS, _TEACHER_GUIDANCE
        )
        self.distillation.goal = goal
        save(self.distillation, self.out)
        logger.info("teacher, %d steps, guidance %g: %s", _TEACHER_STEPS, _TEACHER_GUIDANCE, _told(goal))

    def _probe(self) -> None:
        distillation = self.distillation
        step = distillation.student.learner.step
        with distillation.student.learner.averaged():
            found = self.look(distillation.run, self.out / "sheets" / f"{step:06d}", STEPS, 1.0)
        self._probed = distillation.spent
        row = {
            "step": step,
            "seen": distillation.student.seen,
            "cpu_minutes": round(distillation.spent / 60, 1),
            "loss": sum(self._losses) / len(self._losses),
            "student": asdict(found),
            "teacher": asdict(distillation.goal) if distillation.goal else None,
        }
        with (self.out / CURVE).open("a") as file:
            file.write(json.dumps(row) + "\n")
        goal = f"; teacher {_told(distillation.goal)}" if distillation.goal else ""
        logger.info("student, %d steps: %s%s", STEPS, _told(found), goal)


def _told(found: Probe) -> str:
    return (
        f"{100 * found.exact:.0f} % of {found.count} held-out posters read exactly "
        f"({100 * found.letters:.0f} % of letters)"
    )


def main() -> None:
    """Trains until the minutes are spent; SIGTERM and SIGINT save and stop."""
    parser = argparse.ArgumentParser(prog="inference.sd3.tiny.distil", description=__doc__)
    parser.add_argument("teacher", type=Path, help="an exported checkpoint")
    parser.add_argument("out", type=Path, help="where state, log, sheets, curve and the LoRA are kept")
    parser.add_argument(
        "--minutes", type=float, default=Budget().cpu_s / 60, help="of CPU, probes not counted"
    )
    parser.add_argument("--seed", type=int, default=7, help="of a new run; a resumed one keeps its own")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        handlers=[logging.FileHandler(given.out / "distil.log"), logging.StreamHandler()],
    )
    if (given.out / STATE).exists():
        distillation, how = resume(given.teacher, given.out), "resumed"
    else:
        distillation, how = begin(given.teacher, given.seed), "begun"
    logger.info("%s at step %d", how, distillation.student.learner.step)
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: stopped.append(received))
    clocks = Clocks(time.monotonic, time.process_time)
    budget = Budget(cpu_s=given.minutes * 60)
    Distiller(distillation, budget, given.out, clocks, stopping=lambda: bool(stopped)).distil()


if __name__ == "__main__":
    main()
