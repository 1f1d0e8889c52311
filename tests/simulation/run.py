"""Runs seeds of the simulation: `python -m tests.simulation.run --seed 123 --trace`."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import click

from tests.simulation.checker import History, problems
from tests.simulation.plants import PLANTS, Plant
from tests.simulation.scenario import Scenario, scenario
from tests.simulation.shorten import shortened
from tests.simulation.world import LETTERS_TOPIC, PROMPTS_TOPIC, RESULTS_TOPIC, World

PROGRESS_S = 5.0
Line = tuple[float, str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`problems` is empty where every promise was kept; `trace` has (virtual seconds, who, what)."""

    scenario: Scenario
    problems: tuple[str, ...]
    trace: tuple[Line, ...]
    plant: str | None

    @property
    def command(self) -> str:
        """Runs it again."""
        plant = "" if self.plant is None else f" --plant {self.plant}"
        return f"python -m tests.simulation.run --seed {self.scenario.seed}{plant} --trace"

    def report(self) -> str:
        return "\n".join([f"seed {self.scenario.seed}: {self.command}", *self.problems])

    def story(self) -> str:
        return "\n".join(f"{at:9.3f}  {who:8} {what}" for at, who, what in self.trace)


def simulate(seed: int, plant: Plant | None = None) -> Outcome:
    chosen = scenario(seed)
    planted = contextlib.nullcontext() if plant is None else plant.planted()
    with shortened(chosen), planted:
        world = World(chosen, rename=None if plant is None else plant.rename)
        world.run()
    history = History(
        chosen,
        world.entries(PROMPTS_TOPIC),
        world.entries(RESULTS_TOPIC),
        world.entries(LETTERS_TOPIC),
        world.cluster.coordinator.history,
        {tp: world.cluster.logs[tp].start for tp in world.cluster.inputs},
    )
    found = (*world.faults, *problems(history))
    return Outcome(chosen, found, tuple(world.cluster.trace), None if plant is None else plant.name)


def _seeds(text: str) -> range:
    first, dash, last = text.partition("-")
    try:
        seeds = range(int(first), int(last) if dash else int(first) + 1)
    except ValueError:
        seeds = range(0)
    if not seeds:
        raise click.BadParameter(f"{text!r} is no range of seeds; write 0-1000, the end left out")
    return seeds


def _failing(seeds: range, plant: Plant | None) -> Iterator[Outcome]:
    started = shown = time.monotonic()
    for done, seed in enumerate(seeds):
        outcome = simulate(seed, plant)
        if outcome.problems:
            yield outcome
        now = time.monotonic()
        if now - shown > PROGRESS_S:
            shown = now
            rate = (done + 1) / (now - started)
            left = (len(seeds) - done - 1) / rate
            click.echo(f"{done + 1} of {len(seeds)} seeds, {rate:.0f} a second, {left:.0f} s left", err=True)


@click.command()
@click.option("--seed", type=int, help="One seed.")
@click.option("--seeds", help="A range, the end left out: 0-10000.")
@click.option("--plant", type=click.Choice(sorted(PLANTS)), help="With a bug planted into the runtime.")
@click.option("--trace", is_flag=True, help="Tell what happened, by virtual time and member.")
def main(seed: int | None, seeds: str | None, plant: str | None, trace: bool) -> None:
    """Simulates the runtime under faults; leaves with 1 when a promise was broken."""
    if (seed is None) == (seeds is None):
        raise click.UsageError("give --seed N or --seeds FIRST-LAST")
    planted = None if plant is None else PLANTS[plant]
    if seed is not None:
        outcome = simulate(seed, planted)
        if trace:
            click.echo(outcome.story())
        click.echo(outcome.report() if outcome.problems else f"seed {seed}: every promise kept")
        sys.exit(1 if outcome.problems else 0)
    started, failures, chosen = time.monotonic(), 0, _seeds(seeds or "")
    for outcome in _failing(chosen, planted):
        failures += 1
        click.echo(outcome.report())
        if trace:
            click.echo(outcome.story())
    took = time.monotonic() - started
    click.echo(f"{len(chosen)} seeds in {took:.1f} s, {failures} broke a promise")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
