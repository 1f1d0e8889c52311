"""`python -m inference.sd3.tiny`: trains the tiny checkpoint in a folder, from where it stopped."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import time
from pathlib import Path

import torch

from inference.sd3.tiny import store
from inference.sd3.tiny.conductor import Clocks, Conductor, Plan
from inference.sd3.tiny.export import export, start_from
from inference.sd3.tiny.store import Run

_PID = "trainer.pid"


def main() -> None:
    """Trains until the plan is done; SIGTERM and SIGINT save and stop."""
    parser = argparse.ArgumentParser(prog="inference.sd3.tiny", description=__doc__)
    parser.add_argument("folder", type=Path, help="where state, log, sheets and curve are kept")
    parser.add_argument("--seed", type=int, default=7, help="of a new run; a resumed one keeps its own")
    parser.add_argument(
        "--start-from", type=Path, help="an exported folder, where there is no state to resume"
    )
    parser.add_argument("--export", type=Path, metavar="FOLDER", help="write the checkpoint there and stop")
    parser.add_argument("--flow-steps", type=int, default=Plan().flow_steps)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.export:
        export(store.resume(given.folder), given.export)
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    _log_to(given.folder / "train.log")
    (given.folder / _PID).write_text(f"{os.getpid()}\n")
    run = _run(given.folder, given.start_from, given.seed)
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: stopped.append(received))
    clocks = Clocks(time.monotonic, time.process_time)
    plan = Plan(flow_steps=given.flow_steps)
    Conductor(run, plan, given.folder, clocks, stopping=lambda: bool(stopped)).conduct()
    (given.folder / _PID).unlink(missing_ok=True)


def _run(folder: Path, exported: Path | None, seed: int) -> Run:
    if (folder / store.STATE).exists():
        run, how = store.resume(folder), "resumed"
    elif exported:
        run, how = start_from(exported), f"started from {exported}"
    else:
        run, how = store.begin(seed), "begun"
    logging.getLogger(__name__).info("%s at flow step %d", how, run.flow.learner.step)
    return run


def _log_to(path: Path) -> None:
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        handlers=[logging.FileHandler(path), logging.StreamHandler()],
    )


if __name__ == "__main__":
    main()
