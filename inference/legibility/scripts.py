"""Which scripts an alphabet is enough for."""

from __future__ import annotations

from collections.abc import Set
from types import MappingProxyType
from typing import Final

from inference.legibility.folding import readable

# Letters that ordinary text of the language cannot do without; Han and Hangul by frequent characters.
SAMPLES: Final = MappingProxyType(
    {
        "English": "abcdefghijklmnopqrstuvwxyz 0123456789",
        "French": "àâçéèêëîïôùûüÿœæ",
        "German": "äöüß",
        "Spanish": "áéíñóúü",
        "Polish": "ąćęłńóśźż",
        "Turkish": "çğıöşü",
        "Vietnamese": "ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữự",
        "Greek": "αβγδεζηθικλμνξοπρσςτυφχψω",
        "Greek, accented": "άέήίόύώ",
        "Cyrillic": "абвгдежзийклмнопрстуфхцчшщъыьэюя",
        "Hebrew": "אבגדהוזחטיכךלמםנןסעפףצץקרשת",
        "Arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
        "Devanagari": "अआइईउऊकखगघचजटडतदनपबमयरलवशसह",
        "Thai": "กขคงจชซญดตถทนบปผพมยรลวสหอะาิีุูเแโไ",
        "Tamil": "அஆஇஈஉஊகஙசஞடணதநபமயரலவழளறன",
        "Hangul": "가나다라마바사아자차카타파하는을이에",
        "Kana": "あいうえおかきくけこさしすせそアイウエオカキクケコ",
        "Han, simplified": "的一是不了人我在有他这个们中来上大为和国",
        "Han, traditional": "的一是不了人我在有他這個們中來上大為和國",
    }
)


def scripts(characters: Set[str]) -> tuple[str, ...]:
    """The scripts and languages of `SAMPLES` that a reader with these characters can read."""
    return tuple(name for name, sample in SAMPLES.items() if readable(sample, characters))
