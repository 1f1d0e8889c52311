"""How far one picture speaks about the next of its prompt, measured on the tiny model of this repository.

    python -m tests.bench.routing_evidence --titles 80 --seeds 3

The same titles are drawn with several seeds and read back. Printed are the odds and the shares of near misses
of `grades.py` under which what was read is most probable, with intervals over resampled titles.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streams.routing.expected.grades import spread
from tests.bench.tiny.pictures import FIRST_SEED, Picture, Setting

OUT = Path("out/routing/evidence.json")
NEAR = 0.55
# Two titles of a prompt's seeds never meet: seeds of one title lie this far apart.
_APART = 10_000
_ODDS = np.geomspace(1, 60, 25)
_SHARES = np.linspace(0.05, 0.95, 19)

Counts = npt.NDArray[np.int64]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--titles", type=int, default=80)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--from-json", action="store_true", help="fit what was read before")
    options = parser.parse_args(argv)
    if not options.from_json:
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(json.dumps(read_titles(options.titles, options.seeds)), "utf-8")
    counts = np.array(json.loads(OUT.read_text("utf-8")))
    sys.stdout.write(told(counts) + "\n")
    return 0


def read_titles(titles: int, seeds: int) -> list[list[int]]:
    """For each title how many pictures passed, nearly passed, and were far off."""
    import torch

    from inference.sd3.choosing import TINY
    from inference.sd3.tiny import reading
    from tests.bench.tiny.artist import Artist, chosen

    torch.set_num_threads(1)
    artist = Artist.of(TINY["sd3.5_medium"], chosen())
    found = []
    for index in range(titles):
        # Four steps: fast, and wrong often enough to learn from.
        picture = Picture("title", index, Setting("base", 4, 1.0))
        counts = [0, 0, 0]
        for turn in range(seeds):
            drawing = replace(picture.drawing, seed=FIRST_SEED + index + _APART * turn)
            texts = reading.read(artist.renderer.draw(drawing)[None])[0]
            right = reading.letters_right(picture.poster, texts)
            counts[0 if right == 1 else 1 if right >= NEAR else 2] += 1
        found.append(counts)
    return found


def fitted(counts: Counts) -> tuple[float, float, float]:
    """The most probable (odds, near_plain, near_awkward); the rate is that of all pictures."""
    rate = counts[:, 0].sum() / counts.sum()
    plain, awkward = _by_share(counts, _grades(rate, 1)), _by_share(counts, _grades(rate, -1))
    # Either half of the titles may be the plain one, title by title.
    joint = np.logaddexp(plain[:, None, :, :], awkward[:, :, None, :]).sum(axis=-1)
    odds, near_awkward, near_plain = np.unravel_index(np.argmax(joint), joint.shape)
    return float(_ODDS[odds]), float(_SHARES[near_plain]), float(_SHARES[near_awkward])


def _grades(rate: float, sign: int) -> npt.NDArray[np.float64]:
    return np.clip([rate + sign * spread(rate, odds) for odds in _ODDS], 1e-6, 1 - 1e-6)


def _by_share(counts: Counts, rates: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The log likelihood of each title, by odds and share of near misses."""
    passed, near, far = (counts[:, place] for place in range(3))
    passes = passed * np.log(rates)[:, None] + (near + far) * np.log1p(-rates)[:, None]
    misses = near * np.log(_SHARES)[:, None] + far * np.log1p(-_SHARES)[:, None]
    both: npt.NDArray[np.float64] = passes[:, None, :] + misses[None, :, :]
    return both


def told(counts: Counts, *, rounds: int = 300) -> str:
    random = np.random.default_rng(0)
    resampled = np.array(
        [fitted(counts[random.integers(len(counts), size=len(counts))]) for _ in range(rounds)]
    )
    low, high = np.quantile(resampled, (0.025, 0.975), axis=0)
    rows = zip(("odds", "near_plain", "near_awkward"), fitted(counts), low, high, strict=True)
    total = counts.sum(axis=0)
    head = f"{len(counts)} titles: {total[0]} pictures passed, {total[1]} nearly, {total[2]} were far off"
    return "\n".join([head, *(f"{name} {value:.2f} ({a:.2f} to {b:.2f})" for name, value, a, b in rows)])


if __name__ == "__main__":
    sys.exit(main())
