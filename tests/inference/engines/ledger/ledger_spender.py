"""A worker process that spends as fast as it can: ADDRESS CHARGES_FILE NUMBER CALLS LIMIT. Writes what it was
told as one JSON object.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import sys
from collections import Counter
from pathlib import Path

from inference.engines.base import Refused
from inference.engines.ledger import Answer, Begun, Budget, Call, Ledger
from schemas.events import PromptRef
from tests.inference.engines.ledger.ledger_provider import Provider

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
MOST = 40_000


def main(address: str, charges: str, number: str, calls: str, limit: str) -> None:
    random_ = random.Random(int(number))
    provider = Provider(Path(charges))
    # Nobody is killed here: at a clock that stands, no lease runs out.
    ledger = Ledger.open(address, clock=lambda: NOON)
    budgets = [
        Budget("total", int(limit)),
        Budget("day", int(limit) * 2),
        Budget("engine", int(limit), "dear"),
    ]
    told: Counter[str] = Counter()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for index in range(int(calls)):
        # Half of the jobs are every worker's, as after a rebalance.
        owner = "all" if index % 2 else number
        call = Call(
            ref=PromptRef(owner, str(index)),
            ordinal=0,
            asked="",
            render_id="r",
            engine="dear",
            model="m",
            reserve=random_.randrange(MOST // 2, MOST),
            campaign="spring",
        )
        begun = ledger.begin(call, budgets)
        told[type(begun).__name__] += 1
        if isinstance(begun, Begun):
            spend(ledger, begun, provider, random_)
    ledger.close()
    sys.stdout.write(json.dumps(told) + "\n")


def spend(ledger: Ledger, begun: Begun, provider: Provider, random_: random.Random) -> None:
    row = ledger.sent(begun.row)
    if random_.random() < 0.2:
        ledger.settle(row, Answer.of(Refused("no"), charged=0))
        return
    price = random_.randrange(row.call.reserve // 2, row.call.reserve + 1)
    provider.draw(row, price)
    ledger.settle(row, Answer.image("file:///a.png", price))


if __name__ == "__main__":
    main(*sys.argv[1:])
