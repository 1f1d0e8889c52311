"""The bench as a module of its own: settings from the environment, engines only."""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inference.bench.options import STANDARD_OUTPUT, options, options_of

if TYPE_CHECKING:
    from inference.bench.room import House
    from inference.engines.local_sd3 import LocalModels
    from inference.engines.registry import Registry
    from inference.sd3.process import Watch

PREFIX = "GLYPHSTREAM_"
LOCAL = {"sd3.5_medium": "SD3_MEDIUM", "sd3.5_local": "SD3_LOCAL", "sd3.5_medium_text": "SD3_TEXT"}
INTERRUPTED = 130


class _Wrong(click.ClickException):
    exit_code = 2


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@options
def command(**given: Any) -> int:
    """Compare engines over the same prompts and seeds.

    As `glyphstream bench`, which knows policies and the settings file besides: here settings come from
    GLYPHSTREAM_* alone. Exit codes: 0 done, 1 failed or a --fail-if trips, 2 a wrong option.
    """
    asked = options_of(given, shlex.join(["python", "-m", "inference.bench", *sys.argv[1:]]))
    from inference.bench.command import FAILED, WRONG, bench
    from inference.bench.screen import Screen

    try:
        house = house_of(os.environ, str(asked.out / "pictures"))
        readers = os.environ.get(f"{PREFIX}READERS") or "rapidocr"
        return bench(asked, house, Screen(aside=asked.json == STANDARD_OUTPUT), readers=readers)
    except WRONG as error:
        raise _Wrong(str(error)) from error
    except FAILED as error:
        raise click.ClickException(str(error)) from error


def main() -> None:
    """Runs the command line and leaves with its exit code."""
    try:
        code: Any = command.main(prog_name="python -m inference.bench", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except (KeyboardInterrupt, click.Abort):
        raise SystemExit(INTERRUPTED) from None
    raise SystemExit(code if isinstance(code, int) else 0)


def house_of(env: Mapping[str, str], assets: str) -> House:
    """Raises:
    NotAtHand: a variable holds no price and no flag, or budgets are given and no ledger to hold them in.
    """
    from inference.bench.room import House
    from inference.engines.registry import USD_PER_CPU_HOUR, USD_PER_GPU_HOUR

    def models(registry: Registry, watch: Watch | None) -> LocalModels:
        from inference.engines.local_sd3 import LocalModels
        from inference.sd3.device import detect

        registered = {entry.name: entry.model for entry in registry if entry.adapter == "sd3_local"}
        named = {engine: env.get(PREFIX + variable, "") for engine, variable in LOCAL.items()}
        return LocalModels(registered, named, device=detect, watch=watch)

    return House(
        assets=assets,
        ledger=env.get(f"{PREFIX}LEDGER", "") or str(Path(assets).parent / "ledger.db"),
        shared=bool(env.get(f"{PREFIX}LEDGER")),
        budgets=_budgets(env),
        models=models,
        emulator_url=env.get(f"{PREFIX}EMULATOR_URL", ""),
        render_url=env.get(f"{PREFIX}RENDER_URL", ""),
        usd_per_gpu_hour=_usd(env, f"{PREFIX}USD_PER_GPU_HOUR", USD_PER_GPU_HOUR),
        usd_per_cpu_hour=_usd(env, f"{PREFIX}USD_PER_CPU_HOUR", USD_PER_CPU_HOUR),
        calls_hosted=_flag(env, f"{PREFIX}HOSTED"),
        environ=env,
    )


def _budgets(env: Mapping[str, str]) -> tuple[str, ...]:
    from inference.bench.contestant import NotAtHand

    given = tuple(part.strip() for part in env.get(f"{PREFIX}BUDGETS", "").split(",") if part.strip())
    if given and not env.get(f"{PREFIX}LEDGER"):
        raise NotAtHand(
            f"{PREFIX}BUDGETS is {','.join(given)!r} and would hold for this bench alone; "
            f"set {PREFIX}LEDGER to the ledger of the line, such as out/ledger.db"
        )
    return given


def _flag(env: Mapping[str, str], name: str) -> bool:
    from inference.bench.contestant import NotAtHand

    known = {"": True, "1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    given = env.get(name, "")
    if given.lower() not in known:
        raise NotAtHand(f"{name} is {given!r}; give true or false")
    return known[given.lower()]


def _usd(env: Mapping[str, str], name: str, otherwise: float) -> float:
    from inference.bench.contestant import NotAtHand

    given = env.get(name, "")
    try:
        value = float(given) if given else otherwise
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1_000:
        raise NotAtHand(f"{name} is {given!r}; give dollars from 0 to 1000, such as {otherwise:g}")
    return value
