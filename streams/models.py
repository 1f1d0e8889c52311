"""The local models as the settings want them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from streams.settings import PREFIX, Settings, SettingsError

if TYPE_CHECKING:
    from inference.engines.local_sd3 import LocalModels
    from inference.engines.registry import Registry
    from inference.sd3.process import Watch

SETTINGS: Final[Mapping[str, str]] = {
    "sd3.5_medium": "sd3_medium",
    "sd3.5_local": "sd3_local",
    "sd3.5_medium_text": "sd3_text",
}


def local_models(settings: Settings, registry: Registry, *, watch: Watch | None = None) -> LocalModels:
    """The models behind the registry's local engines; nothing is looked at yet."""
    from inference.engines.local_sd3 import LocalModels
    from inference.sd3.device import detect

    registered = {entry.name: entry.model for entry in registry if entry.adapter == "sd3_local"}
    named = {engine: getattr(settings, name) for engine, name in SETTINGS.items()}
    return LocalModels(registered, named, device=detect, watch=watch)


def check_models(models: LocalModels) -> None:
    """Chooses the checkpoint of every local engine. May read files for seconds, the first time.

    Raises:
        SettingsError: a setting names something that cannot be used; the text says the fix.
    """
    from inference.sd3.base import CheckpointError

    for engine in models.names:
        try:
            models.chosen(engine)
        except CheckpointError as error:
            name = SETTINGS[engine]
            raise SettingsError(
                f"{name} ({PREFIX}{name.upper()}): {error}; leave it empty to let {engine} choose for itself"
            ) from error
