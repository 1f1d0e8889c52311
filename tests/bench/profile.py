"""Where the route stage spends its time: the product's own loop under cProfile, on a drained backlog.

    python -m tests.bench.profile --events 20000 --top 40

cProfile charges every Python call about a microsecond of its own, so small functions look dearer than they
are; the order is what counts. `--save` keeps the figures for other viewers.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from streams.broker.local import LocalBroker
from streams.line import run_line
from streams.settings import Settings
from tests.bench.backlog import Backlog, hidden_backlog
from tests.bench.job import STAGE
from tests.bench.stand import SETTLE_S, Stand, until_committed
from tests.bench.workload import good_rows, mixed, poison_rows

OUT = Path("out/bench")
ROOT = Path(__file__).resolve().parents[2]


async def profiled(settings: Settings, backlog: Backlog, *, plain: bool) -> tuple[cProfile.Profile, float]:
    """The profile from the moment the backlog appears until it is committed, and the CPU seconds of it."""
    # CPU time, not wall time: other work on the machine would be charged to whoever it interrupts.
    profile = cProfile.Profile(time.thread_time)
    stop, ready = asyncio.Event(), asyncio.Event()
    line = asyncio.create_task(run_line(settings, (STAGE,), stop=stop, ready=ready.set))
    await ready.wait()
    # Joining and fencing take a moment after the subscription.
    await asyncio.sleep(2 * SETTLE_S)
    loop = asyncio.get_running_loop()
    watch = threading.Thread(target=_watch, args=(settings, backlog, loop, stop), daemon=True)
    await loop.run_in_executor(None, backlog.producer.commit_transaction, 60)
    used = time.thread_time()
    if not plain:
        profile.enable()
    watch.start()
    await stop.wait()
    profile.disable()
    used = time.thread_time() - used
    await line
    return profile, used


def _watch(
    settings: Settings,
    backlog: Backlog,
    loop: asyncio.AbstractEventLoop,
    stop: asyncio.Event,
) -> None:
    try:
        until_committed(settings.bootstrap, settings.topic_prefix, backlog.ends, lambda: None)
    finally:
        loop.call_soon_threadsafe(stop.set)


def table(profile: cProfile.Profile, events: int, top: int) -> str:
    """The dearest functions: calls, own and cumulative microseconds for each event."""
    stats: Any = pstats.Stats(profile)
    rows = sorted(stats.stats.items(), key=lambda item: -item[1][2])[:top]
    lines = [f"{'calls/event':>11} {'own us':>8} {'with callees':>12}  function"]
    for (file, line, name), (_primitive, calls, own, cumulative, _callers) in rows:
        per = 1e6 / events
        lines.append(
            f"{calls / events:11.2f} {own * per:8.2f} {cumulative * per:12.2f}  {_where(file, line, name)}"
        )
    total = sum(entry[2] for entry in stats.stats.values())
    return "\n".join([*lines, f"all functions: {total * 1e6 / events:.1f} us an event under the profiler"])


def _where(file: str, line: int, name: str) -> str:
    if file == "~":
        return name
    path = Path(file)
    if path.is_relative_to(ROOT) and ".venv" not in path.parts:
        short = path.relative_to(ROOT)
    else:
        short = Path(*path.parts[-2:])
    return f"{short}:{line} {name}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--poison", type=float, default=0.0, help="share of records that cannot be decoded")
    parser.add_argument("--top", type=int, default=40)
    parser.add_argument("--save", type=Path, help="pstats file")
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    poison = poison_rows(round(options.events * options.poison), first=options.events)
    rows = mixed(good_rows(options.events), poison, random.Random(1))
    with (
        tempfile.TemporaryDirectory(dir=OUT, prefix="broker-") as folder,
        LocalBroker.start(Path(folder)) as broker,
    ):
        stand = Stand(broker.bootstrap, OUT / "logs")
        for plain in (True, False):
            with stand.topics() as prefix:
                settings = Settings(
                    bootstrap=broker.bootstrap, topic_prefix=prefix, assets=str(OUT / "assets")
                )
                backlog = hidden_backlog(broker.bootstrap, f"{prefix}prompts", rows)
                profile, used = asyncio.run(profiled(settings, backlog, plain=plain))
            if plain:
                sys.stdout.write(f"without the profiler: {used * 1e6 / len(rows):.1f} us CPU an event\n")
    sys.stdout.write(table(profile, len(rows), options.top) + "\n")
    if options.save:
        profile.dump_stats(options.save)


if __name__ == "__main__":
    main()
