"""What a person sees of a bench: how far it is, its tables, and nothing that could steer the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TextIO

from inference.bench.running import Progress
from inference.bench.tables import Rows

if TYPE_CHECKING:
    from rich.console import Console

    from inference.sd3.process import Progress as Steps

# In a file or a pipe tables stay whole, and a line now and then shows that it goes on.
_WIDE: Final = 200
_TELL_EVERY_S: Final = 30.0


class Screen:
    """Tables go to standard output, or with `aside` to standard error, where notes and the bar always go."""

    def __init__(self, *, aside: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bars

        self._out = _console(sys.stderr if aside else sys.stdout)
        self._notes = _console(sys.stderr)
        self._clock = clock
        self._told = clock()
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[more]}", markup=False),
            console=self._notes,
            transient=True,
            disable=not self._notes.is_terminal,
        )
        self._pictures = self._bars.add_task("drawing", total=None, more="")
        self._model = self._bars.add_task("", total=None, visible=False, more="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def watch(self, progress: Progress) -> None:
        """Takes what `running.run` tells."""
        sample = progress.last.sample
        score = "no picture" if not sample.rendered else "unscored"
        score = score if sample.score is None else f"score {sample.score:.2f}"
        last = plain(f"{sample.engine}: {sample.prompt}, {score}")
        more = f"{_span(progress.eta_s)} left, ${progress.spent:,.2f} spent"
        self._bars.update(
            self._pictures, total=progress.total, completed=progress.done, description=last, more=more
        )
        if not self._notes.is_terminal and self._clock() - self._told >= _TELL_EVERY_S:
            self._told = self._clock()
            self.note(f"{progress.done} of {progress.total} pictures, {more}; last {last}")

    def models(self, steps: Steps) -> None:
        """Takes what the models' process tells, from whatever thread."""
        model = plain(steps.model)
        if steps.doing == "loading":
            self._bars.update(self._model, description=f"loading {model}", total=None, visible=True)
        elif steps.doing == "loaded" or steps.done == steps.total:
            self._bars.update(self._model, visible=False)
        else:
            self._bars.update(
                self._model,
                description=f"{model}, step",
                total=steps.total,
                completed=steps.done,
                visible=True,
            )

    def table(self, rows: Rows) -> None:
        """Nothing where it has no row."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        if not rows.rows:
            return
        made = Table(title=Text(plain(rows.title)), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for column in rows.columns:
            made.add_column(column, justify="right" if column in rows.right else "left", overflow="fold")
        for row in rows.rows:
            # As Text: what looks like markup in a prompt's id is no markup.
            made.add_row(*(Text(plain(cell)) for cell in row))
        self._out.print(made)

    def say(self, text: str) -> None:
        """A line beside the tables."""
        self._out.print(plain(text), markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """A line on standard error."""
        self._notes.print(plain(text), markup=False, soft_wrap=True)


def plain(text: str) -> str:
    """`text` with every character that is not shown as itself written as an escape."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream, highlight=False, width=None if stream.isatty() else _WIDE)


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
