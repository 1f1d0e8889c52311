"""The figures of a chaos run as a section of a page; other sections of the page stay as they are."""

from __future__ import annotations

import collections
import os
import platform
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.crew import log_counts
from tests.chaos.session import ChaosSession, Outcome
from tests.chaos.tally import worked_in

TITLE = "# Reliability, measured\n"


@dataclass(frozen=True, slots=True)
class Chapter:
    """How a run is introduced, by the fault that was planted."""

    title: str
    introduction: str


CHAPTERS: Mapping[str, Chapter] = {
    "none": Chapter(
        "Workers, brokers and the network",
        """\
Numbered events pass through one stage on the real runtime while its processes are killed and paused, while
one broker of three is killed and restarted, and while a TCP proxy before each broker delays, cuts and loses.
About one event in a hundred is poison and three are produced twice. A consumer with another client and none
of the runtime's code counts what is committed.""",
    ),
    "one-id-per-worker": Chapter(
        "The same with a planted fault",
        """\
A run must be able to fail. Here each worker puts its own name into its transactional ids, where aiokafka's
documentation has one id a worker: whoever takes over a partition no longer fences its owner before. All else
is the same, and this is what the checker then finds.""",
    ),
}
WHAT: Mapping[str, str] = {
    "kill": "workers killed (SIGKILL)",
    "pause": "workers paused past their session (SIGSTOP), then woken",
    "member": "members that joined or left on request",
    "broker": "brokers of three killed (SIGKILL) and restarted",
}
# What the runtime's log says about how hard it was hit.
SIGNS: Mapping[str, str] = {
    "owned from": "times a partition was taken over",
    "epoch ends:": "transactions whose outcome was unknown or refused, so that the epoch was replaced",
    "epoch ends: ProducerFenced": "of these, owners that found themselves fenced",
}


def put_section(page: Path, title: str, body: str) -> None:
    """Replaces the section `title` of `page`, or adds it at the end; makes the page where there is none."""
    text = page.read_text("utf-8") if page.exists() else TITLE
    section = f"## {title}\n\n{body.strip()}\n"
    found = re.search(rf"^## {re.escape(title)}\n(?:(?!## ).*\n?)*", text, re.MULTILINE)
    if found is None:
        text = f"{text.rstrip()}\n\n{section}"
    else:
        rest = text[found.end() :]
        text = text[: found.start()] + section + (f"\n{rest}" if rest else "")
    page.write_text(text, "utf-8")


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}; "
        "the brokers, the workers, the proxies, the producer and the checker share it"
    )


def chaos_section(session: ChaosSession, outcome: Outcome, *, command: str) -> str:
    verdict = outcome.verdict
    counts = session.history.counts()
    signs = log_counts(session.workers, list(SIGNS))
    network = collections.Counter(
        line["target"] for line in session.history.lines() if line["kind"] == "network"
    )
    rows: list[tuple[str, object]] = [
        ("**events lost**", f"**{verdict.lost:,}**"),
        ("**results twice (read_committed)**", f"**{verdict.duplicates:,}**"),
        ("**order inversions within a key**", f"**{verdict.inversions:,}**"),
        ("events", f"{verdict.events:,}"),
        ("input records, resends among them", f"{outcome.input_records:,}"),
        ("results, and dead letters", f"{verdict.results:,}, and {verdict.letters:,}"),
        (
            "dead letters missing, twice, wrong",
            f"{verdict.letters_lost}, {verdict.letters_twice}, {verdict.letters_wrong}",
        ),
        ("input records not committed at the end", outcome.unfinished),
        ("output partitions with an open transaction at the end", outcome.open_transactions),
        ("workers that SIGTERM did not end within their grace", outcome.stuck),
        *((what, counts[kind]) for kind, what in WHAT.items()),
        ("workers that ended by themselves and were replaced", counts["ended"]),
        *((what, signs[sign]) for sign, what in SIGNS.items()),
        (
            "events worked at again because their first work was never committed",
            f"{worked_in(session.workers) - verdict.results + verdict.duplicates:,}",
        ),
        ("sessions (one more than interruptions)", counts["session"]),
        ("time", f"{session.history.seconds():,.0f} s"),
    ]
    table = "\n".join(f"| {what} | {figure} |" for what, figure in rows)
    faults = "\n".join(f"| {fault} | {count} |" for fault, count in sorted(network.items()))
    return f"""{CHAPTERS[session.size.control].introduction}

```
{command}
```

| what | figure |
|---|---|
{table}

Faults of the network, counted where they took effect: `swallow X` means that the broker applied request X and
the connection was reset before its answer, `torn X` that half the answer arrived, `silence X` that nothing
ever came any more.

| fault | times |
|---|---|
{faults}

Machine: {machine()}. Date: {time.strftime("%Y-%m-%d")}. Seed: {session.size.seed}.
"""
