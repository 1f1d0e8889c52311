"""How torch says that a device is full."""

from __future__ import annotations

import torch


def is_full(error: BaseException) -> bool:
    """Whether the error is one of memory. On a CPU torch has no class for it."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)
