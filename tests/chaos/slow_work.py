"""Two members whose records take 60 to 300 s each: their group must not rebalance once.

    python -m tests.chaos.slow_work --report out/slow-work.json --page out/slow-work.md

Most records wait, as for a GPU in another process; one of each member burns a core in a thread beside the
event loop, and one in another process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import os
import platform
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from schemas.events import PromptEvent
from streams.broker.local import LocalBroker
from streams.broker.topics import apply_topics
from streams.runtime.clients import consumer_options
from streams.settings import Settings
from tests.support.kafka import read_all, read_until
from tests.support.numbers import numbers, send_events

MEMBERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`each` records for each member, of which two burn a core for `burn_s`. Times in seconds, or in
    milliseconds where 0 is the product's own.
    """

    each: int = 10
    shortest_s: float = 60.0
    longest_s: float = 300.0
    burn_s: float = 60.0
    session_ms: int = 0
    heartbeat_ms: int = 0
    max_poll_ms: int = 0
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`turns` are the callbacks of rebalances between the group's settling and its stop."""

    records: int
    results: list[int]
    turns: list[dict[str, Any]]
    members: list[dict[str, float]]
    seconds: float


@dataclass(frozen=True, slots=True)
class Place:
    bootstrap: str
    prefix: str


class Member:
    """A member process and the lines it writes."""

    def __init__(self, place: Place, load: Load) -> None:
        command = [sys.executable, "-m", "tests.chaos.slow_member"]
        command += ["--bootstrap", place.bootstrap, "--prefix", place.prefix]
        for name in ("session_ms", "heartbeat_ms", "max_poll_ms"):
            command += [f"--{name.replace('_', '-')}", str(getattr(load, name))]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.turns: list[dict[str, Any]] = []
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(orjson.loads(line))
        self._lines.put(None)

    def next_line(self, timeout_s: float) -> dict[str, Any]:
        """Raises:
        queue.Empty: it said nothing for so long.
        RuntimeError: it has ended.
        """
        line = self._lines.get(timeout=timeout_s)
        if line is None:
            raise RuntimeError(f"a member ended by itself with status {self.process.wait()}")
        if "turn" in line:
            self.turns.append(line)
        return line

    def summary(self) -> dict[str, float]:
        """Its last line, after SIGTERM; the turns before it are noted on the way."""
        self.process.terminate()
        while "turn" in (line := self.next_line(30)):
            pass
        return line

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def members(place: Place, load: Load) -> Iterator[list[Member]]:
    started = [Member(place, load) for _ in range(MEMBERS)]
    try:
        yield started
    finally:
        for member in started:
            member.close()


def settle(group: Sequence[Member], *, timeout_s: float = 60.0) -> float:
    """Waits until each member has a partition of its own; the moment of the last assignment.

    Raises:
        TimeoutError: they never shared them.
    """
    until = time.monotonic() + timeout_s
    owned: dict[int, dict[str, Any]] = {}
    while not (len(owned) == MEMBERS and all(len(line["partitions"]) == 1 for line in owned.values())):
        if time.monotonic() > until:
            raise TimeoutError(f"no partition for each member within {timeout_s:g} s: {owned}")
        for number, member in enumerate(group):
            with contextlib.suppress(queue.Empty):
                line = member.next_line(0.1)
                if line["turn"] == "assigned":
                    owned[number] = line
    return max(float(line["at"]) for line in owned.values())


def work_of(load: Load) -> list[PromptEvent]:
    """`each` records for either partition in turn: the first two of each burn, the last takes longest."""
    rng = random.Random(load.seed)
    events = []
    for number in range(MEMBERS * load.each):
        manner = ("thread", "process", "sleep")[min(number // MEMBERS, 2)]
        seconds = rng.uniform(load.shortest_s, load.longest_s)
        if manner != "sleep":
            seconds = load.burn_s
        elif number >= MEMBERS * (load.each - 1):
            seconds = load.longest_s
        tags = (manner, f"{seconds:.1f}")
        events.append(PromptEvent(id=f"slow{number}", source="test", prompt=f"{number}", tags=tags))
    return events


def run(place: Place, load: Load) -> Outcome:
    """Runs the load once, on topics that exist and have two partitions."""
    events = work_of(load)
    with members(place, load) as group:
        settled = settle(group)
        for partition in range(MEMBERS):
            send_events(place, events[partition::MEMBERS], partition=partition)
        topic, timeout_s = f"{place.prefix}results", load.longest_s + 120
        read_until(place.bootstrap, topic, lambda found: len(found) >= len(events), timeout_s=timeout_s)
        stopped = time.monotonic()
        summaries = [member.summary() for member in group]
        turns = [turn for member in group for turn in member.turns if settled < turn["at"] < stopped]
    return Outcome(
        records=len(events),
        results=numbers(read_all(place.bootstrap, topic)),
        turns=turns,
        members=summaries,
        seconds=stopped - settled,
    )


PAGE = """## Work that takes minutes

Two members and {records} records, all under way at once: {waiting} wait {shortest:g} to {longest:g} s,
{threads} burn a core for {burn:g} s in a thread beside the event loop, {processes} do so in another process.
Session {session}, poll limit {poll}.

```
{command}
```

| what | result |
|---|---|
| rebalances between the first record and the last result | {turns} |
| records that gave exactly one result | {once} of {records} |
| longest time between two answered heartbeats | {gap:.2f} s |
| longest wait of the event loop | {lag:.2f} s |
| memory, mean of the first and the last third of the run | {memory} |
| CPU time of each member | {cpu} |
| wall time | {seconds:.0f} s |

Machine: {machine}. Date: {date}. Seed: {seed}.
"""


def page(outcome: Outcome, load: Load, command: str) -> str:
    product = consumer_options(Settings())
    manners = [prompt.tags[0] for prompt in work_of(load)]
    memory = (
        f"{member['memory_first_third_bytes'] / 1e6:.1f} and {member['memory_last_third_bytes'] / 1e6:.1f} MB"
        for member in outcome.members
    )
    return PAGE.format(
        records=outcome.records,
        shortest=load.shortest_s,
        longest=load.longest_s,
        waiting=manners.count("sleep"),
        threads=manners.count("thread"),
        processes=manners.count("process"),
        burn=load.burn_s,
        session=seconds_text(load.session_ms or product["session_timeout_ms"]),
        poll=seconds_text(load.max_poll_ms or product["max_poll_interval_ms"]),
        command=command,
        turns=sum(turn["turn"] == "assigned" for turn in outcome.turns),
        once=sum(outcome.results.count(number) == 1 for number in range(outcome.records)),
        gap=max(member["longest_heartbeat_gap_s"] for member in outcome.members),
        lag=max(member["longest_loop_lag_s"] for member in outcome.members),
        memory="; ".join(memory),
        cpu="; ".join(f"{member['cpu_s']:.1f} s" for member in outcome.members),
        seconds=outcome.seconds,
        machine=f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}",
        date=time.strftime("%Y-%m-%d"),
        seed=load.seed,
    )


def seconds_text(milliseconds: int) -> str:
    return f"{milliseconds / 1_000:g} s"


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 1: a rebalance, or a record without exactly one result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for field in dataclasses.fields(Load):
        kind = type(field.default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    parser.add_argument("--report", type=Path, help="write the figures as JSON")
    parser.add_argument("--page", type=Path, help="write them as a section of a Markdown page")
    options = parser.parse_args(argv)
    load = Load(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Load)})
    with tempfile.TemporaryDirectory() as folder, LocalBroker.start(Path(folder)) as broker:
        asyncio.run(apply_topics(broker.bootstrap, partitions=MEMBERS))
        outcome = run(Place(broker.bootstrap, ""), load)
    figures = orjson.dumps({"load": load, "outcome": outcome}, option=orjson.OPT_INDENT_2)
    command = " ".join(["python -m tests.chaos.slow_work", *(argv or sys.argv[1:])])
    for path, content in ((options.report, figures), (options.page, page(outcome, load, command).encode())):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    sys.stderr.write(figures.decode() + "\n")
    return 0 if not outcome.turns and outcome.results == list(range(outcome.records)) else 1


if __name__ == "__main__":
    sys.exit(main())
