"""What a picture costs, one at a time on a warm model, and which part of the model costs it."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from tests.bench.procfs import busy_seconds, cpu_seconds
from tests.bench.tiny.artist import Artist
from tests.bench.tiny.pictures import Picture, Setting

Stage = Literal["encode", "steps", "decode"]
WARM = 2
TIMED = 10


@dataclass(frozen=True, slots=True)
class Seconds:
    """One picture: by the wall's clock, of all threads' CPU, and by the wall's clock in each stage."""

    wall: float
    cpu: float
    stages: Mapping[Stage, float]


@dataclass(frozen=True, slots=True)
class Speed:
    """Pictures timed in one setting; `others` is the share of all cores that other processes used."""

    setting: Setting
    threads: int
    pictures: Sequence[Seconds]
    others: float

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Speed:
        pictures = [Seconds(**each) for each in plain["pictures"]]
        return cls(Setting(**plain["setting"]), plain["threads"], pictures, plain["others"])

    @property
    def walls(self) -> list[float]:
        return [each.wall for each in self.pictures]

    @property
    def cpus(self) -> list[float]:
        return [each.cpu for each in self.pictures]

    def stage(self, name: Stage) -> float:
        """The median."""
        return statistics.median(each.stages[name] for each in self.pictures)

    def guess(self, setting: Setting) -> float:
        """Seconds of a picture in another setting of a model of this size."""
        step = self.stage("steps") / self.setting.rows
        return statistics.median(self.walls) + (setting.rows - self.setting.rows) * step


def measure(artist: Artist, setting: Setting, count: int = TIMED) -> Speed:
    """Times `count` pictures after `WARM` that are not counted, of prompts that no other setting has timed.

    The renderer remembers the last prompts it encoded.
    """
    first = (WARM + count) * setting.rows
    pictures = [Picture("title", first + place, setting) for place in range(WARM + count)]
    for picture in pictures[:WARM]:
        artist.draw(picture)
    began, others = time.perf_counter(), _others()
    timed = [_timed(artist, picture) for picture in pictures[WARM:]]
    offered = (time.perf_counter() - began) * (os.cpu_count() or 1)
    return Speed(setting, torch.get_num_threads(), timed, max(0.0, (_others() - others) / offered))


def _timed(artist: Artist, picture: Picture) -> Seconds:
    with stages(artist.pipeline, time.perf_counter) as spent:
        wall, cpu = time.perf_counter(), time.process_time()
        artist.draw(picture)
        return Seconds(time.perf_counter() - wall, time.process_time() - cpu, spent)


def _others() -> float:
    return busy_seconds() - cpu_seconds(os.getpid())


@contextmanager
def stages(pipeline: Any, clock: Callable[[], float]) -> Iterator[Mapping[Stage, float]]:
    """Within, adds up the time that `pipeline`'s networks take, by stage."""
    spent: dict[Stage, float] = {"encode": 0.0, "steps": 0.0, "decode": 0.0}
    networks: dict[Stage, list[nn.Module | None]] = {
        "encode": [pipeline.text_encoder, pipeline.text_encoder_2, pipeline.text_encoder_3],
        "steps": [pipeline.transformer],
        "decode": [pipeline.vae.decoder],
    }
    with ExitStack() as stack:
        for stage, modules in networks.items():
            for module in filter(None, modules):
                stack.enter_context(_clocked(module, stage, spent, clock))
        yield spent


@contextmanager
def _clocked(
    module: nn.Module, stage: Stage, spent: dict[Stage, float], clock: Callable[[], float]
) -> Iterator[None]:
    began = 0.0

    def start(*_: object) -> None:
        nonlocal began
        began = clock()

    def stop(*_: object) -> None:
        spent[stage] += clock() - began

    handles = (module.register_forward_pre_hook(start), module.register_forward_hook(stop))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
