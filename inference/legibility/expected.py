"""Which words a picture must show, read out of its prompt when nobody said so."""

from __future__ import annotations

import functools
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import regex

from schemas.events import Role, Text

PARSER_VERSION: Final = "quotes-2"

MAX_TEXTS: Final = 40
MAX_CHARACTERS: Final = 500

# Opening mark -> the marks that may close it: German „…“, Polish „…”, Swedish ”…”, Danish »…«.
_PAIRS: Final[dict[str, str]] = {
    '"': '"',
    "“": "”",
    "”": "”",
    "„": '“”"',
    "＂": "＂",
    "«": "»",
    "»": "«",
    "‹": "›",
    "›": "‹",
    "「": "」",
    "『": "』",
    "《": "》",
    "｢": "｣",
    "﹁": "﹂",
    "﹃": "﹄",
    "〝": "〟〞",
    "❝": "❞",
    "`": "`",
    "'": "'",
    "‘": "’",
    "‚": "‘’",
}
_SINGLE: Final = frozenset("'‘‚")
# A closing mark that lost its partner is followed by a space; French « sets » one inside.
_SPACELESS: Final = frozenset("\"'‘‚”»›")

_ELISION: Final = regex.compile(r"'(?:\d0s?\b|\d\ds\b|n'|tis\b|twas\b|til\b|em\b|cause\b)", regex.IGNORECASE)
_CLAUSE_END: Final = regex.compile(r"[.,;!?\n。，；！？、]")
_CONNECTOR: Final = regex.compile(r"[\s,/&、]*(?:(?:or|nor|and|und|oder|et|ou|y|o)\b)?\s*", regex.IGNORECASE)

_WORDS: Final = (
    r"text|texts|words?|writing|lettering|letters|captions?|titles?|headlines?|slogans?|taglines?|labels?"
    r"|signs?|logos?|watermarks?|typography|phrases?"
)
_FILLER: Final = (
    rf"(?:(?:the|a|an|any|extra|other|additional|visible|{_WORDS}|that|which|says?|saying|reads?|reading|like"
    r"|such|as|including|containing|with)\b[\s:]*|:\s*)*"
)
# "no text except …" stays: "except" is no filler, so the negation does not reach the quote.
_NEGATED: Final = regex.compile(
    r"(?:\b(?:no|not|without|avoid(?:ing)?|exclud(?:e|ing)|omit(?:ting)?|remove|never|minus|instead\s+of|rather\s+than)"
    r"|\b(?:do|does|must|should)(?:\s+not|n['’]t)(?:\s+(?:show|write|include|add|contain|use|draw|render))?)"
    rf"\s+(?:(?:show|write|include|add|contain|use|draw|render)\s+)?{_FILLER}$",
    regex.IGNORECASE,
)
_MANNER: Final = regex.compile(
    r"(?:\bstyle\s+of|\bstyled\s+(?:like|after)|\binspired\s+by|\breminiscent\s+of|\b(?:font|typeface)(?:\s+(?:called|named))?:?)\s*$",
    regex.IGNORECASE,
)
_MANNER_AFTER: Final = regex.compile(r"\s*(?:font|typeface|style)\b", regex.IGNORECASE)

_CUES: Final[tuple[tuple[str, Role], ...]] = (
    (r"sub-?title|sub-?head(?:ing|line)?|second\s+line", "subtitle"),
    (r"tag-?line|slogan|motto", "tagline"),
    (r"title|headline|heading|header", "headline"),
    (r"price|price\s+tag", "price"),
    (r"dates?", "date"),
    (r"brand(?:\s+name)?|logo", "brand"),
    (r"button|call[\s-]to[\s-]action|cta", "cta"),
    (r"credits?|credit\s+block|small\s+print|fine\s+print|footer", "credits"),
    (r"body\s+(?:text|copy)|paragraph", "body"),
)
_ROLE: Final = tuple(
    (
        regex.compile(
            rf"\b(?:{words})\b[^\w]*(?:(?:that|which|text|of|is|says?|saying|reads?|reading)\b\W*)*$", regex.I
        ),
        role,
    )
    for words, role in _CUES
)
_BY_POSITION: Final[tuple[Role, ...]] = ("headline", "subtitle")

_KEYWORD_LINE: Final = regex.compile(
    r"(?:(?:^|[\n;.])\s*(?:title|headline|heading|text|caption|sub-?title|slogan|tag-?line)"
    r"|\b(?:saying|says|reads|reading))\s*[:=]\s*(?P<said>[^\n;,]+)",
    regex.IGNORECASE,
)
# Possessive, so that a long run of capitals costs linear time.
_KEYWORD_CAPITALS: Final = regex.compile(
    r"\b(?i:saying|says|reads|reading|titled|labell?ed)\s+"
    r"(?P<said>[\p{Lu}\p{Nd}$€£%&'’!?.:-]{2,}+(?!\p{Ll})(?:\s++[\p{Lu}\p{Nd}$€£%&'’!?.:-]++(?!\p{Ll}))*+)"
)
_ENTITY: Final = regex.compile(r"&(?:quot|apos|amp|[lr][ds]quo|[lr]aquo|#\d{2,6}|#x[0-9a-fA-F]{2,6});")
_ESCAPES: Final = {"n": " ", "t": " ", "r": " ", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class _Quote:
    """`prompt[start:end]` with its marks; `said` is what stands between them."""

    start: int
    end: int
    said: str


def expected_texts(prompt: str, explicit: Sequence[Text]) -> tuple[Text, ...]:
    """The texts a picture of `prompt` must show, in the order they are named.

    Explicit texts win. Else every quotation counts, whatever marks its language uses; apostrophes, inch
    marks, quotes after "no text" or "without the words", names of styles and of fonts do not. The same
    words twice are one text: a second mention points at the first. Where nothing is quoted, `title: …`
    and `saying OPEN NOW` count. Roles come from the word before the quote, else from the order.
    """
    if explicit:
        return tuple(explicit)
    prompt = _ENTITY.sub(lambda match: html.unescape(match[0]), prompt)
    found: dict[str, Text] = {}
    for said, before in _wanted(prompt):
        text = " ".join(said.split())
        if 0 < len(text) <= MAX_CHARACTERS and any(c.isalnum() for c in text) and len(found) < MAX_TEXTS:
            found.setdefault(text.casefold(), Text(text, _role(before, len(found))))
    return tuple(found.values())


def _wanted(prompt: str) -> Iterator[tuple[str, str]]:
    """What is to be written, each with the words that lead up to it."""
    quotes = tuple(_quotes(prompt))
    if not quotes:
        end = 0
        matches = (*_KEYWORD_LINE.finditer(prompt), *_KEYWORD_CAPITALS.finditer(prompt))
        for match in sorted(matches, key=lambda match: match.start()):
            if match.start("said") >= end:
                yield match["said"].strip(" .:"), prompt[end : match.start("said")]
                end = match.end()
        return
    end, wanted = 0, True
    for quote in quotes:
        between = prompt[end : quote.start]
        if not (end and _CONNECTOR.fullmatch(between)):
            wanted = not _unwanted(_clause(between), prompt[quote.end :])
        if wanted:
            yield quote.said, between
        end = quote.end


def _clause(before: str) -> str:
    return str(_CLAUSE_END.split(before)[-1])


def _unwanted(clause: str, after: str) -> bool:
    return bool(_NEGATED.search(clause) or _MANNER.search(clause) or _MANNER_AFTER.match(after))


def _role(before: str, position: int) -> Role:
    clause = _clause(before)
    for cue, role in _ROLE:
        if cue.search(clause):
            return role
    return _BY_POSITION[position] if position < len(_BY_POSITION) else "body"


def _quotes(prompt: str) -> Iterator[_Quote]:
    at = 0
    while at < len(prompt):
        quote = _quote_at(prompt, at)
        if quote is None:
            at += 2 if prompt[at] == "\\" and prompt[at + 1 : at + 2] not in _PAIRS else 1
        else:
            yield quote
            at = quote.end


def _quote_at(prompt: str, at: int) -> _Quote | None:
    """The quotation that opens at `at`, if one does and it closes within the longest text allowed."""
    escaped = prompt[at] == "\\"
    start = at + escaped
    mark = prompt[start : start + 1]
    if mark not in _PAIRS or not _opens(prompt, at, start, mark):
        return None
    said = start + 1
    while mark == "`" and said - start < 3 and prompt[said : said + 1] == "`":
        said += 1
    for hit in _closer(mark, said - start, escaped).finditer(prompt, said, said + MAX_CHARACTERS + 1):
        if not escaped and _is_escaped(prompt, hit.start()):
            continue
        if _closes(prompt, hit.start(), hit.end(), mark):
            return _Quote(at, hit.end(), _unescaped(prompt[said : hit.start()]))
        if mark == "'" and _opens(prompt, hit.start(), hit.start(), mark):
            return None
    return None


@functools.cache
def _closer(mark: str, run: int, escaped: bool) -> regex.Pattern[str]:
    marks: Sequence[str] = _PAIRS[mark]
    if mark == "`":
        marks = ("`" * run, "''") if run == 2 else ("`" * run,)
    return regex.compile("|".join(regex.escape("\\" + m if escaped else m) for m in marks))


def _is_escaped(prompt: str, at: int) -> bool:
    before = prompt[max(0, at - 16) : at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _opens(prompt: str, at: int, start: int, mark: str) -> bool:
    before, after = prompt[at - 1 : at] if at else "", prompt[start + 1 : start + 2]
    if not after or (after.isspace() and mark in _SPACELESS and not (mark == '"' and before in ("", " "))):
        return False
    if mark in _SINGLE:
        return not before.isalnum() and not _ELISION.match(prompt, start)
    # 24" is a length, not a quotation.
    return not (mark in '"”' and before.isdigit())


def _closes(prompt: str, at: int, end: int, mark: str) -> bool:
    if mark not in _SINGLE:
        return True
    return not prompt[at - 1].isspace() and not prompt[end : end + 1].isalnum()


def _unescaped(said: str) -> str:
    return str(regex.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), said))
