"""The command `bench`, for both of its command lines: prepared, drawn, compared, told."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import msgspec
import numpy as np

from inference.assets import AssetError, AssetStore
from inference.bench import gate, tables
from inference.bench.asking import from_file, from_text
from inference.bench.baseline import BaselineError, EngineReport, Report, decode, encode
from inference.bench.budget import OverBudget
from inference.bench.contestant import Contestant, NotAtHand
from inference.bench.engine import EngineContestant
from inference.bench.expression import Condition, ExpressionError, parse
from inference.bench.files import NotWritable, probe, write
from inference.bench.journal import FILE_NAME, Journal, JournalError, Stamp
from inference.bench.options import STANDARD_OUTPUT, Options
from inference.bench.places import found_from, told_from
from inference.bench.plan import PlanError
from inference.bench.room import House, Policies, contestants, known_models, known_readers, open_room
from inference.bench.running import Finished, NotBegun, Setup, conditions, run
from inference.bench.samples import Subject
from inference.bench.screen import Screen
from inference.engines.emulator.serving import EmulatorFailed, emulator_process
from inference.legibility.service import ReaderFailed
from schemas.events import Asset, PromptEvent

if TYPE_CHECKING:
    from inference.bench.gate import Check, Regression

# Wrong usage (exit 2), and what failed on the way (exit 1).
WRONG: Final = (
    PlanError, NotAtHand, NotBegun, NotWritable, JournalError, ExpressionError, BaselineError,
    gate.Incomparable,
)  # fmt: skip
FAILED: Final = (OverBudget, ReaderFailed, EmulatorFailed, AssetError, OSError)
WORST: Final = 10
TRIPPED: Final = 1


@dataclass(frozen=True, slots=True)
class Book:
    """The policies that may be compared, by name, and what makes a contestant of one."""

    names: tuple[str, ...]
    contestant: Policies


@dataclass(frozen=True, slots=True)
class _Prepared:
    names: tuple[str, ...]
    readers: tuple[str, ...]
    events: tuple[PromptEvent, ...]
    conditions: tuple[Condition, ...]
    baseline: Report | None


def bench(asked: Options, house: House, screen: Screen, *, readers: str, book: Book | None = None) -> int:
    """Runs the bench and tells its figures; the exit code is 1 where a condition of the gate trips.

    `readers` are those of the settings, for when none is asked for; `book` the policies that are known.

    Raises:
        WRONG, FAILED: each in words a user can act on.
    """
    prepared = _prepare(asked, readers, book)
    with contextlib.ExitStack() as stack:
        if asked.emulate:
            house = dataclasses.replace(house, emulator_url=stack.enter_context(emulator_process()))
        with screen:
            finished, store = asyncio.run(_draw(asked, prepared, house, screen, book))
    report = finished.report
    if asked.json is not None:
        beside = asked.json != STANDARD_OUTPUT
        write(asked.json, encode(told_from(asked.json.parent, report) if beside else report))
    screen.table(tables.engines(report))
    for line in tables.missing(detail.sample for detail in finished.details):
        screen.say(line)
    screen.table(tables.pairs(report))
    for line in tables.disagreements(report):
        screen.say(line)
    checks = gate.check(report, prepared.baseline, prepared.conditions, np.random.default_rng(asked.seed))
    for check in checks:
        screen.say(str(check))
    if checks and finished.kept:
        screen.say(f"{finished.kept} of the pictures judged are of an earlier run; --fresh draws all anew")
    fallen = _regressions(report, prepared.baseline)
    tripped = {check.engine for check in checks if check.tripped}
    if tripped:
        worst = {name: found for name, found in fallen.items() if name in tripped}
        for line in tables.regressions(worst):
            screen.say(line)
    if asked.html is not None:
        write(asked.html, _page(finished, store, checks, fallen, prepared.baseline))
        screen.note(f"report: {asked.html}")
    return TRIPPED if tripped else 0


def _prepare(asked: Options, readers: str, book: Book | None) -> _Prepared:
    """All that can be wrong before an engine, a reader or a store is opened."""
    size = {"width": asked.width, "height": asked.height}
    if asked.prompts is not None:
        events = from_file(asked.prompts, **size)
    else:
        events = (from_text(asked.prompt or "", **size),)
    prepared = _Prepared(
        known_models(asked.models, book.names if book else ()),
        known_readers(asked.reader or readers),
        events,
        tuple(parse(text) for text in asked.fail_if),
        _baseline(asked.baseline),
    )
    probe("--json", asked.json)
    probe("--html", asked.html)
    return prepared


def _baseline(path: Path | None) -> Report | None:
    if path is None:
        return None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BaselineError(
            f"--baseline {path}: {error.strerror}; give what an earlier --json wrote"
        ) from error
    return found_from(path.parent, decode(data, f"--baseline {path}"))


async def _draw(
    asked: Options, prepared: _Prepared, house: House, screen: Screen, book: Book | None
) -> tuple[Finished, AssetStore]:
    async with open_room(house, prepared.readers, watch=screen.models) as room:
        compared = contestants(prepared.names, room, book.contestant if book else None)
        stamp = await room.read()
        setup = _setup(asked, prepared, compared, stamp, room.ocr.coverage)
        _foresee(setup, prepared)
        with Journal(asked.out / FILE_NAME, stamp, fresh=asked.fresh) as journal:
            if journal.details:
                screen.note(
                    f"{journal.path}: {len(journal.details)} pictures are there; --fresh draws all anew"
                )
            try:
                finished = await run(setup, screen.watch, journal=journal)
            except asyncio.CancelledError:
                screen.note(f"stopped; {journal.path} has {len(journal.details)}: the same command goes on")
                raise
        return finished, room.studio.store


def _setup(
    asked: Options,
    prepared: _Prepared,
    compared: Sequence[Contestant],
    stamp: Stamp,
    coverage: Mapping[str, frozenset[str]],
) -> Setup:
    return Setup(
        contestants=compared,
        events=prepared.events,
        samples=asked.samples,
        seed=asked.seed,
        readers=stamp.readers,
        machine=stamp.machine,
        warm_up=asked.warm_up,
        max_usd=asked.max_usd,
        gated=bool(prepared.conditions),
        batch=asked.batch,
        command=asked.command,
        coverage=coverage,
    )


def _foresee(setup: Setup, prepared: _Prepared) -> None:
    """Finds a baseline that will not do before hours are spent: it is checked against itself, as of today.

    Raises:
        Incomparable
    """
    subjects = tuple(map(Subject.of, prepared.events))
    baseline = prepared.baseline
    if baseline is None:
        needing = [condition for condition in prepared.conditions if condition.needs_baseline]
        if needing:
            raise gate.Incomparable(
                f"--fail-if {needing[0].text}: needs a baseline; give --baseline FILE, "
                "which `glyphstream bench ... --json FILE` writes"
            )
        return
    of_each = [
        _as_drawn_by(each, baseline.engine(each.name) or msgspec.structs.replace(theirs, engine=each.name))
        for theirs in baseline.engines[:1]
        for each in setup.contestants
    ]
    ours = Report(conditions=conditions(setup, subjects), subjects=subjects, engines=tuple(of_each))
    gate.check(ours, baseline, prepared.conditions, np.random.default_rng(0), rounds=1)


def _as_drawn_by(contestant: Contestant, theirs: EngineReport) -> EngineReport:
    """The baseline's samples as if the emulator drew them, or not, as it will here.

    Of a policy only a picture shows who drew it.
    """
    if not isinstance(contestant, EngineContestant):
        return theirs
    samples = (dataclasses.replace(each, emulated=contestant.emulated) for each in theirs.samples)
    return msgspec.structs.replace(theirs, samples=tuple(samples))


def _regressions(report: Report, baseline: Report | None) -> dict[str, tuple[Regression, ...]]:
    if baseline is None:
        return {}
    pairs = ((ours, baseline.engine(ours.engine)) for ours in report.engines)
    return {ours.engine: gate.regressions(ours, theirs, WORST) for ours, theirs in pairs if theirs}


def _page(
    finished: Finished,
    store: AssetStore,
    checks: Sequence[Check],
    regressions: Mapping[str, Sequence[Regression]],
    baseline: Report | None,
) -> bytes:
    from inference.bench.html.page import page

    made = page(
        finished.report,
        finished.details,
        pictures_of(store),
        checks=checks,
        regressions=regressions,
        baseline=baseline,
    )
    return made.encode()


def pictures_of(store: AssetStore) -> Callable[[str], bytes | None]:
    """The PNG of an asset's uri, from `store` or, as a baseline's may be, from a file; None where it is gone.

    A file counts only where its content has the hash that its name says.
    """

    def picture(uri: str) -> bytes | None:
        path = Path(unquote(urlsplit(uri).path))
        try:
            return asyncio.run(store.get(Asset(uri, path.stem, "image/png", 0)))
        except (AssetError, ValueError):
            return _from_file(path) if urlsplit(uri).scheme == "file" else None

    return picture


def _from_file(path: Path) -> bytes | None:
    # A baseline may name anything, and reading a pipe or a device may never end.
    if not path.is_file():
        return None
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == path.stem else None
