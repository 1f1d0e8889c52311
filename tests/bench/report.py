"""The page of figures, made from the JSON file alone."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench import targets
from tests.bench.chart import picture
from tests.bench.figures import Spread
from tests.bench.targets import Figures, Series

PREDICTIONS = Path(__file__).with_name("predictions.toml")

HEAD = """# Performance

Written by `python -m tests.bench.run all --report docs/performance.md` (`make bench`); nothing here is
typed by hand. Contestants take turns on one broker in one run; figures are medians, with the least and
the most in brackets. CPU is user and system time of the contestant's own process, all threads.

![events/s, CPU and latency](performance.png)
"""

ROUTING = """
## The routing stage

{events:,} prompt events of about 640 bytes in {partitions} partitions; each is decoded and validated,
routed by the product's own rules, encoded, and sent with its key and CloudEvents headers to the topic
its engine has: in every contestant by the same functions of this repository. The backlog lies in one
open transaction until the contestant has joined its group and waits; the clock runs from the commit
that shows it until the group's committed offsets cover it, so start-up is in no figure. After each run
another client counts all outputs, read_committed: every prompt's job once, or the run counts for
nothing.

*glyphstream* is `glyphstream run route` with its defaults. It also drops resends, keeps order, retries,
writes dead letters and fences; the raw program does none of that. *raw aiokafka* has a transactional id
for each input partition and the same client settings; `send` sends record by record, `batch` fills
batches by hand; the number is its records a transaction. *FastStream* has no transactions:
at-least-once, acknowledged after the work, and its single subscriber got {slow:,} events. Its
`publish_batch` has one set of headers for all records of a batch, so that setting does less than the
job and is in no target.
"""

LATENCY = """
## Added latency

{rate:,} events/s, evenly. From just before a prompt is handed to a producer that sends at once until a
read_committed reader has its job in hand; one producer and one reader for both. The *bare transaction*
does no job: it polls, writes one output of the same size and headers for each record, to both job topics
by turns as the job does, adds the offsets and commits, with a transactional id for each partition and
the same client settings.
"""

POISON = """
## Poison

{pairs} pairs of {events:,} good events, clean and with {poison:,} records strewn in that no stage can
decode: no JSON, cut off, a wrong type, no prompt, an empty text, no UTF-8, a list, null, no id, empty.
After every run the dead letters were exactly the poison and each good prompt had its job once.
"""


def write(path: Path, found: Figures) -> None:
    """The page at `path` and its picture beside it."""
    path.with_suffix(".png").write_bytes(picture(found))
    path.write_text(page(found, predictions()), "utf-8")


def verdicts(found: Figures) -> list[str]:
    return [
        f"{'met    ' if each.met else 'NOT MET'} {each.target}: {each.measured}, asked {each.asked}"
        for each in targets.verdicts(found)
    ]


def predictions() -> list[Mapping[str, str]]:
    rows: list[Mapping[str, str]] = tomllib.loads(PREDICTIONS.read_text("utf-8")).get("prediction", [])
    return rows


def page(found: Figures, expected: Sequence[Mapping[str, str]]) -> str:
    parts = [HEAD, _targets(found)]
    if "routing" in found:
        parts += [_routing(found["routing"]), _made(found["routing"])]
    if "latency" in found:
        parts += [_latency(found["latency"]), _made(found["latency"])]
    if "poison" in found:
        parts += [_poison(found["poison"]), _made(found["poison"])]
    if expected:
        rows = [(row["change"], row["predicted"], row["outcome"]) for row in expected]
        parts.append("\n## Predictions and outcomes\n\n" + table(("change", "predicted", "outcome"), rows))
    return "".join(parts)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


def spread(values: Sequence[float], form: str = ",.0f") -> str:
    found = Spread.of(values)
    return f"{found.median:{form}} ({found.least:{form}} to {found.most:{form}})"


def _targets(found: Figures) -> str:
    rows = [(each.target, each.asked, each.measured, each.word) for each in targets.verdicts(found)]
    return "\n## Targets\n\n" + table(("target", "asked", "measured", ""), rows)


def _routing(found: Figures) -> str:
    series = targets.measured(found)
    mine = targets.ours(series)
    slow = [drain["events"] for plain in found["measured"] for drain in plain["drains"]]
    text = ROUTING.format(events=found["plan"]["events"], partitions=4, slow=min(slow))
    rows = [
        (
            each.title,
            "at-least-once" if each.name == "FastStream" else "exactly-once",
            spread(each.rates),
            spread(each.cpu_us, ".1f"),
            "" if each is mine else f"{targets.speed_of(series, each).median:.2f} x",
            f"{Spread.of(each.rss_mb).median:.0f}",
            f"{Spread.of(each.start_s).median:.1f}",
        )
        for each in series
    ]
    head = ("", "guarantee", "events/s", "CPU µs an event", "ours is", "peak MB", "s to join")
    alone = (
        f"\nThe job alone, without Kafka, takes {spread(found['job_us'])} µs of CPU an event: of every "
        "contestant's figure this much is the same work, and no framework that does it can be faster.\n"
    )
    return (
        text
        + "\n"
        + table(head, rows)
        + alone
        + _noise([share for each in series for share in each.foreign])
        + _tried(found)
    )


def _tried(found: Figures) -> str:
    rows = [
        (f"{plain['name']}, {plain['setting']}", plain["fault"], "")
        if plain["fault"]
        else (each.title, f"{max(each.rates):,.0f}", f"{min(each.cpu_us):.1f}")
        for plain in found["tried"]
        for each in (Series.of(plain),)
    ]
    head = ("setting tried first", "best events/s", "least CPU µs an event")
    return "\n<details><summary>Settings tried</summary>\n\n" + table(head, rows) + "\n</details>\n"


def _latency(found: Figures) -> str:
    rows = []
    for entry in found["contestants"]:
        least = [
            f"{value:.1f} ({min(s[share] for s in entry['segments_ms']):.1f} to "
            f"{max(s[share] for s in entry['segments_ms']):.1f})"
            for share, value in entry["percentiles_ms"].items()
        ]
        rows.append((entry["name"], f"{entry['events']:,}", *least, spread(entry["cpu_us"], ".0f")))
    shares = [f"p{share} ms" for share in found["contestants"][0]["percentiles_ms"]]
    behind = max(entry["behind_ms"] for entry in found["contestants"])
    segments = len(found["contestants"][0]["segments_ms"])
    note = (
        f"\nIn brackets the least and the most of {segments} segments each. "
        f"The producer itself was never more than {behind:.0f} ms behind its schedule.\n"
    )
    noise = _noise([share for entry in found["contestants"] for share in entry["foreign"]])
    head = ("", "events", *shares, "CPU µs an event")
    return LATENCY.format(rate=found["rate"]) + "\n" + table(head, rows) + note + noise


def _poison(found: Figures) -> str:
    plan = found["plan"]
    text = POISON.format(pairs=plan["pairs"], events=plan["events"], poison=found["poison"])
    ratio, (low, high) = targets.poison_cost(found)
    rows = [
        ("clean", spread(found["clean_us"], ".1f"), ""),
        (
            f"{plan['share']:.0%} poison",
            spread(found["poisoned_us"], ".1f"),
            f"{ratio.median:.3f} x ({low:.3f} to {high:.3f})",
        ),
    ]
    head = ("", "CPU µs for each good event", "of the pairs: median (95 % interval)")
    return text + "\n" + table(head, rows) + _noise(found["foreign"])


def _noise(foreign: Sequence[float]) -> str:
    """Other work on the machine slows everybody: a reader should know how much there was."""
    others = Spread.of(foreign)
    return (
        f"\nMeanwhile other processes used {others.median:.0%} of the machine's cores at the median, "
        f"{others.most:.0%} at most.\n"
    )


def _made(found: Figures) -> str:
    machine: Mapping[str, Any] = found["machine"]
    rivals = ", ".join(
        f"{name} {found['rivals'][name]}"
        for name in ("quixstreams", "confluent-kafka", "faststream")
        if name in found.get("rivals", {})
    )
    return (
        f"\n`{found['command']}` on {machine['date']}, commit {machine['commit']}: {machine['processor']}, "
        f"{machine['cores']} cores, {machine['memory']}, {machine['system']}, Python {machine['python']}, "
        f"{machine['kafka']}, aiokafka {machine['aiokafka']}{', ' + rivals if rivals else ''}.\n"
    )
