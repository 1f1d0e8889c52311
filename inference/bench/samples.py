"""One picture of a bench, as it counts."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from inference.legibility.agreement import Agreement
from schemas.events import Dollars, Legibility, Outcome, PromptEvent, Render, Seed, Share
from schemas.ids import digest

Amount = Annotated[float, Meta(ge=0, le=1_000_000_000)]
Hex = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
Payee = Literal["hosted", "infrastructure"]

_SCRIPTS = {"CJK": "Han", "HIRAGANA": "Kana", "KATAKANA": "Kana"}
NO_SCRIPT = "none"


@dataclass(frozen=True, slots=True)
class Subject:
    """A prompt as the bench knows it. `digest` covers all that shapes its pictures and their judgement.

    `script` is that of most letters of its expected texts, "Kana" where any is, "none" without letters;
    `regions` how many texts there are.
    """

    id: str
    digest: Hex
    script: str
    regions: Annotated[int, Meta(ge=0)]

    @classmethod
    def of(cls, event: PromptEvent) -> Subject:
        texts = [[text.text, text.role, text.locale, text.critical] for text in event.texts]
        shaped = digest(
            "bench",
            event.prompt,
            texts,
            event.negative_prompt,
            [event.width, event.height],
            event.sampler,
            event.steps,
            None if event.guidance is None else float(event.guidance),
            event.locale,
            event.tags,
            # What a policy routes by, and stops for.
            [event.fast_preview, event.requires_typography_precision, event.confidence, event.budget_usd],
        )
        return cls(event.id, shaped, script_of(text.text for text in event.texts), len(event.texts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One picture drawn for the bench, or why there is none.

    `prompt` is the prompt's id, `digest` its `Subject.digest`. `accepted` is None where no reader can tell;
    where there is no picture it is False. Seconds and dollars are those of the drawing. `agreement` is there
    where two readers or more have read it; its disagreements name the picture by `image`.
    """

    engine: str
    prompt: str
    digest: Hex
    sample: Annotated[int, Meta(ge=0)]
    seed: Seed
    outcome: Outcome
    accepted: bool | None
    model: str = ""
    warm_up: bool = False
    seconds: Amount = 0.0
    usd_hosted: Dollars = 0.0
    usd_infrastructure: Dollars = 0.0
    score: Share | None = None
    recall: Share | None = None
    precision: Share | None = None
    critical_exact: bool | None = None
    emulated: bool = False
    render_id: str = ""
    image: Annotated[
        str, Meta(description="the asset's uri; in a file the way from it to what lies below")
    ] = ""
    score_version: str = ""
    reason: str = ""
    agreement: Agreement | None = None

    @property
    def rendered(self) -> bool:
        return self.outcome == "rendered"

    @property
    def usd(self) -> float:
        return self.usd_hosted + self.usd_infrastructure

    @property
    def pair(self) -> tuple[str, int]:
        """What another engine's sample shares with this one where both drew the same."""
        return self.digest, self.seed


def sample_of(
    render: Render,
    reading: Legibility | None,
    *,
    subject: Subject,
    sample: int,
    accepted: bool | None,
    paid_to: Payee,
    warm_up: bool = False,
) -> Sample:
    """The sample that `render` is; `accepted` is the verdict on `reading`, None where no reader covers it.

    Raises:
        ValueError: the picture was drawn before (its cost and time are not this run's), or a picture has no
            reading.
    """
    if render.cached:
        raise ValueError(f"render: {render.render_id!r} comes from the store; draw with no_cache")
    rendered = render.outcome == "rendered"
    if rendered and reading is None:
        raise ValueError(f"reading: none for the picture {render.render_id!r}; read it before it counts")
    read = reading if rendered else None
    return Sample(
        engine=render.job.engine,
        model=render.model,
        prompt=subject.id,
        digest=subject.digest,
        sample=sample,
        seed=render.job.spec.seed,
        outcome=render.outcome,
        accepted=accepted if rendered else False,
        warm_up=warm_up,
        seconds=render.seconds,
        usd_hosted=render.usd if paid_to == "hosted" else 0.0,
        usd_infrastructure=render.usd if paid_to == "infrastructure" else 0.0,
        score=read.score if read else None,
        recall=read.recall if read else None,
        precision=read.precision if read else None,
        critical_exact=read.critical_exact if read and read.score is not None else None,
        emulated=render.emulated,
        render_id=render.render_id,
        image=render.pictures.image.uri if render.pictures else "",
        score_version=read.version if read else "",
        reason=render.reason,
    )


def script_of(texts: Iterable[str]) -> str:
    """The script of most letters; "Kana" where any letter is kana, since Japanese mixes it with Han."""
    counted = Counter(_script(letter) for text in texts for letter in text if letter.isalpha())
    if not counted or counted["Kana"]:
        return "Kana" if counted else NO_SCRIPT
    return max(counted, key=lambda script: (counted[script], script))


def _script(letter: str) -> str:
    first = unicodedata.name(letter, "UNNAMED").split()[0].split("-")[0]
    return _SCRIPTS.get(first, first.capitalize())
