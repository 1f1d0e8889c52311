"""The environment in which the product's model process runs, for scripts that load a model themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final

# Threads that wait for each other sleep: spinning ones take the cores from whoever else is there.
ENVIRONMENT: Final[Mapping[str, str]] = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}


def ensure(module: str) -> None:
    """Starts `python -m module` again in that environment, which libraries read when they are imported."""
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        os.execve(
            sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], {**os.environ, **ENVIRONMENT}
        )
