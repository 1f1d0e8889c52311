"""The policy of expected costs with what the settings give it: engines, readers, the ledger's database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from streams.routing.policy import EXPECTED
from streams.settings import Settings, SettingsError

if TYPE_CHECKING:
    from inference.engines.registry import Engines
    from streams.routing.expected.advising import Advisor
    from streams.routing.expected.remembering import Memory


def advisor_of(settings: Settings, engines: Engines, memory: Memory) -> Advisor:
    """Decides over the engines that can be called here.

    Raises:
        PolicyFileError: the policy's file is wrong.
    """
    from inference.legibility.readers import reader_entry
    from streams.routing.expected.advising import Advisor
    from streams.routing.expected.offering import OursPerHour, can_read, offers_here
    from streams.routing.expected.policyfile import load_policy

    policy = load_policy()
    ours = OursPerHour(gpu=settings.usd_per_gpu_hour, cpu=settings.usd_per_cpu_hour)
    alphabets = {name: reader_entry(name).characters() for name in settings.readers}
    return Advisor(policy, memory, offers_here(policy, engines, ours), can_read(alphabets))


@contextlib.asynccontextmanager
async def advising(settings: Settings, engines: Engines) -> AsyncIterator[Advisor]:
    """The advisor with the memory that all workers share, as long as it is open.

    The database is connected at once where it is this policy that routes; else when a job comes that was
    routed by it before.

    Raises:
        SettingsError: the database cannot be used; the text says why.
    """
    from inference.engines.ledger import LedgerError
    from streams.routing.expected.keeping import Kept
    from streams.stages.route import BLANK

    try:
        kept = Kept(settings.ledger_address)
        if settings.policy == EXPECTED:
            await asyncio.to_thread(kept.open)
    except LedgerError as error:
        raise SettingsError(f"{error} (ledger, GLYPHSTREAM_LEDGER)") from error
    try:
        advisor = advisor_of(settings, engines, kept)
        if settings.policy == EXPECTED:
            # A checkpoint is looked for once, for seconds: no record should wait for that.
            await asyncio.to_thread(advisor.offers, BLANK)
        yield advisor
    finally:
        await asyncio.to_thread(kept.close)
