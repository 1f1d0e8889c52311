"""route explain --policy expected: what is known, what each step would cost, and what is chosen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from schemas.events import LIVE_RUN, PromptEvent, PromptRef, Spec
from streams.commands.terminal import safe
from streams.commands.verb import App, Failure
from streams.runtime.errors import EXIT_UNREACHABLE, EXIT_USAGE

if TYPE_CHECKING:
    from streams.routing.expected.advising import Advisor, Considered
    from streams.routing.expected.deciding import Tried
    from streams.routing.expected.remembering import Memory
    from streams.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """`considered` is None for a prompt that is set in type by its tag: nothing is reckoned for it."""

    event: PromptEvent
    variant: int
    spec: Spec
    considered: Considered | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """`origin` says whose rates these are."""

    advisor: Advisor
    origin: str
    tries: Sequence[Tried]

    def explained(self, event: PromptEvent) -> Iterator[Explained]:
        """One for each final that the prompt asks for."""
        from streams.routing.fanout import specs

        for variant, spec in specs(event):
            ref = PromptRef(event.source, event.id, variant, LIVE_RUN)
            considered = (
                None
                if "layout-only" in spec.tags
                else self.advisor.considered(ref, spec, event.budget_usd, self.tries)
            )
            yield Explained(event=event, variant=variant, spec=spec, considered=considered)

    def as_mapping(self, told: Explained) -> dict[str, object]:
        from streams.routing.expected.explaining import mapping

        named: dict[str, object] = {
            "source": told.event.source,
            "id": told.event.id,
            "variant": told.variant,
            "locale": told.spec.locale,
            "seed": told.spec.seed,
            "policy": self.advisor.label,
            "rates_from": self.origin,
        }
        found = told.considered
        if found is None:
            chosen = {"step": "draw", "engine": "layout", "expected_usd": None}
            return named | {"chosen": chosen, "reason": "tag layout-only"}
        digest = {"rates_digest": found.snapshot.digest, "results_seen": dict(found.snapshot.seen)}
        purse = found.snapshot.purse
        return named | digest | mapping(self.advisor.policy, found.question, found.decision, purse)

    def as_text(self, told: Explained) -> str:
        from streams.routing.expected.explaining import lines

        event, spec, found = told.event, told.spec, told.considered
        head = (
            f"{safe(event.source)}/{safe(event.id)} v{told.variant} {spec.locale}, "
            f"{spec.width}x{spec.height}, seed {spec.seed}"
        )
        if found is None:
            return f"{head}\n  => layout: tag layout-only\n"
        rates = f"rates {found.snapshot.digest}, {self.origin}"
        offered = ", ".join(_offered(offer.engine, offer.emulated) for offer in found.question.offers)
        body = lines(self.advisor.policy, found.question, found.decision, found.snapshot.purse)
        told_lines = [f"{rates}; can be called here: {offered or 'nothing'}", *map(safe, body)]
        return "\n".join([head, *(f"  {line}" for line in told_lines), ""])


@contextlib.contextmanager
def explainer(app: App, settings: Settings, after: Sequence[str]) -> Iterator[Explainer]:
    """Explains by what the ledger's database holds, or by the published rates where it holds nothing.

    Raises:
        Failure: a try of `after` is none, or the database does not answer.
    """
    from inference.engines.ledger import LedgerError, LedgerMissing, LedgerUnavailable
    from inference.engines.registry import load_registry
    from streams.advice import advisor_of
    from streams.drawing import engines_of
    from streams.models import local_models
    from streams.routing.expected.keeping import Kept
    from streams.routing.expected.remembering import Forgetful

    registry = load_registry()
    engines = engines_of(settings, registry, local_models(settings, registry), app.env)
    memory: Memory = Forgetful()
    origin = "as published: nothing was routed by this policy yet"
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: asyncio.run(engines.aclose()))
        try:
            kept = Kept(settings.ledger_address)
            stack.callback(kept.close)
            kept.look()
            memory, origin = kept, f"kept in {kept.name}"
        except LedgerMissing:
            pass
        except LedgerUnavailable as error:
            raise Failure(str(error), exit_code=EXIT_UNREACHABLE) from error
        except LedgerError as error:
            raise Failure(f"{error} (ledger, GLYPHSTREAM_LEDGER)", exit_code=EXIT_USAGE) from error
        advisor = advisor_of(settings, engines, memory)
        yield Explainer(advisor=advisor, origin=origin, tries=tuple(_tries(advisor, after)))


def _tries(advisor: Advisor, after: Sequence[str]) -> Iterator[Tried]:
    from streams.routing.expected.deciding import Ending, Tried

    endings: Mapping[str, Ending] = {ending: ending for ending in get_args(Ending)}
    engines = (*advisor.policy.engines, advisor.policy.compose.engine)
    for text in after:
        engine, _, ending = text.rpartition(":")
        if engine not in engines or ending not in endings:
            raise Failure(
                f"--after {text!r}: give ENGINE:ENDING, such as sd3.5_medium:near; engines are "
                f"{', '.join(engines)}; endings {', '.join(endings)}",
                exit_code=EXIT_USAGE,
            )
        yield Tried(engine, endings[ending])


def _offered(engine: str, emulated: bool) -> str:
    return f"{engine} (emulated)" if emulated else engine
