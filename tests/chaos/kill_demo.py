"""Kills the whole demo at random, starts it again, and counts finals with another Kafka client.

    python -m tests.chaos.kill_demo --kills 10 --seed 1 --report docs/reliability.md

Each kill is SIGKILL to the whole process group (stages, reader, emulator) and to the broker: nothing gets
to say goodbye. The count is made from the topic and the prompts file alone.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import hashlib
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psutil

from streams.broker.local import LocalBroker
from tests.chaos.report import put_section
from tests.support.kafka import read_all

PROMPTS = Path("prompts/demo.jsonl")


@dataclass(frozen=True, slots=True)
class Count:
    """`wrong` maps (source, id, variant) to how many finals it had, where that is not one."""

    finals: int
    wrong: dict[tuple[str, str, int], int]
    bad_assets: list[str]


def start_demo(out: Path, prompts: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "streams.cli", "demo", "--out", str(out), "--prompts", str(prompts)]
    with log.open("ab") as sink:
        return subprocess.Popen(command, stdout=sink, stderr=sink, start_new_session=True)


def kill_tree(process: subprocess.Popen[bytes]) -> int:
    """SIGKILLs the demo and every process it started, all at once; how many there were."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.send_signal(signal.SIGKILL)
    process.wait()
    psutil.wait_procs(family, timeout=30)
    return len(family)


def kill_times(kills: int, rng: random.Random, shortest_s: float, longest_s: float) -> Iterator[float]:
    for _ in range(kills):
        yield rng.uniform(shortest_s, longest_s)


def torment(out: Path, prompts: Path, delays: Sequence[float], log: Path) -> int:
    """Runs and kills once for each delay (seconds after start), then lets it finish; how often it was killed.

    A run that ends by itself before its kill ends the torment: the next would begin anew.

    Raises:
        subprocess.CalledProcessError: a run failed by itself.
    """
    for number, delay in enumerate(delays, 1):
        process = start_demo(out, prompts, log)
        with contextlib.suppress(subprocess.TimeoutExpired):
            if process.wait(delay):
                raise subprocess.CalledProcessError(process.returncode, process.args)
            say(f"run {number} ended within {delay:.1f} s, before its kill")
            return number - 1
        members = kill_tree(process)
        say(f"kill {number}/{len(delays)}: {members} processes, {delay:.1f} s after start")
    process = start_demo(out, prompts, log)
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return len(delays)


def expected_refs(prompts: Path) -> set[tuple[str, str, int]]:
    """What is owed, computed from the file alone: variants x locales for each prompt."""
    owed = set()
    for line in filter(None, map(str.strip, prompts.read_text("utf-8").splitlines())):
        prompt = json.loads(line)
        for variant in range(prompt.get("variants", 1) * max(1, len(prompt.get("locales", [])))):
            owed.add((prompt["source"], prompt["id"], variant))
    return owed


def count(out: Path, prompts: Path) -> Count:
    with LocalBroker.start(out / "kafka") as broker:
        results = [json.loads(message.value() or b"{}") for message in read_all(broker.bootstrap, "results")]
    finals = [result for result in results if result["final"]]
    refs = collections.Counter(
        (final["ref"]["source"], final["ref"]["id"], final["ref"]["variant"]) for final in finals
    )
    wrong = {ref: refs[ref] for ref in expected_refs(prompts) | set(refs) if refs[ref] != 1}
    return Count(len(finals), wrong, bad_assets(finals))


def bad_assets(finals: Sequence[dict[str, object]]) -> list[str]:
    bad = []
    for final in finals:
        pictures = final["pictures"]
        for asset in filter(None, pictures.values() if isinstance(pictures, dict) else ()):
            data = Path(unquote(urlsplit(asset["uri"]).path)).read_bytes()
            if hashlib.sha256(data).hexdigest() != asset["sha256"]:
                bad.append(asset["uri"])
    return bad


def say(text: str) -> None:
    sys.stderr.write(f"kill_demo: {text}\n")


TITLE = "The whole demo, killed and started again"
REPORT = """\
The demo (`{prompts}`, {owed} finals owed) was killed {kills} times at random: all of its processes at once,
with SIGKILL, the broker among them. It was started again each time with nothing cleaned up in between.

```
{command}
```

| what | result |
|---|---|
| kills | {kills} |
| seconds from start to kill | {delays} |
| finals owed | {owed} |
| finals found, read_committed, by another client | {finals} |
| prompts with no final or more than one | {wrong} |
| assets whose SHA-256 is not what the result says | {bad} |
| wall time, all runs together | {seconds:.0f} s |

Machine: {machine}. Date: {date}. Seed: {seed}.
"""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("out/kill-demo"))
    parser.add_argument("--prompts", type=Path, default=PROMPTS)
    parser.add_argument(
        "--shortest", type=float, default=3.0, help="seconds from a start to its kill, at least"
    )
    parser.add_argument("--longest", type=float, default=4.5, help="and at most")
    parser.add_argument("--report", type=Path, help="write a page with the figures")
    options = parser.parse_args(argv)
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rng = random.Random(options.seed)
    delays = list(kill_times(options.kills, rng, options.shortest, options.longest))
    started = time.monotonic()
    killed = torment(options.out, options.prompts, delays, options.out.with_suffix(".log"))
    found = count(options.out, options.prompts)
    owed = len(expected_refs(options.prompts))
    say(f"{found.finals} finals for {owed} owed; wrong {found.wrong}; bad assets {found.bad_assets}")
    if options.report:
        put_section(
            options.report,
            TITLE,
            REPORT.format(
                prompts=options.prompts,
                owed=owed,
                kills=killed,
                command="python -m tests.chaos.kill_demo " + " ".join(argv or sys.argv[1:]),
                delays=", ".join(f"{delay:.1f}" for delay in delays[:killed]),
                finals=found.finals,
                wrong=len(found.wrong),
                bad=len(found.bad_assets),
                seconds=time.monotonic() - started,
                machine=f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}",
                date=time.strftime("%Y-%m-%d"),
                seed=options.seed,
            ),
        )
    if killed < options.kills:
        say(f"only {killed} of {options.kills} kills: give shorter delays or more prompts")
    return 1 if found.wrong or found.bad_assets or killed < options.kills else 0


if __name__ == "__main__":
    sys.exit(main())
