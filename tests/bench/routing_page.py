"""The page on routing, made from the JSON file alone, and the checks it is held to."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from inference.bench.statistics import wilson
from streams.routing.expected.policyfile import load_policy
from tests.bench import routing_chart
from tests.bench.routing_pairs import WORTHS
from tests.bench.routing_prose import CHANGES, COMPARED, HEAD, LEARNING, LIMITS, REGIME, WAYS
from tests.bench.routing_trials import BLOCK, HALVED_AT, PROMPTS, USUAL, WITHIN
from tests.bench.routing_world import NOT_OFFERED

Found: TypeAlias = Mapping[str, Any]
POLICIES = ("hybrid", "local-first", "hosted-first", "expected")
# Of all seeds, so many must hold: the checks are promises about a policy, not about its luckiest run.
MOST = 0.95
FIGURE = "routing.png"
PREDICTIONS = Path(__file__).with_name("routing_expected_predictions.toml")
WINDOWS = {
    "learnt": "rates that stay: prompts 1,001 to 5,000",
    "before": "the other run, before the halving: 1,001 to 3,000",
    "shocked": "the 500 prompts from the halving on",
    "back": "the next 500: 3,501 to 4,000",
    "later": "all the rest: 3,501 to 5,000",
}
SOON = 100


@dataclass(frozen=True, slots=True)
class Check:
    target: str
    measured: str
    met: bool


def checks(found: Found) -> list[Check]:
    trials = found["worlds"][USUAL.name]
    share = load_policy().exploration.share
    return [
        _held(trials, "learnt", "prompts 1,001 to 5,000 cost within 10 % of knowing the rates"),
        _held(trials, "back", "prompts 501 to 1,000 after an engine was halved, too"),
        _held(trials, "later", "all prompts from the 501st after that, too"),
        Check(
            f"at no moment more than {share:.0%} of spending went into exploring",
            f"at most {max(each['explored'] for each in _all(found)):.2%}",
            all(each["explored"] <= share for each in _all(found)),
        ),
    ]


def _held(trials: Sequence[Found], name: str, target: str) -> Check:
    hits = sum(each[name] <= WITHIN for each in trials)
    return Check(
        f"{target}, in {MOST:.0%} of seeds", f"{hits} of {len(trials)} seeds", hits >= MOST * len(trials)
    )


def _all(found: Found) -> Iterator[Found]:
    for trials in found["worlds"].values():
        yield from trials


def write(path: Path, found: Found) -> None:
    trials = found["worlds"][USUAL.name]
    picture = routing_chart.picture(
        [each["curve"] for each in trials], BLOCK, HALVED_AT, WORTHS, found["worth"]
    )
    path.with_name(FIGURE).write_bytes(picture)
    worst = max(trials, key=lambda each: float(each["learnt"]))
    parts = [
        HEAD.format(policy=found["policy"], checks=_checks(found)),
        LEARNING.format(
            seeds=len(trials),
            not_offered=", ".join(f"`{name}`" for name in NOT_OFFERED),
            windows=_windows(trials),
            noticed=noticed(trials),
            worlds=_worlds(found),
        ),
        CHANGES.format(
            predictions=predictions(trials), worst_seed=worst["seed"], worst=f"{worst['learnt']:.3f}"
        ),
        WAYS.format(count=len(next(iter(found["ways"].values()))), ways=_ways(found)),
        COMPARED.format(
            posters=found["posters"],
            samples=found["samples"],
            table=_pairs(found["pairs"]["as published"]),
            differences=_differences(found["pairs"]["as published"]),
            settings=_settings(found["pairs"]),
        ),
        REGIME.format(crossing=_crossing(found), table=_worth(found)),
        LIMITS.format(evidence=load_policy().evidence.source),
    ]
    path.write_text("\n".join(parts), "utf-8")


def _crossing(found: Found) -> str:
    at = routing_chart.crossing_at(WORTHS, found["worth"]["hybrid"], found["worth"]["local-first"])
    return "nowhere" if at is None else f"below ${at:.2f} and beats it above"


def _checks(found: Found) -> str:
    rows = [(c.target, c.measured, "yes" if c.met else "**no**") for c in checks(found)]
    return _table(("check", "measured", "met"), rows)


def _windows(trials: Sequence[Found]) -> str:
    rows = []
    for name, words in WINDOWS.items():
        values = np.array([each[name] for each in trials])
        share = wilson(int((values <= WITHIN).sum()), len(values))
        rows.append(
            (
                words,
                _mean(values),
                f"{np.quantile(values, 0.9):.3f}, {values.max():.3f}",
                f"{share.value:.0%} ({share.low:.0%} to {share.high:.0%})",
            )
        )
    return _table(("window", "mean ratio", "90th percentile, worst", "seeds within 10 %"), rows)


def noticed(trials: Sequence[Found]) -> str:
    # One who never noticed waited longer than the run went on.
    delays = [np.inf if each["noticed"] is None else each["noticed"] for each in trials]
    never, soon = delays.count(np.inf), sum(delay <= SOON for delay in delays)
    false_alarms = sum(each["false_alarms"] for each in trials)
    return textwrap.fill(
        f"The halving raised an alarm after {np.median(delays):.0f} prompts (median; within {SOON} in {soon} "
        f"of {len(delays)} seeds, never in {never}). Where nothing changed, {false_alarms} alarms were "
        f"raised in {len(trials) * PROMPTS:,} prompts.",
        width=110,
    )


def predictions(trials: Sequence[Found]) -> str:
    rows = []
    for told in tomllib.loads(PREDICTIONS.read_text("utf-8"))["prediction"]:
        values = np.array([each[told["window"]] for each in trials])
        outcome = _mean(values)
        if told["window"] == "back":
            outcome += f", {(values <= WITHIN).sum()} of {len(values)}"
        rows.append((WINDOWS[told["window"]], told["before"], told["first"], told["second"], outcome))
    return _table(("window", "version 1", "first prediction", "second", "measured"), rows)


def _worlds(found: Found) -> str:
    rows = []
    for name, trials in found["worlds"].items():
        windows = [np.array([each[key] for each in trials]) for key in ("learnt", "shocked", "later")]
        held = [f"{(values <= WITHIN).sum()} of {len(values)}" for values in (windows[0], windows[2])]
        rows.append((name, *(_mean(values) for values in windows), *held))
    head = (
        "hidden rates", "1,001 to 5,000", "500 from the halving", "all after those",
        "within 10 %", "within 10 %, after",
    )  # fmt: skip
    return _table(head, rows)


def _ways(found: Found) -> str:
    rows = []
    for name, trials in found["ways"].items():
        usual, gem = (np.array([each[key] for each in trials]) for key in ("usual", "gem"))
        rows.append((name, _mean(usual), _mean(gem)))
    return _table(("way to explore", "as expected", "one engine far better than believed"), rows)


def _mean(values: np.ndarray) -> str:
    random = np.random.default_rng(0)
    means = values[random.integers(len(values), size=(4_000, len(values)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


def _pairs(pairs: Found) -> str:
    rows = [
        (
            f"`{name}`",
            f"{pairs[name]['p50_s']:.1f}, {pairs[name]['p95_s']:.1f}",
            _shares(pairs[name]["legibility"]),
            _shares(pairs[name]["accepted"]),
            f"{pairs[name]['composed'][0]:.0%}",
            _dollars(pairs[name]["usd_per_1000_rendered"]),
            _dollars(pairs[name]["usd_per_1000_accepted"]),
            _dollars(pairs[name]["whole_per_1000"]),
        )
        for name in POLICIES
    ]
    head = (
        "policy", "seconds p50, p95", "legibility", "accepted", "composed", "$ per 1,000 rendered",
        "$ per 1,000 accepted", "whole cost of 1,000",
    )  # fmt: skip
    return _table(head, rows)


def _differences(pairs: Found) -> str:
    rows = []
    for name in POLICIES[1:]:
        against = pairs[name]["against_hybrid"]
        rows.append(
            (
                f"`{name}`",
                _signed(against["seconds"], "{:+.1f}"),
                _signed(against["legibility"], "{:+.3f}"),
                _signed(against["usd_per_1000_accepted"], "{:+.1f}"),
                _signed(against["whole_per_1000"], "{:+.0f}"),
            )
        )
    head = "less `hybrid`", "mean seconds", "legibility", "$ per 1,000 accepted", "whole cost of 1,000"
    return _table(head, rows)


def _settings(pairs: Found) -> str:
    rows = [(name, *(_both(found[policy]) for policy in POLICIES)) for name, found in pairs.items()]
    return _table(("engines", *(f"`{name}`" for name in POLICIES)), rows)


def _both(figures: Found) -> str:
    return f"{figures['usd_per_1000_accepted'][0]:.0f}, {figures['whole_per_1000'][0]:.0f}"


def _worth(found: Found) -> str:
    rows = [
        (f"${worth:.2f}", *(f"{found['worth'][name][place]:.0f}" for name in POLICIES))
        for place, worth in enumerate(WORTHS)
    ]
    return _table(("worth of drawn words", *(f"`{name}`" for name in POLICIES)), rows)


def _shares(three: Sequence[float]) -> str:
    return f"{three[0]:.3f} ({three[1]:.3f} to {three[2]:.3f})"


def _dollars(three: Sequence[float]) -> str:
    return f"{three[0]:.0f} ({three[1]:.0f} to {three[2]:.0f})"


def _signed(three: Sequence[float], form: str) -> str:
    value, low, high = (form.format(each) for each in three)
    return f"{value} ({low} to {high})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
