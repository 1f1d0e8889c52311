"""How far a drawing command is: pictures, and of the one a local model draws now, its steps."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from streams.commands.terminal import safe

if TYPE_CHECKING:
    from rich.console import Console

    from inference.sd3.process import Progress


class DrawingBar:
    """Shown on a terminal only, and gone when it is left. `watch` may be called from any thread."""

    def __init__(self, console: Console, pictures: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._pictures = self._bars.add_task("drawing", total=pictures)
        self._now = self._bars.add_task("", total=None, visible=False)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def advance(self) -> None:
        """One picture more is done, or will never be."""
        self._bars.advance(self._pictures)

    def watch(self, progress: Progress) -> None:
        """Takes what the models' process tells."""
        model = safe(progress.model)
        if progress.doing == "loading":
            self._bars.reset(self._now, total=None, description=f"loading {model}", visible=True)
        elif progress.doing == "loaded" or progress.done == progress.total:
            self._bars.update(self._now, visible=False)
        elif progress.done == 1:
            self._bars.reset(
                self._now, total=progress.total, completed=1, description=f"{model}, step", visible=True
            )
        else:
            self._bars.update(self._now, completed=progress.done, visible=True)
