"""Weights are code where they are pickled: nothing is loaded that is not the file we know."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path


class WeightsRefused(RuntimeError):
    """A weights file is missing or is not the pinned one."""


def verify(directory: Path, sha256: Mapping[str, str]) -> None:
    """Compares each named file with its SHA-256, in hex.

    Raises:
        WeightsRefused: a file is missing or differs.
    """
    for name, pinned in sha256.items():
        path = directory / name
        try:
            with path.open("rb") as file:
                actual = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise WeightsRefused(f"{path} is missing: reinstall the package that carries it") from None
        if actual != pinned:
            raise WeightsRefused(
                f"{path} has SHA-256 {actual}, not {pinned}, and was not loaded: reinstall its package"
            )
