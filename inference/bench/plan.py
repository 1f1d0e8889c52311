"""What is drawn, with which seeds, in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from inference.bench.samples import Subject
from schemas.ids import derived_seed


class PlanError(ValueError):
    """Nothing sensible can be drawn; the text names the option and the fix."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One picture to draw: the prompt's own seed is not used."""

    engine: str
    subject: Subject
    sample: int
    seed: int
    warm_up: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """Under what a journal remembers a sample: the same again need not be drawn again."""

    engine: str
    model: str
    digest: str
    seed: int
    warm_up: bool = False


def plan(
    engines: Sequence[str], subjects: Sequence[Subject], *, samples: int, seed: int, warm_up: int = 1
) -> tuple[Draw, ...]:
    """Each engine's `warm_up` pictures, then `samples` of every prompt by every engine.

    A seed depends on `seed`, the prompt and the sample's number, so all engines draw with the same ones and
    neither order nor other prompts change them. All prompts have their first sample before any has its
    second, and the engines take turns at each prompt, a different one first: what drifts in the machine meets
    all alike.

    Raises:
        PlanError
    """
    _check(engines, subjects, samples, warm_up)
    warm = [
        Draw(engine, subject, number, derived_seed("bench warm-up", seed, subject.digest, number), True)
        for engine in engines
        for number, subject in enumerate(islice(cycle(subjects), warm_up))
    ]
    rows = [(number, subject) for number in range(samples) for subject in subjects]
    return (
        *warm,
        *(
            Draw(engine, subject, number, derived_seed("bench", seed, subject.digest, number))
            for turn, (number, subject) in enumerate(rows)
            for engine in _turned(engines, turn)
        ),
    )


def key(draw: Draw, models: Mapping[str, str]) -> Key:
    """`models` names the model that draws for each engine now."""
    return Key(draw.engine, models[draw.engine], draw.subject.digest, draw.seed, draw.warm_up)


def remaining(draws: Sequence[Draw], models: Mapping[str, str], done: Container[Key]) -> tuple[Draw, ...]:
    """What is left of a plan after an interrupted run.

    An engine of which anything is left is warmed up again: its process is a new one.
    """
    left = [draw for draw in draws if not draw.warm_up and key(draw, models) not in done]
    cold = {draw.engine for draw in left}
    return (*(draw for draw in draws if draw.warm_up and draw.engine in cold), *left)


def _turned(engines: Sequence[str], turn: int) -> tuple[str, ...]:
    first = turn % len(engines)
    return (*engines[first:], *engines[:first])


def _check(engines: Sequence[str], subjects: Sequence[Subject], samples: int, warm_up: int) -> None:
    if not engines:
        raise PlanError("--models: names no engine; name at least one")
    if twice := [name for name, count in Counter(engines).items() if count > 1]:
        raise PlanError(f"--models: {twice[0]!r} is named twice; name it once")
    if not subjects:
        raise PlanError("--prompts: holds no prompt; give a file with at least one")
    if samples < 1:
        raise PlanError(f"--samples: must be at least 1; got {samples}")
    if warm_up < 0:
        raise PlanError(f"--warm-up: must be at least 0; got {warm_up}")
    if same := [found for found, count in Counter(s.digest for s in subjects).items() if count > 1]:
        ids = [subject.id for subject in subjects if subject.digest == same[0]]
        raise PlanError(f"--prompts: {' and '.join(map(repr, ids))} ask for the same; keep one of them")
    if twice := [found for found, count in Counter(s.id for s in subjects).items() if count > 1]:
        raise PlanError(f"--prompts: the id {twice[0]!r} is given twice; give each prompt its own")
