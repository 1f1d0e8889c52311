"""Settings: flags before `GLYPHSTREAM_*` before `glyphstream.toml` before defaults.

Secrets (API keys, passwords) come from the environment alone and are not fields here.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from streams.routing.policy import POLICY_NAMES
from streams.runtime.resends import HORIZON

PREFIX = "GLYPHSTREAM_"
FILE_NAME = "glyphstream.toml"
_ALIASES = {"KAFKA_BOOTSTRAP_SERVERS": "bootstrap"}


class SettingsError(ValueError):
    """Names the setting, where it came from, the value and the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`assets` is a folder or an object-store URL; dollars are per hour of our own machines;
    `resend_horizon` counts records of a partition; after `session_seconds` of silence the group takes a
    member for dead and gives its partitions to others. `sd3_medium`, `sd3_local` and `sd3_text` name the
    checkpoints of the local engines, FOLDER_OR_HUB_ID[@REVISION][+LORA[*SCALE]]: empty to choose, "none" for
    none. `ledger` is where spending is written down, empty for `ledger.db` beside the folder of the assets;
    its address may hold a password, which only the environment may give. `budgets` are SCOPE=DOLLARS or
    SCOPE:NAME=DOLLARS. Without `hosted` no provider is called, whatever keys are set; with
    `emulate_contracts` the emulator is asked as the providers are.
    """

    bootstrap: str = "127.0.0.1:9092"
    topic_prefix: str = ""
    assets: str = "out/assets"
    policy: str = "hybrid"
    readers: tuple[str, ...] = ("rapidocr",)
    emulator_url: str = ""
    render_url: str = ""
    sd3_medium: str = ""
    sd3_local: str = ""
    sd3_text: str = ""
    ledger: str = field(default="", repr=False)
    budgets: tuple[str, ...] = ()
    hosted: bool = True
    emulate_contracts: bool = False
    metrics_port: int = 0
    usd_per_gpu_hour: float = 3.0
    usd_per_cpu_hour: float = 0.05
    concurrency: int = 8
    max_in_flight: int = 64
    drain_seconds: float = 30.0
    session_seconds: float = 45.0
    resend_horizon: int = HORIZON
    no_cache: bool = False

    @property
    def ledger_address(self) -> str:
        """Where spending is written down: what was paid for lies beside the ledger that says so."""
        if self.ledger:
            return self.ledger
        url = urlsplit(self.assets) if "://" in self.assets else None
        if url is None:
            folder = self.assets
        else:
            folder = unquote(url.path) if url.scheme == "file" else "out/assets"
        return str(Path(folder).parent / "ledger.db")

    @property
    def shares_assets_alone(self) -> bool:
        """Whether other machines may draw into the same store, and would each keep a ledger of their own."""
        is_bucket = "://" in self.assets and urlsplit(self.assets).scheme not in ("file", "memory")
        return is_bucket and not self.ledger


FIELDS = {field.name: field for field in dataclasses.fields(Settings)}
ENV_NAMES = frozenset({PREFIX + name.upper() for name in FIELDS} | set(_ALIASES))

# Least and greatest, both allowed. The upper ends are far above what helps: they catch slips of the pen.
BOUNDS: Mapping[str, tuple[float, float]] = {
    "usd_per_gpu_hour": (0, 1_000),
    "usd_per_cpu_hour": (0, 1_000),
    "concurrency": (1, 1_024),
    "max_in_flight": (1, 10_000),
    "drain_seconds": (0, 3_600),
    # Kafka's own bounds, group.min.session.timeout.ms and group.max.session.timeout.ms.
    "session_seconds": (6, 1_800),
    "resend_horizon": (1, 100_000),
    "metrics_port": (0, 65_535),
}


def load_settings(
    flags: Mapping[str, object], env: Mapping[str, str], *, file: Path | None = None
) -> Settings:
    """Merges the four layers; a flag that is None was not given.

    Raises:
        SettingsError: an unknown key in the file, or a value of the wrong kind or out of bounds.
    """
    path = file if file is not None else Path(FILE_NAME)
    merged: dict[str, Any] = {}
    if path.exists():
        merged.update(_from_file(path))
    elif file is not None:
        raise SettingsError(f"settings file {file} does not exist; create it or leave --config out")
    for variable, name in [*_ALIASES.items(), *((PREFIX + n.upper(), n) for n in FIELDS)]:
        if env.get(variable, "") != "":
            merged[name] = _parse(name, env[variable], variable)
    for name, value in flags.items():
        if name in FIELDS and value is not None:
            merged[name] = _parse(name, value, f"--{name.replace('_', '-')}")
    return Settings(**merged)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    values = {}
    for name, value in table.items():
        if name not in FIELDS:
            raise SettingsError(f"{path}: unknown setting {name!r}; known: {', '.join(sorted(FIELDS))}")
        values[name] = _parse(name, value, f"{path}: {name}")
    if urlsplit(str(values.get("ledger", ""))).password:
        raise SettingsError(
            f"{path}: ledger holds a password; leave it out, set PGPASSWORD or {PREFIX}LEDGER"
        )
    return values


def _parse(name: str, value: object, origin: str) -> object:
    try:
        parsed = _converted(value, FIELDS[name].default)
    except (TypeError, ValueError):
        raise SettingsError(f"{origin} is {value!r}; give {_wanted(name)}") from None
    if name == "policy" and parsed not in POLICY_NAMES:
        known = ", ".join(sorted(POLICY_NAMES))
        raise SettingsError(f"{origin}: policy {parsed!r} is unknown; known: {known}")
    if name == "budgets":
        _check_budgets(parsed, origin)
    if isinstance(parsed, int | float) and name in BOUNDS:
        least, most = BOUNDS[name]
        if not least <= parsed <= most:
            raise SettingsError(f"{origin} is {value!r}; give {_wanted(name)}")
    return parsed


def _check_budgets(texts: object, origin: str) -> None:
    from inference.engines.ledger.budgets import parse_budget

    for text in texts if isinstance(texts, tuple) else ():
        try:
            parse_budget(text)
        except ValueError as error:
            raise SettingsError(f"{origin}: {error}") from None


def _converted(value: object, default: object) -> object:
    """Raises:
    TypeError, ValueError: `value` is not of the kind of `default`, or not finite.
    """
    match default:
        case bool():
            return _flag(value)
        case int():
            return int(str(value))
        case float():
            return _finite(float(str(value)))
        case tuple():
            return _names(value, may_be_empty=not default)
        case _ if isinstance(value, str):
            return value
    raise ValueError(value)


def _wanted(name: str) -> str:
    default = FIELDS[name].default
    match default:
        case bool():
            return "true or false"
        case int() | float():
            kind = "a whole number" if isinstance(default, int) else "a number"
            least, most = BOUNDS[name]
            return f"{kind} from {least:g} to {most:g}, such as {default:g}"
        case tuple():
            return f"names separated by commas, such as {','.join(default or ('day=20',))}"
    return f"text such as {default!r}" if default else "text"


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(value)
    return value


def _names(value: object, *, may_be_empty: bool) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise TypeError(value)
    names = tuple(str(part).strip() for part in parts)
    if not all(names) or not (names or may_be_empty):
        raise ValueError(value)
    return names


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise ValueError(value)
