"""review: people judge the line's pictures, and are compared with what the line said of them."""

from __future__ import annotations

import asyncio
import datetime as dt
import getpass
import signal
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import click
from click.core import ParameterSource

from schemas.events import Status
from streams.commands.choices import opened_store
from streams.commands.terminal import echo_json, safe
from streams.commands.verb import WITH_BROKER, App, Failure, VerbGroup, pass_app, subverb
from streams.runtime.errors import EXIT_USAGE
from streams.settings import Settings

if TYPE_CHECKING:
    from inference.assets import AssetStore
    from inference.reviews.pictures import Picture
    from streams.reviewing.picking import Choice
    from streams.reviewing.session import Session

STATUSES: tuple[str, ...] = get_args(Status)
LONGEST_NAME = 200
# So many pictures are looked for before the asset store is called the wrong one.
LOOKED_UP = 20
_GLOBAL = frozenset({"config", "bootstrap", "topic_prefix", "assets", "debug"})


@dataclass(frozen=True, slots=True)
class Page:
    """How the page is served. With `sighted` engine, score and price are shown before the judgement."""

    port: int
    opened: bool
    sighted: bool


@click.group("review", cls=VerbGroup, invoke_without_command=True, subcommand_metavar="[compare]")
@click.option("--reviewer", metavar="NAME", help="Who judges; default: the user's name on this machine.")
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="N pictures, chosen by the seed.")
@click.option(
    "--only",
    "statuses",
    type=click.Choice(STATUSES),
    metavar="STATUS",
    multiple=True,
    help=f"Only finals of this status. Repeatable. {', '.join(STATUSES)}.",
)
@click.option("--engine", "engines", multiple=True, help="Only pictures by this engine. Repeatable.")
@click.option("--previews", is_flag=True, help="Pictures that are no finals too.")
@click.option("--seed", type=int, default=0, show_default=True, help="Chooses the sample and the order.")
@click.option(
    "--again", is_flag=True, help="Ask for what this reviewer has judged before, too; that is blind no more."
)
@click.option("--sighted", is_flag=True, help="Show engine, score and price before the judgement.")
@click.option("--open", "opened", is_flag=True, help="Open the page in a browser.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="On 127.0.0.1; default: a free one.")
@click.pass_context
def command(
    context: click.Context,
    reviewer: str | None,
    sample: int | None,
    statuses: tuple[str, ...],
    engines: tuple[str, ...],
    previews: bool,
    seed: int,
    again: bool,
    sighted: bool,
    opened: bool,
    port: int,
) -> None:
    """Judge pictures on a local page, or compare people with the line.

    Serves a page on 127.0.0.1 that shows finished pictures one at a time, shuffled, without engine, score or
    price; its address is on standard output. Each judgement is written to `reviews` at once. What the
    reviewer has judged before is left out, so a session that was broken off goes on. Ctrl-C ends it.
    """
    if context.invoked_subcommand is not None:
        _refuse_own_options(context)
        return
    if previews and statuses:
        raise click.UsageError("--only takes finals, and --previews asks for others too; leave one out")
    from streams.reviewing.picking import Choice

    choice = Choice(
        reviewer=_name(reviewer),
        previews=previews,
        statuses=frozenset(statuses),
        engines=frozenset(engines),
        sample=sample,
        seed=seed,
        again=again,
    )
    app = context.ensure_object(App)
    asyncio.run(_review(app.settings(), choice, Page(port, opened, sighted)))


command.examples = (
    "glyphstream review --open",
    "glyphstream review --reviewer dana --sample 50 --seed 1",
    "glyphstream review --only needs_review --engine sd3.5_local",
    "glyphstream review compare",
)
command.exits = WITH_BROKER


@subverb(
    command,
    "compare",
    examples=(
        "glyphstream review compare",
        "glyphstream review compare --blind --json",
        "glyphstream review compare --reviewer dana --reviewer lee",
    ),
    exits=WITH_BROKER,
)
@click.option("--reviewer", "reviewers", multiple=True, help="Only what this person said. Repeatable.")
@click.option("--blind", is_flag=True, help="Only what was said before score and engine were shown.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the intervals' resampling."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_app
def compare(app: App, reviewers: tuple[str, ...], blind: bool, seed: int, as_json: bool) -> None:
    """Compare people with each other and with the line.

    Joins `reviews` with `results` by render id. Each reviewer's last word on a picture counts, and most
    people's word is people's. Intervals are 95 %, over prompts.
    """
    import numpy as np

    from inference.reviews.comparison import compare as compared
    from streams.reviewing.records import read

    held = asyncio.run(read(app.settings()))
    _check_known(reviewers, {review.reviewer for review in held.reviews})
    reviews = [
        review
        for review in held.reviews
        if (not reviewers or review.reviewer in reviewers) and (review.seen_blind or not blind)
    ]
    told = compared(held.pictures, reviews, np.random.default_rng(seed))
    if as_json:
        from streams.reviewing.telling import as_mapping

        echo_json(as_mapping(told))
    else:
        from streams.reviewing.telling import tell

        tell(told)


def _check_known(asked: Sequence[str], known: Collection[str]) -> None:
    """Raises:
    Failure: one of those asked for has judged nothing; the text lists those who have.
    """
    for name in asked:
        if name not in known:
            there = ", ".join(map(safe, sorted(known))) or "nobody"
            raise Failure(
                f"--reviewer: {safe(name)} has judged nothing; there are reviews by {there}",
                exit_code=EXIT_USAGE,
            )


def _refuse_own_options(context: click.Context) -> None:
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and name not in _GLOBAL:
            raise click.UsageError(
                f"{parameter.opts[0]} belongs to `review` alone; "
                f"put options of {context.invoked_subcommand!r} after its name"
            )


def _name(given: str | None) -> str:
    """Raises:
    UsageError: there is no name, it is too long, or not text.
    """
    if given is None:
        try:
            given = getpass.getuser()
        except (OSError, KeyError) as error:
            raise click.UsageError("--reviewer: this user has no name here; give one") from error
    name = given.strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise click.UsageError(
            f"--reviewer: {given!r:.40} has {len(name)} characters; give 1 to {LONGEST_NAME}"
        )
    if name != name.encode("utf-8", "replace").decode():
        raise click.UsageError(f"--reviewer: {given!r} is no UTF-8; give a name that is")
    return name


async def _review(settings: Settings, choice: Choice, page: Page) -> None:
    from streams.reviewing.picking import pick
    from streams.reviewing.records import open_writer, read
    from streams.reviewing.session import Session, turns

    store = opened_store(settings)
    held = await read(settings)
    given = turns(held.reviews, choice.reviewer)
    picked = pick(held.pictures.values(), given, choice)
    if not picked.pictures:
        _tell(_nothing(len(held.pictures), picked.judged, choice.reviewer))
        return
    await _check_store(store, picked.pictures[:LOOKED_UP])

    def now() -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    async with open_writer(settings, now) as writer:
        session = Session(choice.reviewer, picked.pictures, given, writer.write, sighted=page.sighted)
        left_out = f", {picked.judged} judged before and left out" if picked.judged else ""
        kind = "sighted" if page.sighted else "blind"
        _tell(f"{len(picked.pictures)} pictures for {safe(choice.reviewer)}, {kind}{left_out}")
        await _serve(session, store, page)
    left = len(picked.pictures) - session.judged
    _tell(f"{session.judged} judged, {left} left; `glyphstream review compare` tells how far all agree")


async def _serve(session: Session, store: AssetStore, page: Page) -> None:
    from streams.reviewing.serving import PageServer, PortTaken

    def ready(address: str) -> None:
        click.echo(address)
        _tell("open the address in a browser on this machine; Ctrl-C ends")
        if page.opened:
            click.launch(address)

    try:
        server = PageServer(session, store, port=page.port)
    except PortTaken as error:
        raise Failure(str(error)) from error
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, server.stop)
    await server.run(ready)


async def _check_store(store: AssetStore, pictures: Sequence[Picture]) -> None:
    """A store that lacks all of `pictures` is the wrong one; a single one may have been lost.

    Raises:
        Failure: says where the first of them should be.
    """
    from inference.assets import AssetError

    lost: list[AssetError] = []
    for picture in pictures:
        try:
            await store.get(picture.image)
        except AssetError as error:
            lost.append(error)
        else:
            return
    raise Failure(f"{lost[0]}; is --assets the store that the line writes to?") from lost[0]


def _nothing(pictures: int, judged: int, reviewer: str) -> str:
    if not pictures:
        return "nothing to judge: there are no pictures in `results` yet"
    if judged:
        return f"nothing left to judge: {safe(reviewer)} has judged all {judged}; --again asks once more"
    return f"nothing to judge: none of {pictures} pictures is what --only, --engine and --previews ask for"


def _tell(message: str) -> None:
    click.echo(f"review: {message}", err=True)
