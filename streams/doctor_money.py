"""What the hosted engines want: keys, a ledger, successors of those that end."""

from __future__ import annotations

import datetime as dt
import importlib.util
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from streams.doctor_check import Check, State
from streams.drawing import ledger_of
from streams.settings import PREFIX, Settings, SettingsError

if TYPE_CHECKING:
    from inference.engines.expiry import Ending
    from inference.engines.registry import Engines


def check_ledger(settings: Settings, env: Mapping[str, str]) -> Check:
    """Whether it opens, and what in it waits for a person."""
    from inference.engines.ledger import Ledger, LedgerError, LedgerMissing
    from inference.engines.ledger.reporting import unpriced, waiting

    try:
        ledger = Ledger.open(ledger_of(settings, env), create=False)
    except SettingsError as error:
        return Check("ledger", "broken", str(error), "set GLYPHSTREAM_LEDGER")
    except LedgerMissing:
        return Check("ledger", "ok", "none yet: nothing was spent")
    except LedgerError as error:
        return Check("ledger", "broken", str(error), "set GLYPHSTREAM_LEDGER to one that opens")
    try:
        held, open_price = len(waiting(ledger.database)), len(unpriced(ledger.database))
    except LedgerError as error:
        return Check("ledger", "broken", str(error), "set GLYPHSTREAM_LEDGER to one that answers")
    finally:
        ledger.close()
    if held or open_price:
        detail = f"{ledger.database.name}: calls of unknown outcome: {held}, without a price: {open_price}"
        return Check("ledger", "absent", detail, "glyphstream spend lists them, spend settle ends them")
    return Check("ledger", "ok", ledger.database.name)


def check_engines(settings: Settings, env: Mapping[str, str]) -> Iterator[Check]:
    """One line a key, and one for what stands in."""
    from inference.engines.registry import load_registry

    users: dict[str, list[str]] = {}
    for entry in load_registry():
        if entry.key_env is not None and not entry.key_optional:
            users.setdefault(entry.key_env, []).append(entry.name)
    for variable, names in users.items():
        if env.get(variable):
            yield Check("keys", "ok", f"{variable} is set")
        else:
            fix = f"export {variable}=..., or let the emulator stand in"
            yield Check("keys", "absent", f"{variable}: {', '.join(names)}", fix)
    if not settings.hosted:
        fix = f"set {PREFIX}HOSTED to true, and a budget"
        yield Check("keys", "absent", "no hosted engine is called here, whatever keys are set", fix)
    if settings.emulator_url:
        yield Check("emulator", "ok", settings.emulator_url)
    else:
        fix = "glyphstream run --emulate, or GLYPHSTREAM_EMULATOR_URL"
        missing = [name for name in ("uvicorn", "starlette") if importlib.util.find_spec(name) is None]
        if missing:
            fix = f"pip install {' '.join(missing)}"
        yield Check("emulator", "absent", "none is named; the demo starts its own", fix)


def check_ends(engines: Engines, today: dt.date) -> Iterator[Check]:
    """One line an engine that routes lead to and whose end is near or past."""
    from inference.engines.expiry import endings
    from streams.expiry import routed_engines

    for ending in endings(engines.registry, today=today, asked=routed_engines()):
        if ending.level == "ended":
            yield _ended(ending, engines)
        elif ending.level != "far":
            fix = "" if ending.followers else "give it a successor in the registry, or ask another engine"
            # A note is for whoever plans ahead, the last month for whoever runs the line.
            state: State = "ok" if ending.level == "note" and ending.followers else "absent"
            yield Check("ends", state, f"{ending.level}: {ending}", fix)


def _ended(ending: Ending, engines: Engines) -> Check:
    from inference.engines.registry import EngineUnavailable

    if ending.successor is None:
        return Check("ends", "broken", str(ending), "give it a successor in the registry")
    try:
        resolved = engines.resolve(ending.successor)
    except EngineUnavailable as error:
        return Check("ends", "absent", f"{ending}, and cannot be called here", str(error))
    return Check("ends", "ok", f"{ending}{'; the emulator stands in' if resolved.emulated else ''}")


def engines_here(settings: Settings, env: Mapping[str, str]) -> Engines:
    """The engines as the verbs that draw build them."""
    from inference.engines.registry import load_registry
    from streams.drawing import engines_of
    from streams.models import local_models

    registry = load_registry()
    return engines_of(settings, registry, local_models(settings, registry), env)
