"""Scans whose faults are told in words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from streams.commands.verb import Failure
from streams.runtime.errors import EXIT_FAILED, EXIT_UNREACHABLE
from streams.scan import Scan, ScanError, Unreachable, open_scan
from streams.settings import Settings


@asynccontextmanager
async def scan_or_failure(settings: Settings, names: Sequence[str]) -> AsyncIterator[Scan]:
    """`open_scan`, with every fault a `Failure`."""
    try:
        async with open_scan(settings, names) as scan:
            yield scan
    except ScanError as error:
        code = EXIT_UNREACHABLE if isinstance(error, Unreachable) else EXIT_FAILED
        raise Failure(str(error), exit_code=code) from error
