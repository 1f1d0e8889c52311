"""What a comparison says, as tables and as one mapping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from inference.bench.figures import Estimate
from inference.reviews.automatic import Automatic, Judged
from inference.reviews.comparison import Comparison
from inference.reviews.people import Agreement, People
from streams.commands.terminal import cells, console, table

NONE = "-"


def as_mapping(told: Comparison) -> dict[str, Any]:
    """JSON's own types; what was judged wrongly is named by prompt, render and picture."""
    found: dict[str, Any] = msgspec.to_builtins(told)
    if told.automatic is not None:
        for name in ("false_accepts", "false_rejects"):
            found["automatic"][name] = [_named(each) for each in getattr(told.automatic, name)]
    return found


def _named(each: Judged) -> dict[str, Any]:
    picture = each.picture
    return {
        "source": picture.ref.source,
        "id": picture.ref.id,
        "variant": picture.ref.variant,
        "render_id": picture.render_id,
        "engine": picture.engine,
        "emulated": picture.emulated,
        "score": each.score,
        "rating": each.rating,
        "uri": picture.image.uri,
    }


def tell(told: Comparison) -> None:
    """Everything that can be told, on standard output."""
    click.echo(_head(told))
    if not told.pictures:
        click.echo("nothing to compare yet: `glyphstream review` asks people")
        return
    _reviewers(told)
    _people(told.people)
    if told.automatic is None:
        click.echo("no picture has both a verdict of people and one of a reader")
        return
    _automatic(told.automatic)
    _wrong("Accepted, but people cannot read it", told.automatic.false_accepts)
    _wrong("Not accepted, but people can read it", told.automatic.false_rejects)
    click.echo(told.automatic.threshold.sentence)


def _head(told: Comparison) -> str:
    parts = [
        f"{told.reviews} reviews, {told.last_words} last words on {told.pictures} pictures of "
        f"{told.prompts} prompts"
    ]
    notes = (
        (told.emulated, "by an emulated engine"),
        (told.undecided, "without a decision (a tie, or nobody could tell)"),
        (told.unread, "that no reader could judge"),
    )
    parts += [f"{count} {note}" for count, note in notes if count]
    if told.unknown:
        parts.append(f"{told.unknown} renders that `results` does not hold any more are left out")
    return "; ".join(parts)


def _reviewers(told: Comparison) -> None:
    shown = table(
        "People", "REVIEWER", "PICTURES", "BLIND", "READABLE", "NOT", "MEDIAN S",
        right=("PICTURES", "BLIND", "READABLE", "NOT", "MEDIAN S"),
    )  # fmt: skip
    for each in told.reviewers:
        seconds = NONE if each.median_seconds is None else f"{each.median_seconds:.1f}"
        shown.add_row(*cells(each.name, each.pictures, each.blind, each.readable, each.unreadable, seconds))
    console().print(shown)


def _people(told: People) -> None:
    if told.readable is None and told.rating is None:
        click.echo("no two people have judged the same picture, so nothing is known of their agreement\n")
        return
    shown = table(
        "Between people", "", "PICTURES", "PAIRS", "SAME", "BEYOND CHANCE", right=("PICTURES", "PAIRS")
    )
    for name, each in (("readable", told.readable), ("score 1 to 5", told.rating)):
        if each is not None:
            shown.add_row(*cells(name, each.pictures, each.pairs, _percent(each.same), _alpha(each)))
    for pair in told.pairs:
        kappa = "kappa " + _plain(pair.kappa)
        shown.add_row(
            *cells(
                f"{pair.first}, {pair.second}: readable",
                pair.pictures,
                pair.pictures,
                _percent(pair.same),
                kappa,
            )
        )
    console().print(shown)


def _alpha(each: Agreement) -> str:
    return "alpha " + _plain(each.alpha)


def _automatic(told: Automatic) -> None:
    shown = table(
        f"Acceptance beside people, {told.pictures} pictures", "", "READABLE", "NOT", "RIGHT",
        right=("READABLE", "NOT"),
    )  # fmt: skip
    shown.add_row(
        *cells(
            "accepted", told.accepted_readable, told.accepted_unreadable, _percent(told.right_when_accepted)
        )
    )
    shown.add_row(
        *cells("not", told.rejected_readable, told.rejected_unreadable, _percent(told.right_when_rejected))
    )
    shown.add_row(*cells("both", "", "", _percent(told.agrees)))
    console().print(shown)
    click.echo(f"AUC of the score for readable        {_plain(told.auc)}")
    click.echo(f"Spearman of the score with 1 to 5    {_plain(told.spearman)}\n")
    bins = table("By score", "SCORE", "PICTURES", "READABLE", "MEAN 1-5", right=("PICTURES", "MEAN 1-5"))
    for each in told.bins:
        bins.add_row(
            *cells(
                f"{each.low:.2f}-{each.high:.2f}",
                each.pictures,
                _percent(each.readable),
                f"{each.rating:.1f}",
            )
        )
    console().print(bins)


def _wrong(title: str, pictures: Sequence[Judged]) -> None:
    if not pictures:
        return
    shown = table(title, "PROMPT", "ENGINE", "SCORE", "1-5", "PICTURE", right=("SCORE", "1-5"))
    for each in pictures:
        picture = each.picture
        prompt = f"{picture.ref.source}/{picture.ref.id} v{picture.ref.variant}"
        engine = f"{picture.engine}{' (emulated)' if picture.emulated else ''}"
        shown.add_row(*cells(prompt, engine, f"{each.score:.2f}", f"{each.rating:.1f}", picture.image.uri))
    console().print(shown)


def _percent(told: Estimate | None) -> str:
    return NONE if told is None else f"{told:.1%}"


def _plain(told: Estimate | None) -> str:
    """Of what has no value nothing varied: all said the same."""
    return "undefined: all the same" if told is None else f"{told:.2f}"
