"""The measured section of the page on the tiny model, made from what the run left in its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.bench.statistics import ROUNDS
from tests.bench.report import spread, table
from tests.bench.tiny import shares, targets
from tests.bench.tiny.figures import Move, Readings, Row
from tests.bench.tiny.pictures import ASKED, CLEAN, DISTILLED, GUIDANCES, STEPS, Setting, Variant
from tests.bench.tiny.speed import Speed
from tests.chaos.report import put_section

TITLE = "Measured"
INTRODUCTION = """\
Written by

    {command}

and nothing in this section is typed by hand. Posters are drawn as the local engine draws them, by {models},
in {dtype} on the {device}. Their texts were never in training: random letters and digits, 3 to 8 of them.
RapidOCR reads the pictures, enlarged to 512 pixels. *Exactly* is without one wrong, missing or added letter;
case is forgiven, O and 0 are told apart. *Clean* are the same posters set from the fonts' outlines and read
by the same reader. Intervals are of 95 %: Wilson's for a share; for a ratio and for a change the bootstrap of
posters, both answers to a poster drawn together ({rounds:,} resamples).
"""
STEPS_TEXT = """\
{count} of these posters, half on a fixed pitch and half proportional, with the same seeds in every setting:
read exactly, with its interval, and the mean share of a title's letters that are right (1 - edits / length).
"""
MOVES_TEXT = """\
Whether the share of letters right changes on the same posters: *level* is what its interval cannot tell from
no change. With steps it must rise from 4 to 28 and fall nowhere on the way; with guidance it must rise from 1
(none) to 3. Beyond 3 nothing is asked: too much guidance overshoots.
"""
SPEED_TEXT = """\
One picture at a time on a warm model, each prompt another; medians, with the least and the most. The stages'
are medians by the wall's clock.
"""
IMAGES: Mapping[str, str] = {
    "posters.jpg": "held-out posters with what was read in them",
    "steps.jpg": "the same posters at 4, 8, 16 and 28 steps, and distilled at 4",
    "curve.png": "held-out words read exactly, and the loss, by pictures seen",
}


@dataclass(frozen=True, slots=True)
class Told:
    """What a reader must know of the run: its command, models, device and machine."""

    command: str
    models: Mapping[Variant, str]
    device: str
    dtype: str
    machine: Mapping[str, str]


def image(page: Path, name: str) -> Path:
    """Where a picture of the page lies: beside it."""
    return page.with_name(f"{page.stem}-{name}")


def write(page: Path, told: Told, readings: Readings, speeds: Sequence[Speed]) -> None:
    """Replaces the page's section, and leaves its others as they are."""
    images = {name: image(page, name).name for name in IMAGES if image(page, name).exists()}
    put_section(page, TITLE, section(told, readings, speeds, images))


def section(told: Told, readings: Readings, speeds: Sequence[Speed], images: Mapping[str, str]) -> str:
    """Its text; what was not measured is left out. `images` has the files' names."""
    shown = {name: f"![{IMAGES[name]}]({file})\n" for name, file in images.items()}
    verdicts = [
        (each.target, each.asked, each.measured, each.word) for each in targets.verdicts(readings, speeds)
    ]
    parts = [
        _introduction(told),
        table(("target", "asked", "measured", ""), verdicts) if verdicts else "",
        shown.get("posters.jpg", ""),
        *_legibility(readings),
        *_grid(readings, shown.get("steps.jpg", "")),
        _speeds(speeds) if speeds else "",
        f"### The curve\n\n{shown['curve.png']}" if "curve.png" in shown else "",
        _made(told),
    ]
    return "\n".join(part for part in parts if part)


def _introduction(told: Told) -> str:
    models = " and ".join(
        f"{variant} (`{model}`)" for variant, model in told.models.items() if variant != "clean"
    )
    return INTRODUCTION.format(
        command=told.command, models=models, dtype=told.dtype, device=told.device, rounds=ROUNDS
    )


def _legibility(readings: Readings) -> Iterator[str]:
    for setting in (ASKED, DISTILLED):
        name = _words(setting)
        if rows := readings.rows(setting):
            yield f"### Titles: {name}\n\n" + _rows(rows)
        if rows := readings.second_rows(setting):
            yield f"### With a second line: {name}\n\n" + _rows(rows)


def _words(setting: Setting) -> str:
    guidance = f"guidance {setting.guidance:g}" if setting.guidance > 1 else "no guidance"
    return f"{setting.variant}, {setting.steps} steps, {guidance}"


def _rows(rows: Sequence[Row]) -> str:
    head = ("posters", "", "read exactly", "of the clean ones", "ratio", "letters right")
    return table(
        head,
        [
            (
                row.title, str(row.count), f"{row.exact:.1%}", f"{row.clean:.1%}",
                "" if row.ratio is None else f"{row.ratio:.1%}", f"{row.letters:.1%}",
            )
            for row in rows
        ],
    )  # fmt: skip


def _grid(readings: Readings, sheet: str) -> Iterator[str]:
    count = len(readings.grid(ASKED))
    if not count:
        return
    head = ("steps", *(f"guidance {guidance:g}" for guidance in GUIDANCES))
    rows = [
        (str(steps), *(_cell(readings, Setting("base", steps, guidance)) for guidance in GUIDANCES))
        for steps in STEPS
    ]
    beside = [
        f"{name} {_cell(readings, setting)}"
        for name, setting in (("Distilled, 4 steps, no guidance:", DISTILLED), ("Clean:", CLEAN))
        if readings.grid(setting)
    ]
    yield "### Steps and guidance\n\n" + STEPS_TEXT.format(count=count)
    yield table(head, rows)
    yield ". ".join(beside) + ".\n"
    yield sheet
    moves = [*readings.step_moves(), *readings.guidance_moves()]
    yield MOVES_TEXT
    yield table(("", "change in letters right", ""), [_move(move) for move in moves])


def _cell(readings: Readings, setting: Setting) -> str:
    reads = readings.grid(setting)
    letters = sum(read.letters for read in reads) / len(reads)
    return f"{shares.share([read.exact for read in reads]):.1%}, letters {letters:.1%}"


def _move(move: Move) -> tuple[str, str, str]:
    return move.title, targets.points(move), move.direction


def _speeds(speeds: Sequence[Speed]) -> str:
    rows = [
        (
            _words(speed.setting), str(speed.threads), spread(speed.walls, ".2f"), spread(speed.cpus, ".2f"),
            *(f"{speed.stage(stage) * 1_000:.0f} ms" for stage in ("encode", "steps", "decode")),
            f"{speed.others:.0%}",
        )
        for speed in speeds
    ]  # fmt: skip
    head = (
        "",
        "threads",
        "seconds a picture",
        "CPU seconds",
        "encode",
        "steps",
        "decode",
        "cores busy with others",
    )
    return f"### Speed\n\n{SPEED_TEXT}\n" + table(head, rows)


def _made(told: Told) -> str:
    machine = told.machine
    return (
        f"Measured on {machine['date']}, commit {machine['commit']}: {machine['processor']}, "
        f"{machine['cores']} cores, {machine['memory']}, {machine['system']}, Python {machine['python']}, "
        f"torch {machine['torch']}, diffusers {machine['diffusers']}.\n"
    )
