"""What a person sees while the demo runs: one line a stage; plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streams.demo.tally import Progress

PLAIN_EVERY_S = 5.0
BAR_WIDTH = 32


class Screen:
    """Says things above the stages' bars. Use as a context manager while the stages run."""

    def __init__(self, console: Console, monotonic: Callable[[], float]) -> None:
        self._console = console
        self._monotonic = monotonic
        self._live: Live | None = None
        self._started = monotonic()
        self._plain_at = float("-inf")
        self._shown: Sequence[Progress] = ()

    def say(self, message: str) -> None:
        """One line about what is going on."""
        self._console.print(Text.assemble(("demo  ", "bold"), message), soft_wrap=True)

    def show(self, progress: Sequence[Progress]) -> None:
        """Brings the bars up to date; without a terminal, a line when something changed, now and then."""
        if self._live is not None:
            self._live.update(self._bars(progress))
            return
        now = self._monotonic()
        if progress != self._shown and now - self._plain_at >= PLAIN_EVERY_S:
            self._plain(progress, now)

    def __enter__(self) -> Screen:
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=8, transient=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _plain(self, progress: Sequence[Progress], now: float) -> None:
        self._shown, self._plain_at = progress, now
        stages = "  ".join(f"{each.stage} {each.done}/{each.known}" for each in progress)
        self.say(f"{now - self._started:4.0f} s  {stages}")

    def _bars(self, progress: Sequence[Progress]) -> Group:
        bars = Table.grid(padding=(0, 2))
        for each in progress:
            full = each.known > 0 and each.done >= each.known
            bars.add_row(
                Text(each.stage, style="bold"),
                ProgressBar(total=max(1, each.known), completed=each.done, width=BAR_WIDTH),
                Text(f"{each.done}/{each.known}", style="green" if full else "", justify="right"),
                Text(each.note, style="dim"),
            )
        elapsed = self._monotonic() - self._started
        return Group(bars, Text(f"{elapsed:.0f} s", style="dim"))
