"""The page on legibility, made from the JSON file alone, and the checks it is held to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.legibility.acceptance import DEFAULT
from inference.legibility.calibration.posters import held_out_set, tuning_set
from inference.legibility.measured import COVERED
from tests.bench import calibration_chart
from tests.bench.calibration_figures import PURE, Figures

AUC_ASKED = 0.95
CLEAN_ASKED = 0.99

HEAD = """# Legibility: can the score be trusted?

Written by `python -m tests.bench.calibration --report docs/legibility.md`; nothing here is typed by hand.
Score `{version}`, reader `{reader}`. Figures in brackets are 95 % intervals over resampled posters.

{checks}

## What was measured

Posters with known words, drawn by `inference/legibility/calibration/`: clean, and with one flaw of known
kind and severity. A flaw either changes what is written, and then must be rejected however well it reads,
or changes how it can be read. What a person would still pass (green below) is no defect and is in no AUC
of clean against defective. A poster's texts stand in the order of its list, or with the last one on top,
or with the headline second, or side by side: designers decide that, and a score must not mind.

The tuning posters are in the layout engine's fonts, in Latin and Chinese. The held-out ones are in fonts
installed for this check alone ({fonts}), in Latin, Greek and Japanese. Which is which stands in
`posters.py`. Nothing is chosen on the held-out ones; after the first look at this score's figures on them
(AUC 0.952) two rules were made stricter that let more through than they say: how many letters may be
doubted, and listing marks that were added.

![Every flaw at every severity](legibility-flaws.png)
"""

CURVES = """
## Held out

![Reliability, the five formulas, and every flaw](legibility-curves.png)

The five formulas are in `formulas.py`, each with its source. Where one cannot be asked as published, the
reading that serves it best was taken. The lead is over the best of the five in each resample.
"""

THRESHOLDS = """
## The threshold

A picture is accepted when its score and each text's similarity reach a least value and every critical text
is exact. The rule: of all pairs of least values of which at least {pure:.0%} of what they accept is truly
right, {prior:.0%} of all pictures being right, the one that refuses the fewest right pictures; of equal ones
the strictest; on the tuning posters. *Refused* counts right pictures refused, flaws that a person passes
included; *composed* are the 300 clean posters of the layout engine.
"""

CLEAN = """
## Clean posters of the layout engine

{count} posters from {prompts} prompts of `prompts/ai_posters.txt`, every prompt in Latin, Greek, Chinese or
Japanese whose texts the reader covers ({kept:.1%}), as each asks to be and then in other styles and sizes;
read as a stranger's pictures. Left out: {left_out}.

**{hits} of {count} accepted** ({share}).
"""

LETTERS = """
## Letters that are listed and not read

Every letter of the languages with prompts, set in words in the tuning fonts and read back (`letters.json`, by
`python -m tests.bench.calibration_letters` on {measured}, `{reader}`).
Told is what was printed right, or weighed so that `misreadings` tells it. A letter told less than
{covered:.0%} of the time is outside coverage: {unread}.
"""

OUTSIDE = """
## Outside coverage

{pictures} posters whose texts the reader does not cover ({locales}), each as a first picture of a local and
of a hosted engine under every policy: {decisions} verdicts, of which {accepted} accepted, {escalated}
escalated, rolled again or composed, ${charged:.2f} charged.
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One target, whether it was met, and by which figure."""

    target: str
    measured: str
    met: bool


def checks(found: Figures) -> list[Check]:
    """The issue's targets."""
    versus, clean, outside = found["held_out"]["versus"], found["clean"], found["outside"]
    return [
        Check(
            f"held out, AUC of clean against defective at least {AUC_ASKED}",
            f"{_span(versus['ours'])}; uncovered posters too: {_span(found['held_out']['all']['auc'])}",
            versus["ours"][0] >= AUC_ASKED,
        ),
        Check(
            "held out, lead over the best of five formulas above 0",
            _span(versus["lead"], "+.3f"),
            versus["lead"][1] > 0,
        ),
        Check(
            f"clean composed posters, at least {CLEAN_ASKED:.0%} accepted",
            f"{clean['hits']} of {clean['count']}",
            clean["share"][0] >= CLEAN_ASKED,
        ),
        Check(
            "outside coverage, none accepted, escalated or charged",
            f"{outside['accepted']}, {outside['escalated']}, ${outside['charged_usd']:.2f}",
            not (outside["accepted"] or outside["escalated"] or outside["charged_usd"]),
        ),
    ]


def write(path: Path, found: Figures) -> None:
    """The page at `path` and its pictures beside it."""
    stem = path.with_suffix("")
    path.with_name(f"{stem.name}-curves.png").write_bytes(calibration_chart.curves(found))
    sketches = (*tuning_set(), *held_out_set())
    path.with_name(f"{stem.name}-flaws.png").write_bytes(calibration_chart.flaw_sheet(sketches))
    path.write_text(page(found), "utf-8")


def page(found: Figures) -> str:
    """Markdown."""
    held_out, clean, outside = found["held_out"], found["clean"], found["outside"]
    fonts = sorted({face for sketch in held_out_set() for face in sketch.faces})
    parts = [
        HEAD.format(
            version=found["version"],
            reader=found["reader"],
            checks=_table(
                ("check", "measured", "met"),
                ((c.target, c.measured, "yes" if c.met else "**no**") for c in checks(found)),
            ),
            fonts=", ".join(fonts),
        ),
        CURVES,
        _versus(held_out["versus"]),
        _sets(found),
        THRESHOLDS.format(pure=PURE, prior=found["prior"]),
        _thresholds(found["thresholds"]),
        _wrongly_accepted(held_out["accepted_wrong"]),
        CLEAN.format(
            count=clean["count"],
            prompts=clean["prompts"],
            hits=clean["hits"],
            share=_span(clean["share"]),
            kept=clean["prompts"] / (clean["prompts"] + len(clean["left_out"])),
            left_out="; ".join(f"{e['id']} ({', '.join(e['texts'])})" for e in clean["left_out"]) or "none",
        ),
        _refused(clean["refused"]),
        LETTERS.format(
            measured=found["letters"]["measured"],
            reader=found["letters"]["reader"],
            covered=COVERED,
            unread=", ".join(
                f"{letter} {told} of {count}" for letter, count, told in found["letters"]["unread"]
            ),
        ),
        OUTSIDE.format(
            pictures=outside["pictures"],
            locales=", ".join(f"{name} {count}" for name, count in outside["locales"].items()),
            decisions=outside["decisions"],
            accepted=outside["accepted"],
            escalated=outside["escalated"],
            charged=outside["charged_usd"],
        ),
    ]
    return "\n".join(part.strip("\n") + "\n" for part in parts if part)


def _versus(versus: Figures) -> str:
    scripts = list(versus["by_script"])
    rows = []
    for name, value in [("ours", versus["ours"]), *versus["formulas"].items()]:
        values = (versus["by_script"][script][name][0] for script in scripts)
        rows.append((name, _span(value), *(f"{each:.3f}" for each in values)))
    return _table(("AUC", "all", *scripts), rows)


def _sets(found: Figures) -> str:
    rows = []
    for name in ("tuning", "held_out"):
        each = found[name]
        scripts = ", ".join(
            f"{script} {share['hits']}/{share['count']}" for script, share in each["clean_by_script"].items()
        )
        briers = each["brier"]
        best = min(briers[formula] for formula in briers if formula != "ours")
        rows.append(
            (
                name.replace("_", " "), str(each["posters"]), str(each["pictures"]), _span(each["auc"]),
                scripts, f"{briers['ours']:.3f}", f"{best:.3f}",
            )
        )  # fmt: skip
    head = ("set", "posters", "pictures", "AUC", "clean accepted", "Brier, ours", "best formula's")
    return f"{_table(head, rows)}\n{_uncovered(found)}\n"


def _uncovered(found: Figures) -> str:
    """Which posters a reader cannot judge, and what the AUC would be with them."""
    said = []
    for name in ("tuning", "held_out"):
        every = found[name]["all"]
        texts = [text for each in every["uncovered"] for text in each["texts"]]
        said.append(
            f"{name.replace('_', ' ')}: {len(every['uncovered'])} of {every['posters']} posters"
            f"{' (' + ', '.join(texts) + ')' if texts else ''}, AUC with them {_span(every['auc'])}"
        )
    return f"Posters with a text outside coverage are in none of these figures. Left out {'; '.join(said)}."


def _thresholds(found: Figures) -> str:
    rows = [("standing", found["standing"]), ("standing, held out", found["standing_held_out"])]
    if found["chosen"]:
        rows += [("by the rule", found["chosen"]), ("by the rule, held out", found["chosen_held_out"])]
    else:
        best = max(
            found["rows"],
            key=lambda row: (row["purity"][0], -row["refused"][0], row["score"], row["text"]),
        )
        rows.append(("purest there is", best))
    table = _table(
        ("", "score", "each text", "truly right of accepted", "right ones refused", "composed accepted"),
        (
            (
                name, f"{row['score']:g}", f"{row['text']:g}",
                _percent(row["purity"]), _percent(row["refused"]),
                f"{row['composed']['hits']} of {row['composed']['count']}",
            )
            for name, row in rows
        ),
    )  # fmt: skip
    return f"{table}\n{_conclusion(found)}\n"


def _conclusion(found: Figures) -> str:
    chosen = found["chosen"]
    if chosen is None:
        purest = max(row["purity"][0] for row in found["rows"])
        return (
            f"No pair of least values makes {PURE:.0%} of the accepted truly right: the purest comes to "
            f"{purest:.1%}, because some flaws leave a reading without a fault (below)."
        )
    if (chosen["score"], chosen["text"]) == (DEFAULT.score, DEFAULT.text):
        return f"`acceptance.DEFAULT` ({DEFAULT.score:g}, {DEFAULT.text:g}) stands."
    return (
        f"By the rule `acceptance.DEFAULT` ({DEFAULT.score:g}, {DEFAULT.text:g}) should be "
        f"({chosen['score']:g}, {chosen['text']:g})."
    )


def _wrongly_accepted(wrong: Sequence[Figures]) -> str:
    if not wrong:
        return "\nNo defective held-out poster was accepted.\n"
    rows = ((each["name"], f"{each['score']:.3f}", " / ".join(each["read"])) for each in wrong)
    table = _table(("poster, flaw", "score", "read"), rows)
    return f"\nDefective held-out posters that were accepted:\n\n{table}"


def _refused(refused: Sequence[Figures]) -> str:
    rows = (
        (
            each["id"], each["locale"], f"{each['style']}, {each['size']}",
            "; ".join(f"{meant} → {read or '(nothing)'}" for meant, read in each["misread"])
            or "extra: " + ", ".join(each["extra"]),
        )
        for each in refused
    )  # fmt: skip
    return _table(("refused", "locale", "look", "was to be → was read"), rows) if refused else ""


def _span(found: Sequence[float], form: str = ".3f") -> str:
    return f"{found[0]:{form}} ({found[1]:{form}} to {found[2]:{form}})"


def _percent(found: Sequence[float]) -> str:
    return f"{found[0]:.1%} ({found[1]:.1%} to {found[2]:.1%})"


def _table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return (
        "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        + "\n"
    )
