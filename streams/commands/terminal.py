"""What a person sees: text that cannot steer the terminal, tables, JSON lines."""

from __future__ import annotations

import sys
import unicodedata
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PLAIN_WIDTH = 160


def safe(text: str, *, lines: bool = False) -> str:
    """`text` with everything that could steer a terminal or reorder a line written as an escape.

    What producers sent is shown as it is, but never obeyed. With `lines`, line feeds and tabs stay.
    """
    kept = "\n\t" if lines else ""
    return "".join(ch if ch in kept or not _steers(ch) else _escaped(ch) for ch in text)


def _steers(character: str) -> bool:
    # Cc: control, Cs: half a surrogate pair, Zl and Zp: line ends. Joiners (Cf) are part of words.
    kind = unicodedata.category(character)
    return kind in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(character) in (
        "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI",
    )  # fmt: skip


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def safe_bytes(value: bytes, *, limit: int) -> str:
    """UTF-8 as text, other bytes as escapes; cut at `limit` bytes with a note of what is left out."""
    shown = safe(value[:limit].decode("utf-8", "backslashreplace"), lines=True)
    left_out = len(value) - limit
    return shown if left_out <= 0 else f"{shown}\n... {left_out} more bytes (--raw writes all of them)"


def echo_json(value: object) -> None:
    """One line of JSON."""
    import orjson

    click.echo(orjson.dumps(value, default=str))


def console(*, stderr: bool = False) -> Console:
    """Where there is no terminal (a file, a pipe), wide enough that tables stay whole."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, highlight=False, width=None if stream.isatty() else PLAIN_WIDTH)


def table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    """A plain table; the columns named in `right` hold numbers."""
    from rich import box
    from rich.table import Table

    made = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def cells(*values: Any) -> list[Any]:
    """Cells as plain text: what looks like markup in a prompt is no markup."""
    from rich.text import Text

    return [value if isinstance(value, Text) else Text(safe(str(value))) for value in values]


def dollars(usd: float) -> str:
    """Four decimals where a cent would hide the figure."""
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"
