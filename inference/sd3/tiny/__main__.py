"""`python -m inference.sd3.tiny`: trains the tiny checkpoint in a folder, from where it stopped."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from inference.sd3.tiny.training import FLOW_STEPS, SEED, CannotTrain, Training, train, write


def main() -> None:
    """Trains until the plan is done; SIGTERM and SIGINT save and stop."""
    parser = argparse.ArgumentParser(prog="inference.sd3.tiny", description=__doc__)
    parser.add_argument("folder", type=Path, help="where state, log, sheets and curve are kept")
    parser.add_argument("--seed", type=int, default=SEED, help="of a new run; a resumed one keeps its own")
    parser.add_argument(
        "--start-from", type=Path, help="an exported folder, where there is no state to resume"
    )
    parser.add_argument("--export", type=Path, metavar="FOLDER", help="write the checkpoint there and stop")
    parser.add_argument("--flow-steps", type=int, default=FLOW_STEPS)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    try:
        if given.export:
            write(given.folder, given.export)
            return
        asked = Training(
            folder=given.folder,
            seed=given.seed,
            start_from=given.start_from,
            flow_steps=given.flow_steps,
            threads=given.threads,
        )
        train(asked, logging.StreamHandler())
    except CannotTrain as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
