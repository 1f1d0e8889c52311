"""HTML that cannot be broken from within: every text is escaped unless it was made here."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Final

_VOID: Final = frozenset({"img", "input", "br"})
# Neither HTML nor UTF-8 can hold these; a prompt may.
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | Iterable[str] | None
Attribute = str | float | bool | None


def text(value: str) -> Markup:
    """`value` as HTML; what is `Markup` stays as it is."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(_UNPRINTABLE.sub("\ufffd", value)))


def joined(children: Iterable[str], between: str = "") -> Markup:
    return Markup(text(between).join(text(child) for child in children))


def el(name: str, *children: Child, **attributes: Attribute) -> Markup:
    """An element. `class_` is class, `aria_label` aria-label; None and False leave an attribute out."""
    head = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    if name in _VOID:
        return Markup(head)
    inner = "".join(
        text(child) if isinstance(child, str) else joined(child) for child in children if child is not None
    )
    return Markup(f"{head}{inner}</{name}>")


def foreign(value: str, name: str = "bdi", **attributes: Attribute) -> Markup:
    """A stranger's text in its own direction, which leaves that of its neighbours alone."""
    return el(name, value, dir="auto", **attributes)


def cut(value: str, longest: int) -> str:
    return value if len(value) <= longest else value[: longest - 1] + "…"


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    shown = value if isinstance(value, str) else f"{value:.6g}"
    return f' {name}="{text(str(shown))}"'
