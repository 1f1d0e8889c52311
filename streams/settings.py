"""Settings: flags before `GLYPHSTREAM_*` before `glyphstream.toml` before defaults.

Secrets (API keys, passwords) come from the environment alone and are not fields here.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PREFIX = "GLYPHSTREAM_"
FILE_NAME = "glyphstream.toml"
_ALIASES = {"KAFKA_BOOTSTRAP_SERVERS": "bootstrap"}


class SettingsError(ValueError):
    """Names the setting, where it came from, the value and the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`assets` is a folder or an object-store URL; dollars are per hour of our own machines."""

    bootstrap: str = "127.0.0.1:9092"
    topic_prefix: str = ""
    assets: str = "out/assets"
    policy: str = "hybrid"
    readers: tuple[str, ...] = ("rapidocr",)
    emulator_url: str = ""
    render_url: str = ""
    usd_per_gpu_hour: float = 3.0
    usd_per_cpu_hour: float = 0.05
    concurrency: int = 8
    max_in_flight: int = 64
    drain_seconds: float = 30.0
    no_cache: bool = False


FIELDS = {field.name: field for field in dataclasses.fields(Settings)}
ENV_NAMES = frozenset({PREFIX + name.upper() for name in FIELDS} | set(_ALIASES))


def load_settings(
    flags: Mapping[str, object], env: Mapping[str, str], *, file: Path | None = None
) -> Settings:
    """Merges the four layers; a flag that is None was not given.

    Raises:
        SettingsError: an unknown key in the file, or a value of the wrong kind.
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
    merged.update({name: value for name, value in flags.items() if name in FIELDS and value is not None})
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
    return values


def _parse(name: str, value: object, origin: str) -> object:
    default = FIELDS[name].default
    try:
        if isinstance(default, bool):
            return _flag(value)
        if isinstance(default, int):
            return int(str(value))
        if isinstance(default, float):
            return float(str(value))
        if isinstance(default, tuple):
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(str(part).strip() for part in parts)  # type: ignore[attr-defined]  # a TypeError is caught
        if isinstance(value, str):
            return value
        raise ValueError
    except (TypeError, ValueError):
        wanted = type(default).__name__
        raise SettingsError(f"{origin} is {value!r}; give a {wanted} such as {default!r}") from None


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise ValueError(value)
