"""How the emulator plays each engine: its spelling, its delay, what it refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Annotated

import msgspec
import yaml
from msgspec import Meta

PROFILES_PATH = Path(__file__).with_name("profiles.yaml")
DEFAULT = "default"

Chance = Annotated[float, Meta(ge=0, le=1)]


class ProfileError(ValueError):
    """The profiles file is wrong; the text names the engine and the field."""


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One engine's part. `delay_s` is a median; `spread` the sigma of its logarithm.

    `models` are the providers' own ids of what it plays.
    """

    misspell: Chance = 0.0
    delay_s: Annotated[float, Meta(ge=0, le=600)] = 0.0
    spread: Annotated[float, Meta(ge=0, le=2)] = 0.0
    refuse: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    refuse_at: Chance = 0.0
    style: str | None = None
    models: tuple[str, ...] = ()

    def refusal(self, prompt: str, dice: Random) -> str | None:
        """Why this prompt is not drawn, or None. Rolls `dice` once."""
        rolled = dice.random()
        for word in self.refuse:
            if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", prompt, re.IGNORECASE):
                return f"the prompt asks for {word!r}"
        return "the safety system withheld it" if rolled < self.refuse_at else None

    def delay(self, dice: Random) -> float:
        """Seconds until the answer: log-normal around the median. Rolls `dice` once."""
        return self.delay_s * dice.lognormvariate(0.0, self.spread)

    @staticmethod
    def dice(engine: str, seed: int, prompt: str) -> Random:
        """Dice for the course of one answer: the same request rolls the same, another seed anew."""
        return Random(f"course\x1f{engine}\x1f{seed}\x1f{prompt}")


Profiles = Mapping[str, Profile]


def played_by(profiles: Profiles, model: str) -> Profile:
    """The profile that plays a provider's model: one of that name, one that lists it, or the default."""
    named = profiles.get(model)
    listing = next((profile for profile in profiles.values() if model in profile.models), None)
    return named or listing or profiles[DEFAULT]


def load_profiles(path: Path | None = None) -> Profiles:
    """Reads and validates a profiles file, by default the one checked in beside this module.

    Raises:
        ProfileError: not YAML, a wrong field, or no `default`.
    """
    path = path or PROFILES_PATH
    try:
        raw = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as error:
        raise ProfileError(f"{path}: {error}") from error
    if not isinstance(raw, dict) or DEFAULT not in raw:
        raise ProfileError(f"{path}: must map engine names to profiles, {DEFAULT!r} among them")
    profiles: dict[str, Profile] = {}
    for name, fields in raw.items():
        try:
            profiles[str(name)] = msgspec.convert(fields, Profile)
        except msgspec.ValidationError as error:
            raise ProfileError(f"{path}: {name}: {error}") from error
    return profiles
