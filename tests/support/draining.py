"""A worker process to be stopped: `python -m tests.support.draining BOOTSTRAP PREFIX IN_FLIGHT DRAIN_S`.

It says `under way` once IN_FLIGHT records are. At SIGTERM half of them, those with odd numbers, end within
half a second; the others never do.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections.abc import Sequence

from schemas.events import PromptEvent
from streams.runtime.stage import Emit
from tests.support.stages import loop_of, numbered_result, stage_of

LATEST_S = 0.5


async def main(bootstrap: str, prefix: str, in_flight: int, drain_s: float) -> None:
    stop, rng, begun = asyncio.Event(), random.Random(1), 0

    async def handle(prompt: PromptEvent) -> Sequence[Emit]:
        nonlocal begun
        begun += 1
        if begun == in_flight:
            sys.stdout.write("under way\n")
            sys.stdout.flush()
        await stop.wait()
        if int(prompt.prompt) % 2 == 0:
            await asyncio.Event().wait()
        await asyncio.sleep(rng.uniform(0, LATEST_S))
        return (numbered_result(prompt),)

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    loop = loop_of(
        bootstrap, prefix, stage_of(handle), slots=in_flight, max_in_flight=in_flight, drain_s=drain_s
    )
    await loop.run(stop)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
