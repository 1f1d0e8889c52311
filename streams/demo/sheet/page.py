"""The contact sheet in both forms: a PNG to look at, an HTML page to look into."""

from __future__ import annotations

import asyncio
import html
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from inference.assets import AssetStore
from schemas.events import Asset, PromptEvent, Result
from streams.demo.figures import Share, Yardstick
from streams.demo.sheet.cards import Card, Side, cards
from streams.demo.sheet.drawing import Masthead, contact_sheet
from streams.demo.workplace import Workplace

_STYLE = """
body{margin:0;padding:3rem;background:#f1efe9;color:#181a1f}
body{font:15px/1.45 Rubik,"Noto Sans",system-ui,sans-serif}
h1{margin:0;font-size:2.6rem}header p{margin:.2rem 0;color:#707278}
main{display:flex;flex-wrap:wrap;gap:1.5rem;margin-top:2rem;align-items:flex-start}
article{background:#fff;border-radius:12px;padding:1.1rem;box-shadow:0 1px 2px #0002}
h2{margin:0;font-size:1.1rem}article p{margin:.2rem 0 .7rem;color:#707278;max-width:38rem;font-size:.85rem}
.pair{display:flex;gap:1rem}figure{margin:0;width:17rem}img{width:100%;display:block}
.none{background:#f1efe9;padding:5rem 1rem;text-align:center;color:#707278}
figcaption{color:#707278;font-size:.85rem}ul{margin:.3rem 0;padding:0;list-style:none}
.read{color:#147a4a}.missed{color:#c4262e;text-decoration:line-through}.unreadable_by_reader{color:#808288}
small{color:#707278;margin-inline-start:.6rem}
"""


EMULATED = "What says emulated: scripted delays, misspellings by dice, list prices nobody paid."


async def draw_sheet(
    place: Workplace,
    store: AssetStore,
    prompts: Sequence[PromptEvent],
    finals: Sequence[Result],
    measured: Yardstick,
) -> None:
    """Writes both forms into the demo's folder."""
    drawn = tuple(cards(prompts, finals))
    head = masthead(prompts, finals, measured)
    shown = {side.image.sha256: side.image for card in drawn for side in card.sides if side.image is not None}
    pictures = {sha256: await store.get(asset) for sha256, asset in shown.items()}
    png = await asyncio.to_thread(contact_sheet, head, drawn, pictures)
    _replace(place.sheet, png)
    _replace(place.page, as_html(head, drawn, place.page.parent).encode())


def masthead(prompts: Sequence[PromptEvent], finals: Sequence[Result], measured: Yardstick) -> Masthead:
    engines = {attempt.engine for final in finals for attempt in final.attempts}
    pictures = sum(attempt.pictures is not None for final in finals for attempt in final.attempts)
    emulated = any(attempt.emulated for final in finals for attempt in final.attempts)
    money = "-" if measured.usd_per_1000 is None else f"${measured.usd_per_1000:.0f}"
    return Masthead(
        line=f"{len(prompts)} prompts, {len(finals)} finals, {pictures} pictures by {len(engines)} engines",
        figures=(
            (
                f"{_percent(measured.first_read)} → {_percent(measured.final_read)}",
                "texts read, first → final",
            ),
            (f"{measured.accepted} of {measured.finals}", "finals accepted"),
            (money, "for 1,000 finals" + (", list prices" if emulated else "")),
        ),
        note=EMULATED if emulated else "",
    )


def as_html(head: Masthead, drawn: Sequence[Card], folder: Path) -> str:
    """A page that needs nothing but the pictures beside it."""
    figures = " · ".join(f"<b>{html.escape(large)}</b> {html.escape(small)}" for large, small in head.figures)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>glyphstream contact sheet</title>'
        f"<style>{_STYLE}</style><header><h1>glyphstream</h1><p>{html.escape(head.line)}</p>"
        f"<p>{figures}</p><p>{html.escape(head.note)}</p></header>"
        f"<main>{''.join(_article(card, folder) for card in drawn)}</main></html>\n"
    )


def _article(card: Card, folder: Path) -> str:
    sides = "".join(_figure(side, folder) for side in card.sides)
    return (
        f"<article><h2>{html.escape(card.title)} · {html.escape(card.status)}</h2>"
        f"<p>{html.escape(card.route)}<br>{html.escape(card.reason)}</p>"
        f'<div class="pair">{sides}</div>'
        f"<p>{html.escape(card.foot)}</p></article>"
    )


def _figure(side: Side, folder: Path) -> str:
    score = "" if side.score is None else f" · {side.score:.2f}"
    picture = '<div class="none">no picture</div>'
    if side.image is not None:
        alt = html.escape(", ".join(word.text for word in side.words), quote=True)
        source = html.escape(link(side.image, folder), quote=True)
        picture = f'<img loading="lazy" src="{source}" alt="{alt}">'
    words = "".join(
        f'<li dir="auto"><span class="{word.verdict}">{html.escape(word.text)}</span>'
        + (f"<small>{html.escape(word.read)}</small>" if word.verdict == "missed" and word.read else "")
        + "</li>"
        for word in side.words
    )
    caption = html.escape(f"{side.label or 'first and final'} · {side.engine}{score}")
    return f"<figure>{picture}<figcaption>{caption}</figcaption><ul>{words}</ul></figure>"


def link(image: Asset, folder: Path) -> str:
    """Relative for a file, so that the folder can be moved; else the asset's own address."""
    parts = urlsplit(image.uri)
    if parts.scheme != "file":
        return image.uri
    return quote(Path(os.path.relpath(unquote(parts.path), folder)).as_posix())


def _percent(share: Share) -> str:
    return "-" if share.value is None else f"{share.value:.0%}"


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(data)
    fresh.replace(path)
