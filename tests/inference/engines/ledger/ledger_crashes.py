"""Kills a worker with SIGKILL at every step of a call, one kill a process: ADDRESS CHARGES_FILE.

Job N is begun by a process that dies at its Nth step. A step is what can change the world: just before and
just after each statement, each commit and each request to the provider. Then everything is delivered again,
hour by hour, by processes that are killed too, until one comes through. It forks: the parent never opens the
ledger.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from inference.engines.ledger import Answer, Begun, Budget, Busy, Call, Held, Known, Ledger
from inference.engines.ledger.reporting import waiting
from schemas.events import PromptRef
from tests.inference.engines.ledger.ledger_provider import Provider

START = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
PRICE = 40_000
# Redeliveries are killed at every so many steps: a single job was killed at each.
STRIDE = 61


def main(address: str, charges: str) -> None:
    provider = Provider(Path(charges))
    Ledger.open(address).close()
    jobs = 1
    while not lives(jobs, partial(deliver, address, provider, jobs, hours=0)):
        jobs += 1
    again = 1
    while not lives(again * STRIDE, partial(deliver_all, address, provider, jobs, hours=again)):
        again += 1
    sys.stdout.write(json.dumps({"jobs": jobs, "kills": jobs - 1 + again - 1}) + "\n")


def lives(step: int, work: Callable[[], None]) -> bool:
    """Whether `work` comes to its end in a process that is killed at `step`.

    Raises:
        RuntimeError: it failed by itself.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            kill_at(step)
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise RuntimeError(f"step {step}: the worker ended with {status}")
    return status == 0


def kill_at(step: int) -> None:
    """This process dies at that step."""
    steps = itertools.count(1)

    def count(*_ignored: Any, **_also: Any) -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def between(done: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            count()
            answer = done(*arguments)
            count()
            return answer

        return counted

    for event in ("before_cursor_execute", "after_cursor_execute"):
        sa.event.listen(sa.Engine, event, count)
    commit = sa.engine.default.DefaultDialect.do_commit
    sa.engine.default.DefaultDialect.do_commit = between(commit)  # type: ignore[method-assign] # to die around it
    Provider.draw = between(Provider.draw)  # type: ignore[method-assign] # the same


def deliver(address: str, provider: Provider, number: int, *, hours: int) -> None:
    """One delivery of a job, as a worker does it."""
    now = START + dt.timedelta(hours=hours)
    ledger = Ledger.open(address, clock=lambda: now)
    call = Call(
        ref=PromptRef("shop", str(number)),
        ordinal=0,
        asked="",
        render_id="r",
        engine="e",
        model="m",
        reserve=PRICE,
    )
    beginning = ledger.begin(call, [Budget("total", 10_000 * PRICE)])
    match beginning:
        case Begun(row):
            row = ledger.sent(row)
            name = provider.draw(row, PRICE)
            row = ledger.accepted(row, name)
            picture = Answer.image(f"file:///{row.job}.png", PRICE)
            ledger.settle(row, picture)
        case Busy():
            raise RuntimeError(f"job {number} is busy, hours after its worker was killed")
        case Known() | Held():
            pass
    ledger.close()


def deliver_all(address: str, provider: Provider, jobs: int, *, hours: int) -> None:
    """What starts after a crash: recovery, the provider asked of half of the jobs, and each job once more."""
    now = START + dt.timedelta(hours=hours)
    ledger = Ledger.open(address, clock=lambda: now)
    ledger.recover()
    for row in waiting(ledger.database):
        if int(row.call.ref.id) % 2:
            ledger.settle(row, provider.look_up(row))
    ledger.close()
    for number in range(1, jobs + 1):
        deliver(address, provider, number, hours=hours)


if __name__ == "__main__":
    main(*sys.argv[1:])
