"""The figures of a run as a section of a page; other sections of the page stay as they are."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.chaos.engines.audit import FAULTS
from tests.chaos.engines.figures import Figures, charges, total, unknown_money
from tests.chaos.report import put_section

HEAD = """# Nothing paid twice, measured

Jobs for every hosted contract go through the real polish stage, three processes of it, over a real Kafka
into one ledger. The emulator plays the providers after a seeded plan of faults and keeps books of its own.
Workers are killed (SIGKILL), stopped for longer than their leases (SIGSTOP) and asked to leave; of a hundred
jobs five are produced twice, and two more lie in two partitions, where two workers may have them at once.
Three budgets are too small for the jobs.

The audit shares no code with the runtime, the render service or the ledger: it reads the topic with another
Kafka client, the ledger's tables with its own SQL, and the emulator's books from their file. A trigger in the
database writes down every value that a budget's counter takes. Calls of unknown outcome or price are compared
once as they are, and once more after they were settled by the providers' bill, as `glyphstream spend settle`
does.
"""
DATABASES = {"postgres": "PostgreSQL", "sqlite": "SQLite"}
PLANTED = {
    "pays-again": "Each worker forgets what others have written of a job, and begins it anew",
    "settles-nothing": (
        "How a call ended is never written. Pictures are found again by what their workers left in the "
        "store, so refusals give it away"
    ),
    "drops-jobs": "Of 25 jobs one leaves nothing behind",
}


def title(options: argparse.Namespace) -> str:
    database = DATABASES[options.database]
    return database if options.control == "none" else f"A planted fault: {options.control} ({database})"


def write_section(page: Path, options: argparse.Namespace, body: str) -> None:
    """Replaces the section of this kind of run, or adds it at the end; makes the page where there is none."""
    if not page.exists():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(HEAD, "utf-8")
    put_section(page, title(options), body)


def chapter(figures: Figures, options: argparse.Namespace) -> str:
    introduction = (
        f"{PLANTED[options.control]}: this is what the audit then finds.\n\n"
        if (options.control != "none")
        else ""
    )
    parts = [
        f"{introduction}```\n{command(options)}\n```",
        _table(("found by the audit", "times"), _found(figures)),
        _examples(figures),
        _table(("what happened", "times"), _happened(figures)),
        _table(("fault of a provider, by its own books", "times"), sorted(figures.faults.items())),
        _table(("budget", "limit", "most ever committed", "jobs refused"), _budgets(figures)),
        _table(("engine", "charged by its provider", "booked by us"), _engines(figures)),
        f"Machine: {_machine()}. Date: {time.strftime('%Y-%m-%d')}. Seed: {options.seed}.",
    ]
    return "\n\n".join(filter(None, parts))


def command(options: argparse.Namespace) -> str:
    words = [f"--jobs {options.jobs}", f"--kills {options.kills}", f"--seed {options.seed}"]
    words += [f"--database {options.database}"]
    words += [] if options.control == "none" else [f"--control {options.control}"]
    return " ".join(["python -m tests.chaos.engines.run", *words])


def dollars(micros: int) -> str:
    return f"${micros / 1e6:,.6f}"


def _found(figures: Figures) -> Iterable[tuple[object, ...]]:
    meaning: Mapping[str, str] = {
        "lost": "jobs without the Renders they owe",
        "twice": "jobs with more Renders than they owe",
        "stranger": "jobs that nobody asked for",
        "charged twice": "jobs charged twice",
        "not booked": "charges that are not in the ledger",
        "not charged": "booked money that nobody charged",
        "above its reservation": "charges above what was reserved",
        "another model": "requests to another model than the job's",
        "misquoted": "Renders whose price is not the bill's",
        "untold": "refusals that are not in the ledger",
        "left under way": "calls left intended or sent",
        "over budget": "moments at which a budget was passed",
        "adrift": "moments at which counters and calls differed",
        "unequal": "engines whose sums differ in the end",
        "still waiting": "calls still without a price in the end",
    }
    for fault in FAULTS:
        count = figures.verdict.counts.get(fault, 0)
        yield f"**{meaning[fault]}**", f"**{count:,}**"


def _examples(figures: Figures) -> str:
    lines = [f"- {fault}: {each}" for fault, some in figures.verdict.examples.items() for each in some[:2]]
    return "\n".join(["For example:", "", *lines]) if lines else ""


def _happened(figures: Figures) -> Iterable[tuple[object, ...]]:
    done, evidence = figures.outcome, figures.outcome.evidence
    reserved, billed = unknown_money(evidence)
    states, answers, struck = figures.states, figures.answers, done.struck
    yield "jobs", evidence.workload.jobs
    yield "records produced, resends and twins among them", done.input_records
    yield (
        "Renders: with a picture, refused, failed",
        ", ".join(f"{answers.get(name, 0):,}" for name in ("rendered", "refused", "failed")),
    )
    yield "Renders answered from what was known of the job", answers.get("asked again", 0)
    yield "Renders of jobs whose call has an outcome that nobody knew", answers.get("held", 0)
    yield "requests that reached a provider", sum(map(len, evidence.bill.values()))
    yield "of these charged", charges(evidence.bill)
    yield "workers killed (SIGKILL)", struck["kill"]
    yield "workers stopped beyond their lease (SIGSTOP), then woken", struck["pause"]
    yield "workers asked to leave (SIGTERM) and replaced", struck["leave"]
    yield (
        "calls in the ledger: image, refused, failed, released",
        ", ".join(f"{states.get(name, 0):,}" for name in ("image", "refused", "failed", "released")),
    )
    yield "calls of unknown outcome or price at the end, settled by the bill", done.settled_by_a_person
    yield "what these had reserved, and what they came to", f"{dollars(reserved)}, {dollars(billed)}"
    yield "calls whose worker left before sending", states.get("left before sending", 0)
    yield "calls whose worker left without an answer", states.get("left without an answer", 0)
    yield (
        "pictures that came when their job had been answered: paid for once, kept, not shown",
        states.get("drawn and not shown", 0),
    )
    yield "jobs with more than one call", states.get("jobs with several calls", 0)
    yield (
        "values of budget counters checked, moments compared with the calls",
        (f"{len(evidence.history):,}, {len(evidence.snapshots):,}"),
    )
    yield (
        "dead letters; workers that ended by themselves, or not by SIGTERM",
        (f"{done.dead_letters}; {done.ended}, {done.stuck}"),
    )
    yield "charged in all", dollars(total(evidence.bill))
    yield "time", f"{done.seconds:,.0f} s"


def _budgets(figures: Figures) -> Iterable[tuple[object, ...]]:
    for name, limit in figures.limits.items():
        refused = figures.answers.get(f"over {name}", 0)
        yield name, dollars(limit), dollars(figures.highest.get(name, 0)), refused


def _engines(figures: Figures) -> Iterable[tuple[object, ...]]:
    for engine in sorted(figures.theirs.keys() | figures.ours.keys()):
        yield engine, dollars(figures.theirs.get(engine, 0)), dollars(figures.ours.get(engine, 0))
    yield (
        "**all**",
        f"**{dollars(sum(figures.theirs.values()))}**",
        f"**{dollars(sum(figures.ours.values()))}**",
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    def line(cells: Iterable[object]) -> str:
        shown = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells)
        return f"| {' | '.join(shown)} |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)])


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}; "
        "the broker, the database, the emulator, the workers and the audit share it"
    )
