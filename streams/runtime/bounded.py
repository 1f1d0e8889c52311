"""Waiting that ends, whatever a library makes of cancellation; and whose cancellation it was."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def within(seconds: float, work: Coroutine[Any, Any, object]) -> BaseException | None:
    """Runs `work` for at most `seconds`; what went wrong, a TimeoutError included, is returned.

    `asyncio.wait_for` waits for the cancelled task to end, and aiokafka's clean-up without a broker does
    not: here such a task is cancelled and left to itself.
    """
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if done:
        return asyncio.CancelledError() if task.cancelled() else task.exception()
    task.cancel()
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    return TimeoutError(f"not done within {seconds:g} s")


def cancelled_from_within() -> bool:
    """Whether a CancelledError came from something that was waited for, and nobody cancelled this task."""
    task = asyncio.current_task()
    return task is not None and not task.cancelling()
