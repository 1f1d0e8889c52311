"""This machine in words: times of another one are not compared."""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from pathlib import Path

_CPUS = Path("/proc/cpuinfo")
_GPUS = Path("/proc/driver/nvidia/gpus")


def described(cpus: Path = _CPUS, gpus: Path = _GPUS) -> str:
    """`x86_64 AMD EPYC 7B13, 2 cores, 1 x NVIDIA H100`: what times depend on, and no name of a host."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    kind = " ".join(filter(None, [platform.machine(), _field(cpus, "model name")]))
    found = Counter(filter(None, (_field(each / "information", "Model") for each in _gpus(gpus))))
    cards = [f"{count} x {name}" for name, count in sorted(found.items())]
    return ", ".join([kind, f"{cores} core{'s' if cores > 1 else ''}", *cards])


def _gpus(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _field(file: Path, name: str) -> str:
    try:
        text = file.read_text("utf-8", "replace")
    except OSError:
        return ""
    found = re.search(rf"^{re.escape(name)}\s*:\s*(.+?)\s*$", text, re.MULTILINE)
    return found[1] if found else ""
