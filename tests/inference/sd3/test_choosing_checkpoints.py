"""Which checkpoint draws for an engine here."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.sd3.base import CheckpointError, NotHere
from inference.sd3.checkpoint import Checkpoint, Defaults, Source
from inference.sd3.choosing import Chosen, Nothing, choose

REAL = "stabilityai/stable-diffusion-3.5-medium"
TINY = Source("tiny")


def checkpoint(source: Source) -> Checkpoint:
    return Checkpoint(
        source=source,
        folder=Path(source.base),
        lora_file=None,
        revision="0123456789abcdef",
        defaults=Defaults(steps=28, guidance=3.0),
        has_t5=True,
        variant="",
        name=source.base,
    )


def decide(
    *, setting: str = "", gpu: bool = False, here: tuple[str, ...] = (), broken: str = "", tiny: bool = True
) -> Chosen | Nothing:
    """With the checkpoints of the bases in `here` on disk, and `broken` there but not whole."""

    def find(source: Source) -> Checkpoint:
        if source.base == broken:
            raise CheckpointError(f"{source.base}/vae: cut off; copy it again")
        if source.base not in here:
            raise NotHere(f"{source.base}: not here; get it")
        return checkpoint(source)

    return choose(setting=setting, registered=REAL, tiny=TINY if tiny else None, gpu=gpu, find=find)


def test_the_setting_wins_over_everything() -> None:
    found = decide(setting="mine", gpu=True, here=("mine", REAL, "tiny"))
    assert found == Chosen(checkpoint(Source("mine")), "the settings name it")


def test_a_setting_that_cannot_be_used_is_an_error_and_no_reason_to_choose_another() -> None:
    with pytest.raises(NotHere, match="mine: not here"):
        decide(setting="mine", gpu=True, here=(REAL, "tiny"))


def test_a_setting_that_is_no_checkpoint_at_all_is_such_an_error_too() -> None:
    with pytest.raises(CheckpointError, match="lora is empty"):
        decide(setting="mine+", here=("mine", "tiny"))


def test_none_means_no_local_model() -> None:
    found = decide(setting="none", gpu=True, here=(REAL, "tiny"))
    assert found == Nothing("the settings say that no local model is used")


def test_the_registered_model_draws_where_it_is_and_a_gpu_too() -> None:
    found = decide(gpu=True, here=(REAL, "tiny"))
    assert isinstance(found, Chosen)
    assert (found.checkpoint.source.base, found.stands_in) == (REAL, False)


@pytest.mark.parametrize(
    ("gpu", "here", "broken", "why"),
    [
        (False, ("tiny",), "", f"{REAL} is not on this machine; the tiny SD3.5 stands in"),
        (True, ("tiny",), "", f"{REAL} is not on this machine; the tiny SD3.5 stands in"),
        (False, (REAL, "tiny"), "", f"{REAL} is on this machine, but no GPU is, and it wants one; the tiny"),
        (True, ("tiny",), REAL, f"{REAL} cannot be used ({REAL}/vae: cut off; copy it again); the tiny"),
    ],
    ids=["neither", "no model", "no gpu", "half a model"],
)
def test_else_the_tiny_one_stands_in_and_says_why(
    gpu: bool, here: tuple[str, ...], broken: str, why: str
) -> None:
    found = decide(gpu=gpu, here=here, broken=broken)
    assert isinstance(found, Chosen)
    assert (found.checkpoint.source, found.stands_in) == (TINY, True)
    assert found.why.startswith(why)


def test_without_the_tiny_one_nothing_draws_and_both_reasons_are_given() -> None:
    found = decide(gpu=True)
    assert isinstance(found, Nothing)
    assert "not on this machine, and the tiny SD3.5 cannot stand in (tiny: not here" in found.why


def test_an_engine_without_a_tiny_one_has_only_the_registered() -> None:
    assert decide(tiny=False) == Nothing(f"{REAL} is not on this machine")
