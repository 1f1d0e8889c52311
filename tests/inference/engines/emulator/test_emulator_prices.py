"""The adapters' dollars against the emulator's books, which share no price and no code with them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product

import pytest

from inference.engines.adapters import ADAPTERS
from inference.engines.base import Broken, EngineError, Refused, Transient, Uncertain, Unsupported
from inference.engines.emulator.app import Emulator
from inference.engines.emulator.drawing import draw_plain
from inference.engines.emulator.ledger import Row
from inference.engines.emulator.profiles import Profile
from inference.engines.emulator.scripts import Step
from inference.engines.emulator.serving import emulator_thread
from inference.engines.entries import Entry
from inference.engines.ledger import micros
from schemas.events import Spec
from tests.inference.engines.playback import SPEC, checked_in, engine_at

HOSTED = [entry for entry in checked_in() if entry.adapter in ADAPTERS]
SIDES = (512, 768, 1024, 1536, 1792, 2048, 2560, 3072, 4096)
# What each provider names: its answer's own id, or what its header says.
NAMED = {"gemini", "openai_images", "ideogram_v2"}


@pytest.fixture(scope="module")
def emulator() -> Iterator[tuple[str, Emulator]]:
    with ThreadPoolExecutor(1) as pool:
        emulator = Emulator(profiles={"default": Profile()}, draw=draw_plain, executor=pool, pace=0.0)
        with emulator_thread(emulator) as url:
            yield url, emulator


def steps(entry: Entry) -> list[Spec]:
    """The smallest picture of each price or tier that `entry` draws, and the largest of all."""
    contract = ADAPTERS[entry.adapter](entry)
    found: dict[tuple[float, str | None], Spec] = {}
    for width, height in sorted(product(SIDES, SIDES), key=lambda size: size[0] * size[1]):
        spec = replace(SPEC, width=width, height=height, prompt=f"{entry.name} {width}x{height}")
        if entry.sizes.objection(width, height):
            continue
        try:
            request = contract.request(spec)
        except Unsupported:
            continue
        price = entry.price.list_usd(request.width, request.height)
        found.setdefault((price, entry.sizes.tier(width, height)), spec)
    return list(found.values())


STEPS = [(entry, spec) for entry in HOSTED for spec in steps(entry)]


async def charged(url: str, emulator: Emulator, entry: Entry, spec: Spec) -> tuple[float, str, Row]:
    """What one call cost by the adapter, what it was called, and its row in the emulator's books."""
    engine = engine_at(url, entry.name)
    try:
        picture = await engine.render(spec)
        usd, name = picture.usd, picture.request_id
    except EngineError as error:
        usd, name = error.usd or 0.0, error.request_id
    finally:
        await engine.aclose()
    row = next(row for row in reversed(emulator.ledger.rows) if row.prompt == spec.prompt)
    return usd, name, row


def test_every_size_step_of_every_hosted_engine_is_among_those_asked_for() -> None:
    for entry in HOSTED:
        asked = [spec for known, spec in STEPS if known is entry]
        prices = {entry.price.list_usd(spec.width, spec.height) for spec in asked}
        assert prices >= {step.usd for step in entry.price.by_pixels}
        tiers = {entry.sizes.tier(spec.width, spec.height) for spec in asked}
        assert tiers >= {tier.name for tier in entry.sizes.tiers}, entry.name
        assert asked


@pytest.mark.parametrize(("entry", "spec"), STEPS, ids=[spec.prompt for _, spec in STEPS])
async def test_a_picture_costs_what_its_provider_charges_to_the_micro_dollar(
    emulator: tuple[str, Emulator], entry: Entry, spec: Spec
) -> None:
    usd, name, row = await charged(*emulator, entry, spec)
    assert row.outcome == "image"
    assert micros(usd) == row.micros > 0
    assert bool(name) == (entry.adapter in NAMED)
    assert name.endswith(row.id) or not name


@pytest.mark.parametrize(("entry", "spec"), STEPS, ids=[spec.prompt for _, spec in STEPS])
async def test_what_is_reserved_is_never_less_than_what_is_charged_think_it_ever_so_long(
    emulator: tuple[str, Emulator], entry: Entry, spec: Spec
) -> None:
    url, books = emulator
    most = micros(entry.price.most_usd(spec.width, spec.height, len(spec.prompt.encode())))
    spec = replace(spec, prompt=f"{spec.prompt}, long thought about")
    books.scripts.add(Step(thoughts=32_768, prompt=spec.prompt))
    usd, _, row = await charged(url, books, entry, spec)
    assert micros(usd) == row.micros
    assert 0 < row.micros <= micros(entry.price.most_usd(spec.width, spec.height, len(spec.prompt.encode())))
    thinks = entry.price.per_million_tokens is not None and entry.price.per_million_tokens.most_text_out > 0
    assert (row.micros > micros(entry.price.list_usd(spec.width, spec.height)) + 90_000) == thinks
    assert most >= micros(entry.price.list_usd(spec.width, spec.height))


@pytest.mark.parametrize("fault", ["bad_gateway", "server_error"])
@pytest.mark.parametrize("entry", HOSTED, ids=lambda entry: entry.name)
async def test_a_charge_behind_a_server_s_error_is_never_booked_as_none(
    emulator: tuple[str, Emulator], entry: Entry, fault: str
) -> None:
    url, books = emulator
    published = fault == "server_error" and entry.billing.server_error == "never"
    spec = replace(SPEC, prompt=f"{entry.name} {fault}")
    books.scripts.add(Step(fault=fault, charge=not published, prompt=spec.prompt))  # type: ignore[arg-type] # one of its literals
    engine = engine_at(url, entry.name)
    with pytest.raises(Transient if published else Uncertain) as caught:
        await engine.render(spec)
    await engine.aclose()
    assert (books.ledger.rows[-1].micros > 0) == (not published)
    assert caught.value.billed == ("never" if published else "unknown")


@pytest.mark.parametrize("charge", [None, True, False], ids=["as usual", "charged", "not charged"])
@pytest.mark.parametrize("fault", ["withhold", "no_image"])
@pytest.mark.parametrize("entry", HOSTED, ids=lambda entry: entry.name)
async def test_without_a_picture_it_is_never_booked_otherwise_than_it_is_charged(
    emulator: tuple[str, Emulator], entry: Entry, fault: str, charge: bool | None
) -> None:
    url, books = emulator
    spec = replace(SPEC, prompt=f"{entry.name} {fault} {charge}")
    books.scripts.add(Step(fault=fault, charge=charge, prompt=spec.prompt))  # type: ignore[arg-type] # one of its literals
    engine = engine_at(url, entry.name)
    with pytest.raises((Refused, Broken)) as caught:
        await engine.render(spec)
    await engine.aclose()
    error, row = caught.value, books.ledger.rows[-1]
    assert (row.prompt, row.fault) == (spec.prompt, fault)
    if entry.price.per_million_tokens and row.status == 200:
        # Counted: booked is what was charged, whatever was published.
        assert (error.billed, micros(error.usd or 0.0)) == ("billed" if row.micros else "never", row.micros)
    elif row.status >= 400:
        # Turned away: what is published holds. Charged otherwise, no answer tells it.
        billing = entry.billing
        published = billing.prompt_refused if error.kind == "refused_prompt" else billing.output_refused
        assert (error.billed, error.usd) == (published, None)
    elif entry.billing.output_refused == "billed":
        # It may let one pass, and no answer of its tells that either.
        assert (error.billed, error.usd) == ("billed", entry.price.list_usd(spec.width, spec.height))
        assert micros(error.usd or 0.0) == row.micros or charge is False
    else:
        assert (error.billed, error.usd) == (entry.billing.output_refused, None)
        assert error.billed == "unknown"
