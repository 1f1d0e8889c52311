"""The page that `tests.bench.legibility` writes, from figures made up here."""

from __future__ import annotations

from tests.bench.legibility import Contestant, alike, page


def made(name: str, cpu_s: float, *said: tuple[str, ...]) -> Contestant:
    return Contestant(name, "plain", {}, cpu_s=cpu_s, wall_s=2 * cpu_s, said=list(said))


READ = (("SUMMER SALE", "9–5"), ("ZOO",))


def test_readings_are_the_same_in_any_order_and_with_any_dash() -> None:
    assert alike(made("a", 1, *READ), made("b", 1, ("9-5", "Summer Sale"), ("ZOO",))) == (2, [])
    assert alike(made("a", 1, *READ), made("b", 1, READ[0], ("200",))) == (1, [(("ZOO",), ("200",))])


def test_the_page_says_which_targets_are_met_and_what_was_read_otherwise() -> None:
    contestants = [
        made("defaults", 4.0, READ[0], ("200",)),
        made("same", 2.0, *READ),
        made("read", 1.0, *READ),
        made("scored", 1.0, *READ),
    ]
    text = page(contestants, [0.001, 0.002], 2)
    assert "| 1.5 x | 4.00 x | met |" in text and "Against the same loop with our settings: 2.00 x" in text
    assert "As RapidOCR's defaults: 1 of 2 pictures (50.0%, 95 % 9.5% to 90.5%)" in text
    assert "- ours ('ZOO',), theirs ('200',)" in text
    assert "**not met**" in page(contestants, [0.001, 0.009], 2)
