"""A lone broker, killed or stopped at random under a stage that writes transactions, and started again.

    python -m tests.chaos.restarts --rounds 12 --seed 1 --report docs/reliability.md
    python -m tests.chaos.restarts --rounds 12 --seed 1 --unguarded

With `--unguarded` the broker runs as Kafka comes and offsets are asked for as aiokafka does: the control, in
which transactions lose their markers.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import logging
import os
import platform
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from confluent_kafka import Message

from streams.broker.local import LocalBroker
from streams.broker.topics import apply_topics
from streams.runtime.group_offsets import StableOffsetRequest, StableOffsetStruct
from tests.chaos.report import put_section
from tests.conftest import TestTopics
from tests.support.numbers import Echo, all_results, loop_of, numbers, results, running, send_numbers

EVENTS = 4_000
RESTARTS_A_ROUND = 8
LONGEST_HANDLER_S = 0.1
ROUND_S = 300.0
# What Kafka 4.4 says as it leaves out a marker.
UNMARKED = "Couldn't find leader endpoint"
TELL_UNMARKED = "-Dorg.slf4j.simpleLogger.log.kafka.coordinator.transaction=info"
# As Kafka comes, but for the short session that lets a crashed broker back within seconds.
PLAIN = {"controlled.shutdown.enable": "true", "broker.session.timeout.ms": "2000"}


@dataclass(frozen=True, slots=True)
class Round:
    """`unmarked` counts the transactions that the broker called complete with a marker left out."""

    kills: int
    stops: int
    lost: int
    twice: int
    unmarked: int


async def one_round(broker: LocalBroker, rng: random.Random, number: int) -> Round:
    topics = TestTopics(broker.bootstrap, f"round{number}-")
    await apply_topics(broker.bootstrap, prefix=topics.prefix, partitions=2)
    send_numbers(topics, range(EVENTS))
    done = collections.Counter[str]()
    unmarked = -unmarked_in(broker)
    async with running(loop_of(topics, Echo(longest_s=LONGEST_HANDLER_S).handle)):
        for _ in range(RESTARTS_A_ROUND):
            seen = len(await asyncio.to_thread(all_results, topics))
            if seen >= EVENTS:
                break
            await results(topics, seen + 1, timeout_s=ROUND_S)
            await asyncio.sleep(rng.random())
            how = rng.choice(("kill", "stop"))
            done[how] += 1
            await asyncio.to_thread(broker.kill if how == "kill" else broker.stop)
            await asyncio.to_thread(broker.restart)
        await results(topics, EVENTS, timeout_s=ROUND_S)
    found = all_results(topics)
    return Round(done["kill"], done["stop"], *miscounted(found), unmarked + unmarked_in(broker))


def miscounted(found: Sequence[Message]) -> tuple[int, int]:
    """How many of the numbers are missing, and how many are there more than once."""
    times = collections.Counter(numbers(found))
    return EVENTS - len(times), sum(count > 1 for count in times.values())


def unmarked_in(broker: LocalBroker) -> int:
    logs = broker.log_file.parent.glob(f"{broker.log_file.name}*")
    return sum(log.read_text("utf-8", "replace").count(UNMARKED) for log in logs)


@contextlib.contextmanager
def unguarded() -> Iterator[None]:
    def build(self: StableOffsetRequest, struct: type[StableOffsetStruct]) -> StableOffsetStruct:
        return struct(self._group, [(self._tp.topic, [self._tp.partition], {})], False, {})

    with (
        mock.patch("streams.broker.local.fence_absent", lambda *_: False),
        mock.patch.object(StableOffsetRequest, "build", build),
    ):
        yield


async def torment(out: Path, rounds: int, rng: random.Random, settings: dict[str, str]) -> list[Round]:
    made: list[Round] = []
    with LocalBroker.start(out, settings=settings) as broker:
        for number in range(1, rounds + 1):
            made.append(await one_round(broker, rng, number))
            sys.stderr.write(f"restarts: round {number}/{rounds}: {made[-1]}\n")
    return made


TITLE = "A lone broker, killed and stopped under load"
REPORT = """\
{events:,} events a round pass through one stage on two partitions while its only broker is killed (SIGKILL)
or stopped at random moments and started again. Another client counts what is committed.

```
{command}
```

| what | figure |
|---|---|
| rounds, events | {rounds}, {total:,} |
| brokers killed, stopped | {kills}, {stops} |
| **events lost** | **{lost}** |
| **results twice (read_committed)** | **{twice}** |
| transactions that the broker called complete without all their markers | {unmarked} |
| wall time | {minutes:.0f} min |

Machine: {machine}. Date: {date}. Seed: {seed}.
"""


def section(made: Sequence[Round], *, command: str, seed: int, seconds: float) -> str:
    return REPORT.format(
        events=EVENTS,
        command=command,
        rounds=len(made),
        total=len(made) * EVENTS,
        kills=sum(one.kills for one in made),
        stops=sum(one.stops for one in made),
        lost=sum(one.lost for one in made),
        twice=sum(one.twice for one in made),
        unmarked=sum(one.unmarked for one in made),
        minutes=seconds / 60,
        machine=f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}",
        date=time.strftime("%Y-%m-%d"),
        seed=seed,
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("out/restarts"))
    parser.add_argument("--unguarded", action="store_true", help="the control: as Kafka and aiokafka come")
    parser.add_argument("--report", type=Path, help="write the figures into a page")
    options = parser.parse_args(argv)
    # Both tell of every attempt to reach a broker that is down.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("streams").setLevel(logging.ERROR)
    os.environ["JAVA_TOOL_OPTIONS"] = TELL_UNMARKED
    shutil.rmtree(options.out, ignore_errors=True)
    started = time.monotonic()
    with unguarded() if options.unguarded else contextlib.nullcontext():
        settings = PLAIN if options.unguarded else {}
        made = asyncio.run(torment(options.out, options.rounds, random.Random(options.seed), settings))
    command = "python -m tests.chaos.restarts " + " ".join(argv or sys.argv[1:])
    told = section(made, command=command, seed=options.seed, seconds=time.monotonic() - started)
    sys.stdout.write(told)
    if options.report:
        put_section(options.report, TITLE + (": the control" if options.unguarded else ""), told)
    return 1 if any(one.lost or one.twice for one in made) else 0


if __name__ == "__main__":
    sys.exit(main())
