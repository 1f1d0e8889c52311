"""The page on what reading costs does not call readings the same that are not."""

from __future__ import annotations

from tests.bench.legibility import Contestant, page


def made(name: str, *said: tuple[str, ...]) -> Contestant:
    return Contestant(name, "plain", {}, cpu_s=1.0, wall_s=1.0, said=list(said))


def test_a_picture_read_otherwise_than_by_the_plain_loop_misses_the_target() -> None:
    alike, other = (("SALE",), ("ZOO",)), (("SALE",), ("200",))
    row = "| pictures read as the plain loop with our settings reads them | all | "
    defaults, scored = made("defaults", *other), made("scored", *alike)
    same = page([defaults, made("same", *alike), made("read", *alike), scored], [0.001, 0.002], 2)
    assert row + "2 of 2 | met |" in same
    differ = page([defaults, made("same", *alike), made("read", *other), scored], [0.001, 0.002], 2)
    assert row + "1 of 2 | **not met** |" in differ
