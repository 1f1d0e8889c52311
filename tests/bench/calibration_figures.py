"""The figures of the calibration, from verdicts to a JSON document; the page is made from that."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inference.bench.statistics import Floats, Interval, wilson
from inference.legibility.acceptance import DEFAULT, Acceptance, passes
from inference.legibility.calibration.curves import Scored, auc, brier, gate, lead, reliability
from inference.legibility.calibration.flaws import FLAWS
from inference.legibility.calibration.formulas import FORMULAS
from inference.legibility.calibration.judging import Judgement, Verdict
from inference.legibility.measured import measured_when, unread_counts
from inference.legibility.score import SCORE_VERSION
from schemas.events import Attempt, PromptRef, RenderJob
from streams.routing.policy import POLICIES
from streams.routing.verdict import decide_verdict
from tests.bench.calibration_prompts import Composed, is_declared

SEED = 20261123
ROUNDS = 4_000
# Of a hundred pictures an engine hands over, so many are taken to be right.
PRIOR = 0.5
PURE = 0.99
SCORES = (0.7, 0.75, 0.8, 0.85, 0.88, 0.9, 0.92, 0.94, 0.96, 0.98, 1.0)
TEXTS = (0.8, 0.9, 0.95, 0.97, 0.98, 1.0)
ENGINES = ("sd3.5_local", "imagen4_remote")
LIST_USD = 0.04

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Read:
    """A composed poster and what its reading got."""

    composed: Composed
    judgement: Judgement


def figures(
    tuning: Sequence[Verdict], held_out: Sequence[Verdict], clean: Sequence[Read], outside: Sequence[Read]
) -> Figures:
    """Everything the page says, as plain JSON values."""
    known, unknown = covered(tuning), covered(held_out)
    return {
        "version": SCORE_VERSION,
        "prior": PRIOR,
        "tuning": {**_set(known), "all": _all(tuning)},
        "held_out": {**_set(unknown), "all": _all(held_out), "versus": _versus(unknown)},
        "thresholds": _thresholds(known, unknown, clean),
        "clean": {**_clean(clean), "left_out": _left_out(outside)},
        "outside": _outside(outside),
        "letters": dict(zip(("measured", "reader"), measured_when(), strict=True))
        | {"unread": unread_counts()},
    }


def covered(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The pictures of posters of which every text is within the reader's coverage."""
    return [each for each in verdicts if _is_judged(each.judgement)]


def _is_judged(judgement: Judgement) -> bool:
    return all(text.verdict != "unreadable_by_reader" for text in judgement.legibility.texts)


def _all(verdicts: Sequence[Verdict]) -> Figures:
    """What no coverage leaves out: every picture by the score it got, none being 0."""
    outside = [each for each in verdicts if not _is_judged(each.judgement)]
    return {
        "posters": len({each.trial.sketch.name for each in verdicts}),
        "auc": _interval(auc(_scored(judged_wrong_or_clean(verdicts)), _random(), rounds=ROUNDS)),
        "uncovered": [
            {"name": name, "texts": list(dict.fromkeys(texts))}
            for name, texts in _unread((e.trial.sketch.name, e.judgement) for e in outside).items()
        ],
    }


def _left_out(outside: Sequence[Read]) -> list[Figures]:
    """The prompts in scripts that the list declares, with the texts that the reader does not cover."""
    declared = [each for each in outside if is_declared(each.composed.event)]
    locales = {each.composed.event.id: each.composed.event.locale for each in declared}
    return [
        {"id": name, "locale": locales[name], "texts": list(dict.fromkeys(texts))}
        for name, texts in _unread((e.composed.event.id, e.judgement) for e in declared).items()
    ]


def _unread(judged: Iterable[tuple[str, Judgement]]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, judgement in judged:
        found[name] += [t.text for t in judgement.legibility.texts if t.verdict == "unreadable_by_reader"]
    return found


def judged_wrong_or_clean(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Without the flaws that a person would let pass: clean against defective."""
    return [each for each in verdicts if each.trial.flaw is None or not each.trial.flaw.legible]


def _set(verdicts: Sequence[Verdict]) -> Figures:
    main = judged_wrong_or_clean(verdicts)
    clean = [each for each in verdicts if each.trial.flaw is None]
    return {
        "posters": len({each.trial.sketch.name for each in verdicts}),
        "pictures": len(verdicts),
        "clean": _share([each.judgement.accepted for each in clean]),
        "clean_by_script": {
            script: _share([e.judgement.accepted for e in clean if e.trial.sketch.script == script])
            for script in dict.fromkeys(e.trial.sketch.script for e in clean)
        },
        "auc": _interval(auc(_scored(main), _random(), rounds=ROUNDS)),
        "flaws": [_flaw(verdicts, clean, flaw.name) for flaw in FLAWS],
        "reliability": [
            {"low": b.low, "high": b.high, "count": b.count, "score": b.score, "right": b.right}
            for b in reliability(_scored(verdicts))
        ],
        "brier": {
            "ours": brier(_scored(verdicts), _shares(verdicts)),
            **{name: brier(_scored(verdicts, name), _shares(verdicts)) for name in FORMULAS},
        },
        "accepted_wrong": [
            {
                "name": e.trial.name,
                "score": e.judgement.score,
                "read": [t.read for t in e.judgement.legibility.texts],
            }
            for e in verdicts
            if e.judgement.accepted and not e.trial.right
        ],
    }


def _flaw(verdicts: Sequence[Verdict], clean: Sequence[Verdict], name: str) -> Figures:
    flaw = next(flaw for flaw in FLAWS if flaw.name == name)
    bad = [each for each in verdicts if each.trial.flaw == flaw]
    # Even where a person lets it pass, the question is how far it can be told from clean.
    scored = _scored(clean) + [Scored(e.trial.sketch.name, False, e.judgement.score) for e in bad]
    return {
        "name": name,
        "kind": flaw.kind,
        "severity": flaw.severity,
        "says": flaw.says,
        "legible": flaw.legible,
        "pictures": len(bad),
        "auc": _interval(auc(scored, _random(), rounds=ROUNDS)),
        "accepted": sum(each.judgement.accepted for each in bad),
    }


def _versus(verdicts: Sequence[Verdict]) -> Figures:
    main = judged_wrong_or_clean(verdicts)
    ours, others, ahead = lead(
        _scored(main), {name: _scored(main, name) for name in FORMULAS}, _random(), rounds=ROUNDS
    )
    by_script = {}
    for script in dict.fromkeys(each.trial.sketch.script for each in main):
        part = [each for each in main if each.trial.sketch.script == script]
        by_script[script] = {
            "ours": _interval(auc(_scored(part), _random(), rounds=ROUNDS)),
            **{name: _interval(auc(_scored(part, name), _random(), rounds=ROUNDS)) for name in FORMULAS},
        }
    return {
        "ours": _interval(ours),
        "formulas": {name: _interval(value) for name, value in others.items()},
        "lead": _interval(ahead),
        "by_script": by_script,
    }


def _thresholds(tuning: Sequence[Verdict], held_out: Sequence[Verdict], clean: Sequence[Read]) -> Figures:
    rows = [_threshold(Acceptance(score, text), tuning, clean) for score in SCORES for text in TEXTS]
    able = [row for row in rows if row["purity"][0] >= PURE]
    # Where strictness costs nothing, the stricter pair.
    chosen = min(
        able,
        key=lambda row: (row["refused"][0], -row["purity"][0], -row["score"], -row["text"]),
        default=None,
    )
    standing = _threshold(DEFAULT, tuning, clean)
    return {
        "rows": rows,
        "standing": standing,
        "standing_held_out": _threshold(DEFAULT, held_out, clean),
        "chosen": chosen,
        "chosen_held_out": chosen
        and _threshold(Acceptance(chosen["score"], chosen["text"]), held_out, clean),
    }


def _threshold(acceptance: Acceptance, verdicts: Sequence[Verdict], clean: Sequence[Read]) -> Figures:
    found = gate(
        [each.trial.sketch.name for each in verdicts],
        [each.trial.right for each in verdicts],
        [passes(each.judgement.legibility, acceptance) for each in verdicts],
        _random(),
        prior=PRIOR,
        rounds=ROUNDS,
    )
    taken = [passes(each.judgement.legibility, acceptance) for each in clean]
    return {
        "score": acceptance.score,
        "text": acceptance.text,
        "purity": _interval(found.purity),
        "refused": _interval(found.refused),
        "composed": _share(taken),
    }


def _clean(clean: Sequence[Read]) -> Figures:
    return {
        **_share([each.judgement.accepted for each in clean]),
        "prompts": len({each.composed.event.id for each in clean}),
        "refused": [
            {
                "id": each.composed.event.id,
                "locale": each.composed.event.locale,
                "style": each.composed.style or "the prompt's own",
                "size": f"{each.composed.spec.width}x{each.composed.spec.height}",
                "score": each.judgement.legibility.score,
                "misread": [
                    [text.text, text.read]
                    for text in each.judgement.legibility.texts
                    if text.verdict != "read"
                ],
                "extra": list(each.judgement.legibility.extra),
            }
            for each in clean
            if not each.judgement.accepted
        ],
    }


def _outside(outside: Sequence[Read]) -> Figures:
    """What the verdict does with each, for a local and a hosted first attempt, under every policy."""
    actions: Counter[str] = Counter()
    spent = 0.0
    for each in outside:
        for engine in ENGINES:
            for policy in POLICIES.values():
                attempt = Attempt(
                    ordinal=0, purpose="final", engine=engine, outcome="rendered",
                    legibility=each.judgement.legibility,
                )  # fmt: skip
                job = RenderJob(
                    ref=PromptRef(source=each.composed.event.source, id=each.composed.event.id),
                    spec=each.composed.spec, engine=engine, purpose="final", ordinal=0, route="calibration",
                    reason="", policy=policy.label,
                )  # fmt: skip
                verdict = decide_verdict(job, [attempt], policy, lambda _: LIST_USD)
                actions[verdict.action] += 1
                spent += LIST_USD if verdict.engine else 0.0
    return {
        "pictures": len(outside),
        "locales": dict(Counter(each.composed.event.locale for each in outside)),
        "decisions": sum(actions.values()),
        "actions": dict(actions),
        "accepted": actions["accept"] + actions["polish"],
        "escalated": actions["escalate"] + actions["reroll"] + actions["compose"],
        "charged_usd": spent,
    }


def _scored(verdicts: Sequence[Verdict], formula: str | None = None) -> list[Scored]:
    return [each.scored(formula) for each in verdicts]


def _shares(verdicts: Sequence[Verdict]) -> Floats:
    """Weights under which right pictures are the prior's share of all."""
    right = np.array([each.trial.right for each in verdicts])
    weights: Floats = np.where(right, PRIOR / right.sum(), (1 - PRIOR) / (~right).sum())
    return weights


def _share(hits: Sequence[bool]) -> Figures:
    found = wilson(sum(hits), len(hits))
    return {"hits": sum(hits), "count": len(hits), "share": _interval(found)}


def _interval(found: Interval) -> list[float]:
    return [round(found.value, 5), round(found.low, 5), round(found.high, 5)]


def _random() -> np.random.Generator:
    return np.random.default_rng(SEED)
