"""route explain: where a prompt would go, and why, case by case."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schemas.events import PromptEvent, Spec, Text
from streams.commands.choices import known_policy
from streams.commands.documents import FILE_OR_STDIN, checked_or_failure
from streams.commands.terminal import echo_json, safe
from streams.commands.verb import App, VerbGroup, pass_app, subverb
from streams.routing.policy import POLICY_NAMES, Policy

if TYPE_CHECKING:
    from inference.engines.registry import Registry
    from streams.routing.table import Route
    from streams.settings import Settings

_AFTER_HELP = "A try before it, for --policy expected: pass, near, far, refused or failed."

command = VerbGroup("route", help="Explain where a prompt would go, and why.")
command.examples = ("glyphstream route explain prompts/demo.jsonl",)


@dataclass(frozen=True, slots=True)
class Step:
    """One case of the table; `holds` is None where an earlier one had won already."""

    case: str
    holds: bool | None
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    variant: int
    spec: Spec
    steps: tuple[Step, ...]
    route: Route
    topic: str
    resolves_to: str


@subverb(
    command,
    "explain",
    examples=(
        "glyphstream route explain prompts/demo.jsonl --policy local-first",
        """echo '{"source":"me","id":"1","prompt":"\\"OPEN LATE\\""}' | glyphstream route explain -""",
        "glyphstream route explain prompts/demo.jsonl --policy expected --after sd3.5_medium:near",
    ),
)
@click.argument("file", type=FILE_OR_STDIN)
@click.option("--policy", help=f"One of {', '.join(POLICY_NAMES)}; default: the setting.")
@click.option("--after", multiple=True, metavar="ENGINE:ENDING", help=_AFTER_HELP)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each final.")
@pass_app
def explain(app: App, file: Path, policy: str | None, after: tuple[str, ...], as_json: bool) -> None:
    """Explain where each prompt of FILE would go: the table from its first case to the one that holds.

    The policy `expected` has no table: it tells what is known of each engine, what each step would cost to an
    accepted image on average, and which it takes. Nothing is sent, nothing is kept, and no broker is needed.
    One explanation for each variant and locale.
    """
    settings = app.settings(policy=policy)
    chosen = known_policy(settings)
    prompts = checked_or_failure(file).prompts
    if not isinstance(chosen, Policy):
        _explain_expected(app, settings, [placed.event for placed in prompts], after, as_json=as_json)
        return
    if after:
        raise click.UsageError("--after is for --policy expected; a table looks at no number")
    for placed in prompts:
        for explanation in explanations(placed.event, chosen):
            if as_json:
                echo_json(_as_mapping(placed.event, explanation, chosen))
            else:
                click.echo(_as_text(placed.event, explanation, chosen))


def _explain_expected(
    app: App, settings: Settings, events: Sequence[PromptEvent], after: Sequence[str], *, as_json: bool
) -> None:
    from streams.commands.route_expected import explainer

    with explainer(app, settings, after) as telling:
        for event in events:
            for told in telling.explained(event):
                if as_json:
                    echo_json(telling.as_mapping(told))
                else:
                    click.echo(telling.as_text(told))


def explanations(event: PromptEvent, policy: Policy) -> list[Explanation]:
    """One for each final that the prompt asks for."""
    from inference.engines.registry import load_registry
    from streams.routing.fanout import specs
    from streams.routing.table import decide_route
    from streams.stages.route import job_topic

    registry = load_registry()
    out = []
    for variant, spec in specs(event):
        route = decide_route(event, spec.texts, policy)
        out.append(
            Explanation(
                variant,
                spec,
                steps(event, policy),
                route,
                job_topic(route.engine).name,
                _resolution(registry, route.engine),
            )
        )
    return out


def steps(event: PromptEvent, policy: Policy) -> tuple[Step, ...]:
    """The cases of the table in their order, as they look for this prompt."""
    from streams.routing.table import SURE_ENOUGH

    sure = event.confidence or 0.0
    told = "absent, counts as 0" if event.confidence is None else f"{event.confidence:g}"
    tags = f"tags: {', '.join(event.tags)}" if event.tags else "no tags"
    precise = event.requires_typography_precision
    preview_why = f"fast_preview is {_yes(event.fast_preview)}"
    if policy.skip_preview:
        preview_why += f", but policy {policy.name} skips previews"
    cases = [Step("tag layout-only", "layout-only" in event.tags, tags)]
    if policy.preview_all:
        cases.append(Step(f"policy {policy.name} previews every prompt", True, "preview_all"))
    cases += [
        Step(
            f"requires_typography_precision and confidence < {SURE_ENOUGH}",
            precise and sure < SURE_ENOUGH,
            f"precision is {_yes(precise)}, confidence {told}",
        ),
        Step("fast_preview", event.fast_preview and not policy.skip_preview, preview_why),
        Step("otherwise, by tag: stylised, layout-heavy, else the best speller", True, tags),
    ]
    winner = next(index for index, case in enumerate(cases) if case.holds)
    return tuple(
        case if index <= winner else dataclasses.replace(case, holds=None) for index, case in enumerate(cases)
    )


def _resolution(registry: Registry, engine: str) -> str:
    from inference.engines.registry import EngineGone

    try:
        trail = registry.trail(engine, today=dt.datetime.now(dt.UTC).date())
    except EngineGone as error:
        return str(error)
    ended = [f"{entry.name} ended on {entry.not_after}" for entry in trail[:-1]]
    return trail[-1].name + (f" ({'; '.join(ended)})" if ended else "")


def _yes(value: bool) -> str:
    return "true" if value else "false"


def _as_mapping(event: PromptEvent, explanation: Explanation, policy: Policy) -> dict[str, object]:
    route, spec = explanation.route, explanation.spec
    return {
        "source": event.source,
        "id": event.id,
        "variant": explanation.variant,
        "locale": spec.locale,
        "seed": spec.seed,
        "policy": policy.label,
        "texts": [dataclasses.asdict(text) for text in spec.texts],
        "steps": [dataclasses.asdict(step) for step in explanation.steps],
        "route": route.name,
        "engine": route.engine,
        "resolves_to": explanation.resolves_to,
        "topic": explanation.topic,
        "purpose": route.purpose,
        "reason": route.reason,
    }


def _as_text(event: PromptEvent, explanation: Explanation, policy: Policy) -> str:
    spec, route = explanation.spec, explanation.route
    origin = "given in texts" if event.texts else "read from the prompt"
    marks = {True: "yes", False: "no", None: "-"}
    width = max(len(step.case) for step in explanation.steps)
    lines = [
        f"{safe(event.source)}/{safe(event.id)} v{explanation.variant} {spec.locale}, "
        f"{spec.width}x{spec.height}, seed {spec.seed}, policy {policy.label}",
        f"  expects {_texts(spec.texts)} ({origin})" if spec.texts else "  expects no words",
        *(f"  {step.case:<{width}}  {marks[step.holds]:<3}  {safe(step.why)}" for step in explanation.steps),
        f"  => {route.name}: {route.engine} on topic {explanation.topic}; {safe(route.reason)}",
        *([] if explanation.resolves_to == route.engine else [f"     resolves to {explanation.resolves_to}"]),
        "",
    ]
    return "\n".join(lines)


def _texts(texts: Sequence[Text]) -> str:
    return ", ".join(
        f'"{safe(text.text)}" {text.role}{" critical" if text.critical else ""}' for text in texts
    )
