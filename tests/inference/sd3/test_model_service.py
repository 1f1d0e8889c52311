"""The local models' own process: what it draws, what it says while it does, and how it may end."""

from __future__ import annotations

import asyncio
import io
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from inference.sd3.base import CannotDraw, CheckpointError, Drawing
from inference.sd3.checkpoint import Checkpoint, Source, find
from inference.sd3.device import Choice
from inference.sd3.process import FellSilent, ModelProcess, ProcessDied, Progress
from inference.sd3.service import ModelService
from tests.inference.sd3.small import save_small

CPU = Choice("cpu", "float32", "a test")
DRAWING = Drawing(prompt='a red circle, "ORBIT"', width=64, height=64, steps=2, guidance=2.0, seed=1)


@dataclass(slots=True)
class Screen:
    """Notes what is told, and answers to it where a test wants something done just then."""

    seen: list[Progress] = field(default_factory=list)
    react: Callable[[Progress], None] = lambda _progress: None

    def watch(self, progress: Progress) -> None:
        self.seen.append(progress)
        self.react(progress)

    def steps(self) -> list[tuple[int, int]]:
        return [(each.done, each.total) for each in self.seen if each.doing == "drawing"]


def setting(event: asyncio.Event) -> Callable[[Progress], None]:
    """Sets `event` of the running loop, from whatever thread it is called in."""
    loop = asyncio.get_running_loop()

    def react(_progress: Progress) -> None:
        loop.call_soon_threadsafe(event.set)

    return react


@dataclass(slots=True)
class Shared:
    """One process for the tests of this module that do not end it."""

    service: ModelService
    screen: Screen

    def pid(self) -> int:
        assert self.service.pid is not None
        return self.service.pid


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def checkpoint(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return find(Source(str(folder)), {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))})


@pytest.fixture(scope="module")
def shared(checkpoint: Checkpoint) -> Iterator[Shared]:
    screen = Screen()
    service = ModelService(CPU, threads=1, watch=screen.watch)
    asyncio.run(service.warm(checkpoint))
    yield Shared(service, screen)
    asyncio.run(service.aclose())


@pytest.fixture(autouse=True)
def cleared(request: pytest.FixtureRequest) -> None:
    if "shared" in request.fixturenames:
        screen: Screen = request.getfixturevalue("shared").screen
        screen.seen.clear()
        screen.react = lambda _progress: None


async def test_a_drawing_comes_back_as_a_png_of_its_size_with_every_step_told(
    shared: Shared, checkpoint: Checkpoint
) -> None:
    drawn = await shared.service.draw(checkpoint, replace(DRAWING, width=96, steps=3))
    picture = Image.open(io.BytesIO(drawn.png))
    assert (picture.format, picture.size, picture.mode) == ("PNG", (96, 64), "RGB")
    assert drawn.seconds > 0
    assert shared.screen.steps() == [(1, 3), (2, 3), (3, 3)]
    assert {each.model for each in shared.screen.seen} == {checkpoint.model}


async def test_the_same_drawing_has_the_same_bytes_and_another_seed_has_others(
    shared: Shared, checkpoint: Checkpoint
) -> None:
    asked = [DRAWING, replace(DRAWING, seed=2), DRAWING]
    first, other, again = await asyncio.gather(*(shared.service.draw(checkpoint, each) for each in asked))
    assert first.png == again.png != other.png


async def test_what_cannot_be_drawn_is_said_and_the_process_lives(
    shared: Shared, checkpoint: Checkpoint
) -> None:
    before = shared.pid()
    with pytest.raises(CannotDraw, match="width: 72 is not a multiple"):
        await shared.service.draw(checkpoint, replace(DRAWING, width=72))
    assert shared.pid() == before


async def test_a_checkpoint_that_broke_since_it_was_found_is_an_error_of_its_own(
    shared: Shared, checkpoint: Checkpoint, folder: Path
) -> None:
    before = shared.pid()
    gone = replace(checkpoint, folder=folder / "nowhere", revision="other")
    with pytest.raises(CheckpointError):
        await shared.service.draw(gone, DRAWING)
    assert shared.pid() == before
    assert (await shared.service.draw(checkpoint, DRAWING)).png


async def test_a_cancelled_caller_ends_its_drawing_and_the_next_gets_its_own(
    shared: Shared, checkpoint: Checkpoint
) -> None:
    expected = await shared.service.draw(checkpoint, DRAWING)
    begun = asyncio.Event()
    shared.screen.react = setting(begun)
    long = asyncio.create_task(shared.service.draw(checkpoint, replace(DRAWING, steps=5_000)))
    queued = asyncio.create_task(shared.service.draw(checkpoint, replace(DRAWING, seed=3)))
    await begun.wait()
    long.cancel()
    queued.cancel()
    shared.screen.seen.clear()
    assert (await shared.service.draw(checkpoint, DRAWING)).png == expected.png
    assert len(shared.screen.seen) < 1_000
    assert shared.screen.steps()[-2:] == [(1, 2), (2, 2)]
    assert [long.cancelled(), queued.cancelled()] == [True, True]


async def test_the_event_loop_runs_on_while_a_picture_is_drawn(
    shared: Shared, checkpoint: Checkpoint
) -> None:
    drawing = asyncio.ensure_future(shared.service.draw(checkpoint, replace(DRAWING, steps=30)))
    beats = 0
    while not drawing.done():
        beats += 1
        await asyncio.sleep(0.002)
    assert beats > 10


async def test_killed_in_the_middle_of_a_drawing_it_is_replaced_at_the_next(
    shared: Shared, checkpoint: Checkpoint
) -> None:
    killed = shared.pid()
    shared.screen.react = lambda progress: os.kill(killed, signal.SIGKILL) if progress.done == 2 else None
    with pytest.raises(ProcessDied, match=r"died .*exit code -9"):
        await shared.service.draw(checkpoint, replace(DRAWING, steps=5_000))
    shared.screen.react = lambda _progress: None
    assert (await shared.service.draw(checkpoint, DRAWING)).png
    assert shared.pid() != killed
    assert [each.doing for each in shared.screen.seen][-3:] == ["loaded", "drawing", "drawing"]


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_after_three_deaths_in_a_row_the_next_process_waits_a_minute(checkpoint: Checkpoint) -> None:
    clock, screen = Clock(), Screen()
    service = ModelService(CPU, threads=1, watch=screen.watch, clock=clock)

    def kill(_progress: Progress) -> None:
        assert service.pid is not None
        os.kill(service.pid, signal.SIGKILL)

    screen.react = kill
    for _ in range(3):
        with pytest.raises(ProcessDied, match="exit code -9"):
            await service.draw(checkpoint, DRAWING)
    loads = len(screen.seen)
    clock.now += 10
    with pytest.raises(ProcessDied, match="died 3 times in a row; the next try is in 50 s") as raised:
        await service.draw(checkpoint, DRAWING)
    assert (raised.value.after_s, service.pid, len(screen.seen)) == (50, None, loads)
    clock.now += 51
    with pytest.raises(ProcessDied, match="exit code -9"):
        await service.draw(checkpoint, DRAWING)
    await service.aclose()


async def test_a_process_that_falls_silent_is_killed(checkpoint: Checkpoint) -> None:
    screen = Screen()
    service = ModelService(CPU, threads=1, loading_s=0.2, watch=screen.watch)

    def stop(_progress: Progress) -> None:
        assert service.pid is not None
        os.kill(service.pid, signal.SIGSTOP)

    screen.react = stop
    with pytest.raises(FellSilent, match=r"no sign of life for 0\.2 s and was killed"):
        await service.draw(checkpoint, DRAWING)
    assert service.pid is None
    await service.aclose()


async def test_closing_ends_the_process_and_whoever_waits_for_it(checkpoint: Checkpoint) -> None:
    loading, screen = asyncio.Event(), Screen()
    screen.react = setting(loading)
    service = ModelService(CPU, threads=1, watch=screen.watch)
    waiting = [asyncio.ensure_future(service.draw(checkpoint, DRAWING)) for _ in range(3)]
    await loading.wait()
    assert service.pid is not None
    child = os.pidfd_open(service.pid)
    async with asyncio.timeout(8):
        await service.aclose()
    assert select.select([child], [], [], 0)[0] == [child]
    os.close(child)
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(answer, ProcessDied) for answer in answers)
    with pytest.raises(ProcessDied, match="closed"):
        await service.draw(checkpoint, DRAWING)
    await service.aclose()


async def test_closed_while_the_process_is_being_born_it_leaves_none(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, born = asyncio.get_running_loop(), list[ModelProcess]()
    service = ModelService(CPU, threads=1)
    closing = threading.Event()

    async def begin_to_close() -> None:
        ending = asyncio.create_task(service.aclose())
        await asyncio.sleep(0)
        closing.set()
        await ending

    def slow_birth(*arguments: Any, **options: Any) -> ModelProcess:
        born.append(ModelProcess(*arguments, **options))
        asyncio.run_coroutine_threadsafe(begin_to_close(), loop)
        closing.wait()
        return born[0]

    monkeypatch.setattr("inference.sd3.service.ModelProcess", slow_birth)
    with pytest.raises(ProcessDied, match="closed"):
        await service.draw(checkpoint, DRAWING)
    await service.aclose()
    await asyncio.to_thread(born[0]._process.join, 5)
    assert (born[0].alive, service.pid) == (False, None)


PARENT = """
import asyncio, sys
from inference.sd3.base import Drawing
from inference.sd3.checkpoint import Source, find
from inference.sd3.device import Choice
from inference.sd3.service import ModelService

def told(progress):
    if progress.done == 1:
        heavy = sorted({"torch", "diffusers", "transformers"} & set(sys.modules))
        sys.stdout.write(f"{service.pid} {heavy}\\n")
        sys.stdout.flush()

async def main():
    global service
    service = ModelService(Choice("cpu", "float32", "a test"), threads=1, watch=told)
    drawing = Drawing(prompt="p", width=64, height=64, steps=100_000, guidance=2.0, seed=1)
    await service.draw(find(Source(sys.argv[1]), {"XDG_CACHE_HOME": sys.argv[2]}), drawing)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_the_process_dies_with_its_killed_parent_which_never_imports_torch(
    tmp_path: Path, folder: Path
) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen(
        [sys.executable, script, folder, tmp_path], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid, heavy = parent.stdout.readline().split(maxsplit=1)
        child = os.pidfd_open(int(pid))
        parent.kill()
    assert heavy == "[]\n"
    assert select.select([child], [], [], 5)[0] == [child]
    os.close(child)


def test_a_number_of_threads_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="threads: 0 is below 1"):
        ModelService(CPU, threads=0)
