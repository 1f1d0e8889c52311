"""Which loaded models stay, and which make room."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from inference.sd3.base import OutOfMemory
from inference.sd3.shelf import Shelf


@dataclass(slots=True)
class Device:
    """Has room for so many models; every load is noted."""

    room: int
    loads: list[str] = field(default_factory=list)
    releases: int = 0
    shelf: Shelf[str, str] | None = None

    def load(self, key: str) -> str:
        self.loads.append(key)
        assert self.shelf is not None
        if len(self.shelf.keys) >= self.room:
            raise OutOfMemory(f"no room for {key}")
        return key.upper()

    def released(self) -> None:
        self.releases += 1


def shelf_on(device: Device, *, most: int = 9) -> Shelf[str, str]:
    device.shelf = Shelf(device.load, most=most, released=device.released)
    return device.shelf


def test_a_model_is_loaded_once() -> None:
    device = Device(room=9)
    shelf = shelf_on(device)
    assert [shelf.use(key, str.lower) for key in ("a", "b", "a")] == ["a", "b", "a"]
    assert device.loads == ["a", "b"]


def test_the_least_recently_used_makes_room_when_there_are_too_many() -> None:
    device = Device(room=9)
    shelf = shelf_on(device, most=2)
    for key in ("a", "b", "a", "c"):
        shelf.use(key, str)
    assert shelf.keys == ("a", "c")


def test_on_a_full_device_others_go_one_by_one_until_the_model_fits() -> None:
    device = Device(room=2)
    shelf = shelf_on(device)
    for key in ("a", "b", "c"):
        shelf.use(key, str)
    assert (shelf.keys, device.releases) == (("b", "c"), 1)
    assert device.loads == ["a", "b", "c", "c"]


def test_a_drawing_too_large_beside_others_is_drawn_without_them() -> None:
    device = Device(room=9)
    shelf = shelf_on(device)
    for key in ("a", "b", "c"):
        shelf.use(key, str)

    def large(model: str) -> str:
        if len(shelf.keys) > 1:
            raise OutOfMemory("beside others")
        return model

    assert shelf.use("b", large) == "B"
    assert (shelf.keys, device.releases) == (("b",), 2)


def test_what_does_not_fit_alone_is_refused_and_the_model_stays() -> None:
    device = Device(room=9)
    shelf = shelf_on(device)

    def huge(_model: str) -> str:
        raise OutOfMemory("ever")

    with pytest.raises(OutOfMemory, match="ever"):
        shelf.use("a", huge)
    assert "a" in shelf


def test_a_model_that_cannot_be_loaded_leaves_nothing_behind() -> None:
    device = Device(room=0)
    shelf = shelf_on(device)
    with pytest.raises(OutOfMemory, match="no room for a"):
        shelf.use("a", str)
    assert shelf.keys == ()
