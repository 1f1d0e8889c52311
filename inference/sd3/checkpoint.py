"""Which model the local engine draws with: how it is written, where it lies, whether it is whole.

Nothing here needs torch or the network, and nothing reads weights but the digest of a plain folder.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.sd3.base import CheckpointError, NotHere
from inference.sd3.defaults import CARD, GENERAL, PUBLISHED, Card, Defaults, overlaid, read_card
from inference.sd3.digest import digest, memory_file, stamp
from inference.sd3.hub import HubId, snapshot
from inference.sd3.layout import Layout, examine, single_file
from inference.sd3.lora import CONFIG, changes, weights_file

__all__ = ["Checkpoint", "Defaults", "Source", "find"]

_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Source:
    """A checkpoint as it is asked for; `base` and `lora` are each a folder or a hub id, `lora` may be a file.

    A `revision` (branch, tag or commit) is of the hub's; a LoRA's own stands in `lora`: "owner/name@v2".
    """

    base: str
    revision: str = ""
    lora: str = ""
    lora_scale: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Source:
        """Reads FOLDER_OR_HUB_ID[@REVISION][+LORA[*SCALE]].

        What looks like OWNER/NAME@REVISION is a hub id; a folder of such a name is written with ./ before it.

        Raises:
            ValueError: it is not of that form; the text says what is not.
        """
        base, plus, lora = text.partition("+")
        if not base.strip() or (plus and not lora.strip()):
            empty = "lora" if base.strip() else "base"
            raise ValueError(
                f"checkpoint {text!r}: {empty} is empty; write FOLDER_OR_HUB_ID[@REVISION][+LORA[*SCALE]]"
            )
        if "+" in lora:
            raise ValueError(
                f"checkpoint {text!r} has more than one +; one LoRA can be added, and no path may hold a +"
            )
        lora, scale = _scaled(text, lora)
        hub = HubId.parse(base)
        if hub is not None and hub.revision:
            return cls(hub.repo, hub.revision, lora, scale)
        return cls(base, "", lora, scale)

    def __str__(self) -> str:
        text = f"{self.base}@{self.revision}" if self.revision else self.base
        if not self.lora:
            return text
        return f"{text}+{self.lora}" + ("" if self.lora_scale == 1 else f"*{self.lora_scale!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint that is here and whole.

    `revision` is a commit for the hub's, a digest of its files for a folder; `lora_revision` likewise.
    `variant` says which files stand in where plain ones are missing ("fp16"), or "". `again` is how to get it
    once more. `stamp` is that of `files_of` when they were found; empty where nobody looked.
    """

    source: Source
    folder: Path
    lora_file: Path | None
    revision: str
    defaults: Defaults
    has_t5: bool
    variant: str
    name: str
    lora_name: str = ""
    lora_revision: str = ""
    again: str = "copy it again from where it came"
    stamp: str = ""

    @property
    def model(self) -> str:
        """What a render records: name@revision, then the LoRA's in the same way, and its scale if not 1."""
        text = f"{self.name}@{self.revision[:_SHOWN]}"
        if self.lora_file is None:
            return text
        scale = "" if self.source.lora_scale == 1 else f"*{self.source.lora_scale!r}"
        return f"{text}+{self.lora_name}@{self.lora_revision[:_SHOWN]}{scale}"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a base or a LoRA lies: `path` is a folder or a file below `root`, or it itself.

    `commit` is "" outside the hub's cache.
    """

    path: Path
    root: Path
    name: str
    commit: str
    again: str


def find(source: Source, environ: Mapping[str, str] = os.environ) -> Checkpoint:
    """Looks at a folder, or into the hub's cache on this disk, and checks that everything is there and fits.

    Raises:
        NotHere: it is neither; the text has the command that fetches it.
        CheckpointError: it is here and cannot be used; the text names the file, the fault and the fix.
    """
    place = _place(source.base, source.revision, environ)
    if place.path.is_file():
        raise CheckpointError(single_file(place.path))
    layout = examine(place.path, place.again)
    at = _place(source.lora, "", environ) if source.lora else None
    lora_file = weights_file(at.path, at.again) if at else None
    if at and lora_file:
        changes(lora_file, layout, at.again)
    # Before anything is hashed: what changes meanwhile has another one.
    found = stamp(files_of(layout, lora_file))
    card = read_card(place.path)
    revision = place.commit or digest(files_of(layout), place.path, memory_file(environ))
    defaults = overlaid(PUBLISHED.get(source.base, GENERAL), card)
    lora_name = lora_revision = ""
    if at and lora_file:
        lora_card = read_card(lora_file.parent)
        defaults = overlaid(defaults, lora_card)
        lora_name = _lora_named(lora_card, at, lora_file)
        lora_revision = at.commit or digest(_lora_files(lora_file), lora_file.parent, memory_file(environ))
    return Checkpoint(
        source=source,
        folder=place.path,
        lora_file=lora_file,
        revision=revision,
        defaults=defaults,
        has_t5=layout.has_t5,
        variant=layout.variant,
        name=_named(card, place),
        lora_name=lora_name,
        lora_revision=lora_revision,
        again=place.again,
        stamp=found,
    )


def files_of(layout: Layout, lora_file: Path | None = None) -> tuple[Path, ...]:
    """All files that shape a picture: the checkpoint's, the LoRA's, and what their folders say of them."""
    card = layout.folder / CARD
    own = (*layout.files, *([card] if card.exists() else []))
    return own if lora_file is None else (*own, *_lora_files(lora_file))


def _place(wanted: str, revision: str, environ: Mapping[str, str]) -> _Place:
    try:
        path = Path(wanted).expanduser()
    except RuntimeError as error:
        raise CheckpointError(f"{wanted}: {error}; write the whole path") from None
    if path.exists():
        if revision:
            raise CheckpointError(
                f"{wanted} is on this disk, where no revision is kept; leave @{revision} out"
            )
        name = path.resolve().stem if path.is_file() else path.resolve().name
        return _Place(path, path, name, "", _COPY)
    hub = HubId.parse(wanted)
    if hub is None:
        raise NotHere(
            f"{wanted} does not exist; give a folder, or an id on the hub such as {next(iter(PUBLISHED))}"
        )
    if revision:
        hub = HubId(hub.repo, hub.file, revision)
    found = snapshot(hub, environ)
    inside = found.folder / hub.file
    if not inside.exists():
        raise NotHere(f"{inside} is missing; {hub.download}")
    return _Place(inside, found.folder, hub.repo, found.commit, hub.download)


_COPY: Final = "copy it again from where it came"


def _named(card: Card | None, place: _Place) -> str:
    return (card.name if card else "") or place.name


def _lora_named(card: Card | None, place: _Place, file: Path) -> str:
    name = _named(card, place)
    # One commit may hold several.
    return f"{name}/{file.relative_to(place.root).as_posix()}" if place.commit else name


def _lora_files(file: Path) -> list[Path]:
    return [file, *(path for name in (CONFIG, CARD) if (path := file.parent / name).exists())]


def _scaled(text: str, lora: str) -> tuple[str, float]:
    name, star, scale = lora.rpartition("*")
    if not star:
        return lora, 1.0
    try:
        value = float(scale)
    except ValueError:
        value = math.nan
    if not name or not math.isfinite(value) or value == 0:
        raise ValueError(
            f"checkpoint {text!r}: the LoRA's scale {scale!r} must be a number and not 0, as in *0.8"
        )
    return name, value
