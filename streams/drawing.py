"""What the verbs that draw have in common: the engines of the settings, and the ledger of what they cost."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from streams.settings import Settings, SettingsError

if TYPE_CHECKING:
    from inference.assets import AssetStore
    from inference.engines.breaker import Breaker
    from inference.engines.registry import Engines, Registry
    from inference.engines.resolved import Local
    from inference.spending import Observer, Spending


def today() -> dt.date:
    """The day by which engines live: that of UTC."""
    return dt.datetime.now(dt.UTC).date()


def engines_of(
    settings: Settings,
    registry: Registry,
    local: Local,
    environ: Mapping[str, str] = os.environ,
    *,
    breaker: Breaker | None = None,
) -> Engines:
    """The engines that can be called here: our own, the hosted ones whose keys are set, the emulator."""
    from inference.engines.adapters import HostedEngines
    from inference.engines.registry import Engines

    return Engines(
        registry,
        today=today,
        emulator_url=settings.emulator_url or None,
        emulate_contracts=settings.emulate_contracts,
        render_url=settings.render_url or None,
        usd_per_cpu_hour=settings.usd_per_cpu_hour,
        usd_per_gpu_hour=settings.usd_per_gpu_hour,
        environ=environ,
        local=local,
        hosted=HostedEngines(registry, breaker=breaker),
        calls_hosted=settings.hosted,
    )


def live_keys(settings: Settings, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The variables with whose keys providers are called, for money; none where `hosted` is off."""
    from inference.engines.registry import load_registry

    known = dict.fromkeys(entry.key_env for entry in load_registry() if entry.key_env)
    return tuple(key for key in known if environ.get(key)) if settings.hosted else ()


def ledger_of(settings: Settings, environ: Mapping[str, str] = os.environ) -> str:
    """The address of the one ledger that budgets are held in.

    Raises:
        SettingsError: keys are set, and each machine that shares the assets would keep its own.
    """
    keys = live_keys(settings, environ) if settings.shares_assets_alone else ()
    if keys:
        raise SettingsError(
            f"assets is {settings.assets!r} and {keys[0]} is set: several machines may share these assets, "
            "and their budgets need one ledger; set GLYPHSTREAM_LEDGER to postgresql://USER@HOST/DATABASE "
            "(or to a file, if only this machine draws), or GLYPHSTREAM_HOSTED to false"
        )
    return settings.ledger_address


@contextlib.asynccontextmanager
async def spending_of(
    settings: Settings,
    store: AssetStore,
    *,
    observer: Observer | None = None,
    environ: Mapping[str, str] = os.environ,
) -> AsyncIterator[Spending]:
    """The ledger of the settings, tended as long as it is open.

    Raises:
        SettingsError: it cannot be opened, or it would be one of several, or a budget is for an engine that
            is none; the text says which.
    """
    from inference.engines.ledger import LedgerError, check_budgets, parse_budget
    from inference.engines.registry import load_registry
    from inference.spending import Spending

    address = ledger_of(settings, environ)
    budgets = [parse_budget(text) for text in settings.budgets]
    try:
        check_budgets(budgets, load_registry().names)
    except ValueError as error:
        raise SettingsError(f"{error} (budgets, GLYPHSTREAM_BUDGETS)") from error
    try:
        spending = await asyncio.to_thread(Spending.open, address, budgets=budgets, observer=observer)
    except LedgerError as error:
        raise SettingsError(f"{error} (ledger, GLYPHSTREAM_LEDGER)") from error
    tending = asyncio.create_task(spending.keep_tending(store))
    try:
        yield spending
    finally:
        tending.cancel()
        await asyncio.wait((tending,))
        await spending.aclose()
