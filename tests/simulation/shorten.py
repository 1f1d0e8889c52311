"""The runtime's own bounds, made short enough for a small run to meet them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from unittest import mock

from streams.runtime import partition, transactions
from streams.runtime.offsets import OffsetTracker
from tests.simulation.scenario import Scenario


@contextlib.contextmanager
def shortened(scenario: Scenario) -> Iterator[None]:
    """A name that the runtime no longer has raises here rather than be passed over."""
    with (
        mock.patch.object(transactions, "TRANSACTION_S", scenario.transaction_s),
        mock.patch.object(
            partition,
            "OffsetTracker",
            functools.partial(OffsetTracker, window=scenario.window),
        ),
    ):
        yield
