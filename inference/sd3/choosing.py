"""Which checkpoint draws for a logical engine on this machine, and why that one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.sd3.base import CheckpointError, NotHere
from inference.sd3.checkpoint import Checkpoint, Source

NONE: Final = "none"

_WEIGHTS: Final = Path(__file__).parent / "tiny" / "weights"
_BASE: Final = _WEIGHTS / "base"
# What comes with the repository: the tiny SD3.5 and, for the engine of few steps, its distilled variant.
TINY: Final[Mapping[str, Source]] = {
    "sd3.5_medium": Source(str(_BASE)),
    "sd3.5_local": Source(str(_BASE), lora=str(_WEIGHTS / "distilled")),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """`why` is always said; `stands_in` when it is neither what was set nor what the registry names."""

    checkpoint: Checkpoint
    why: str
    stands_in: bool = False


@dataclass(frozen=True, slots=True)
class Nothing:
    """No checkpoint can draw for the engine here; `why` says what is missing and how to get it."""

    why: str


def choose(
    *,
    setting: str,
    registered: str,
    tiny: Source | None,
    gpu: bool,
    find: Callable[[Source], Checkpoint],
) -> Chosen | Nothing:
    """What `setting` names; else the registered model where it is at hand and a GPU too; else the tiny one.

    `setting` is FOLDER_OR_HUB_ID[@REVISION][+LORA[*SCALE]], empty to choose, or "none" for no local model.

    Raises:
        CheckpointError: what `setting` names cannot be used.
    """
    if setting == NONE:
        return Nothing("the settings say that no local model is used")
    if setting:
        return Chosen(_found(setting, find), "the settings name it")
    try:
        checkpoint = _found(registered, find)
    except NotHere:
        why = f"{registered} is not on this machine"
    except CheckpointError as error:
        why = f"{registered} cannot be used ({error})"
    else:
        if gpu:
            return Chosen(checkpoint, "it is on this machine, and so is a GPU")
        why = f"{registered} is on this machine, but no GPU is, and it wants one"
    if tiny is None:
        return Nothing(why)
    try:
        return Chosen(find(tiny), f"{why}; the tiny SD3.5 stands in", stands_in=True)
    except (CheckpointError, OSError) as error:
        return Nothing(f"{why}, and the tiny SD3.5 cannot stand in ({error})")


def _found(text: str, find: Callable[[Source], Checkpoint]) -> Checkpoint:
    try:
        return find(Source.parse(text))
    except ValueError as error:
        raise CheckpointError(str(error)) from error
    except OSError as error:
        raise CheckpointError(f"{text}: {error}; let this user read it") from error
