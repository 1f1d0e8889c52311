"""Benches made of scripted samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from inference.bench.baseline import Conditions, EngineReport, Report, prompts_digest
from inference.bench.figures import engine_figures
from inference.bench.plan import Draw, plan
from inference.bench.samples import Sample, Subject
from schemas.events import PromptEvent, Text

Scripted = Callable[[Draw], dict[str, Any]]


def subjects(count: int, word: str = "OPEN") -> tuple[Subject, ...]:
    return tuple(
        Subject.of(
            PromptEvent(id=f"p{i}", source="bench", prompt=f'A poster {i} says "{word}"', texts=(Text(word),))
        )
        for i in range(count)
    )


def sample(draw: Draw, **fields: Any) -> Sample:
    drawn: dict[str, Any] = {"outcome": "rendered", "accepted": True, "seconds": 1.0, "score": 1.0, **fields}
    return Sample(
        engine=draw.engine,
        model="m",
        prompt=draw.subject.id,
        digest=draw.subject.digest,
        sample=draw.sample,
        seed=draw.seed,
        warm_up=draw.warm_up,
        **drawn,
    )


def draw_all(draws: Sequence[Draw], script: Scripted) -> list[Sample]:
    return [sample(draw, **script(draw)) for draw in draws]


def report(
    engines: Sequence[str],
    asked: Sequence[Subject],
    script: Scripted,
    *,
    samples: int = 2,
    **conditions: Any,
) -> Report:
    drawn = draw_all(plan(engines, asked, samples=samples, seed=1), script)
    by_digest = {subject.digest: subject for subject in asked}
    random = np.random.default_rng(1)
    made: dict[str, Any] = {
        "prompts": prompts_digest(tuple(asked)),
        "samples": samples,
        "seed": 1,
        "score_version": "scripted-score",
        "readers": ("rapid",),
        "machine": "two cores",
        **conditions,
    }
    return Report(
        conditions=Conditions(**made),
        subjects=tuple(asked),
        engines=tuple(
            EngineReport(
                engine=engine,
                figures=engine_figures(engine, drawn, by_digest, random, rounds=200),
                samples=tuple(each for each in drawn if each.engine == engine),
            )
            for engine in engines
        ),
    )
