"""Any prompt said in the tiny model's language. It runs beside the loop: no torch, no fonts, no pictures."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from inference.legibility.expected import expected_texts
from inference.legibility.folding import strict
from inference.sd3.base import CannotDraw
from inference.sd3.tiny.grammar import parse
from inference.sd3.tiny.looks import look_of
from inference.sd3.tiny.words import ALPHABET, SECOND_LENGTHS, TITLE_LENGTHS, Poster
from schemas.events import Spec, Text

_CAN_SPELL: Final = (
    "the tiny model writes a title of {}, and below it a second line of {}, out of A-Z, 0-9 and single spaces"
).format(*(f"{least} to {most} characters" for least, most in (TITLE_LENGTHS, SECOND_LENGTHS)))
# Letters that no normalisation takes apart, as they are set where a typeface lacks them.
_PLAINER: Final = str.maketrans({"Ł": "L", "Ø": "O", "Đ": "D", "Æ": "AE", "Œ": "OE"})
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Phrased:
    """A prompt of the language. `reason` names what it says otherwise than it was asked for; else empty."""

    prompt: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    """`said` stands for the text `asked`; `losses` name what it lacks."""

    asked: str
    said: str
    losses: tuple[str, ...] = ()

    @property
    def remark(self) -> str:
        if self.said == self.asked:
            return ""
        how = f", without {' and '.join(self.losses)}" if self.losses else ""
        return f'"{_shown(self.asked)}" is written "{self.said}"{how}'


def phrase(spec: Spec) -> Phrased:
    """`spec` as the tiny model must be told: the headline as its title, the next text below it.

    The words are those of `spec.texts`, else those its prompt quotes, in capitals and without accents and
    signs, cut at a word where they are too long: such a picture is read as incomplete, and escalated. The
    look is what the prompt names, the rest by lot, the same for the same prompt. A prompt of the language
    stays as it is where its words are those asked for.

    Raises:
        CannotDraw: no words are asked for, the title is too short, or a text has letters the model does not.
    """
    # One render id stands for both ways to write an accent (`schemas.ids`): both must draw the same lot.
    prompt = unicodedata.normalize("NFC", spec.prompt)
    asked = expected_texts(prompt, spec.texts)
    poster = parse(prompt)
    if poster is not None and _folded(asked) <= _folded((Text(poster.title), Text(poster.second))):
        return Phrased(prompt)
    title, below, rest = _in_order(asked)
    _refuse_other_letters(asked)
    first = _fitted(title.text, TITLE_LENGTHS)
    if first is None:
        raise CannotDraw(f'title: "{_shown(title.text)}" is too short to be one: {_CAN_SPELL}')
    second = _fitted(below.text, SECOND_LENGTHS) if below else None
    left_out = [*([below] if below and second is None else []), *rest]
    look = look_of(_without(prompt, asked), prompt)
    said = Poster(
        look.shape, look.colour, look.ground, look.face, first.said, second.said if second else ""
    ).prompt
    remarks = [line.remark for line in (first, second) if line and line.remark]
    remarks += [f'"{_shown(text.text)}" is left out' for text in left_out]
    return Phrased(said, "; ".join(remarks))


def _in_order(asked: Sequence[Text]) -> tuple[Text, Text | None, Sequence[Text]]:
    """The title's text, the second line's, and the others."""
    if not asked:
        raise CannotDraw(f"texts: the prompt asks for no words; quote the title: {_CAN_SPELL}")
    title = next((text for text in asked if text.role == "headline"), asked[0])
    others = [text for text in asked if text is not title]
    return title, others[0] if others else None, others[1:]


def _refuse_other_letters(asked: Sequence[Text]) -> None:
    """Half a text in another script would be no preview: nobody could tell it from a misreading."""
    for text in asked:
        letters = "".join(dict.fromkeys(letter for letter in _capitals(text.text) if _is_foreign(letter)))
        if letters:
            raise CannotDraw(
                f'text: "{_shown(text.text)}" has {_shown(letters)}, which it cannot spell: {_CAN_SPELL}'
            )


def _fitted(asked: str, lengths: tuple[int, int]) -> _Line | None:
    """The text in capitals and cut to fit; None where too little of it can be written."""
    capitals = _capitals(asked)
    spaced = "".join(each if each in ALPHABET else "" if each == "'" else " " for each in capitals)
    whole = " ".join(spaced.split())
    said = _cut(whole, lengths)
    if len(said) < lengths[0]:
        return None
    losses = []
    if "".join(capitals.split()) != "".join(_upper(asked).split()):
        losses.append("accents")
    signs = "".join(dict.fromkeys(each for each in capitals if each not in ALPHABET and not each.isspace()))
    if signs:
        losses.append(f"the signs {_shown(signs)}")
    if said != whole:
        losses.append(f'"{_shown(whole[len(said) :].strip())}", for which there is no room')
    return _Line(asked, said, tuple(losses))


def _cut(text: str, lengths: tuple[int, int]) -> str:
    """At the last word's end within the length, where enough is left so; else within the word."""
    least, most = lengths
    if len(text) <= most:
        return text
    at_word = text[: most + 1].rpartition(" ")[0]
    return at_word if len(at_word) >= least else text[:most].rstrip()


def _capitals(text: str) -> str:
    """Upper case, accents taken off, letters of one ink (Greek Ν, wide Ａ) as Latin ones."""
    plain = unicodedata.normalize("NFKD", _upper(text).translate(_PLAINER))
    return "".join(each for each in plain if unicodedata.category(each)[0] not in "MC")


def _upper(text: str) -> str:
    one_ink = " ".join(strict(word) for word in unicodedata.normalize("NFKC", text).split())
    # Again after: capitals of one ink (Χ of χ) are made by the first.
    return " ".join(strict(word) for word in one_ink.upper().split())


def _is_foreign(character: str) -> bool:
    return character not in ALPHABET and unicodedata.category(character)[0] in "LN"


def _folded(texts: Sequence[Text]) -> set[str]:
    return {" ".join(text.text.split()).upper() for text in texts}


def _without(prompt: str, texts: Sequence[Text]) -> str:
    """The prompt without the words to be written: a title "Red Cellar" asks for no red."""
    for text in texts:
        words = r"\s+".join(map(re.escape, unicodedata.normalize("NFC", text.text).split()))
        if words:
            prompt = re.sub(rf"(?<!\w){words}(?!\w)", " ", prompt, flags=re.IGNORECASE)
    return prompt


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
