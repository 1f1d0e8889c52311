"""Posters whose words are known, in two sets that share no font: one to tune on, one to be judged by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final, Literal

import regex

from inference.legibility.calibration.faces import can_set
from schemas.events import Role, Text

Ground = Literal["flat", "fade", "discs"]
Order = Literal["listed", "last first", "headline second", "side by side"]
Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Sketch:
    """What a poster is before it is drawn. `faces` are families for the headline and for the rest.

    `order` is where the texts stand, which a designer decides and the list of texts does not.
    """

    name: str
    script: str
    locale: str
    texts: tuple[Text, ...]
    faces: tuple[str, str]
    size: tuple[int, int]
    paper: Rgb
    ink: Rgb
    ground: Ground
    order: Order
    centred: bool


# Fonts of the layout engine, on whose posters readers and score were tuned while they were built.
TUNING_FONTS: Final = {
    "Latin": (
        ("Anton", "Rubik"),
        ("Oswald", "Oswald"),
        ("Rubik", "Noto Sans"),
        ("Playfair Display", "Noto Serif"),
        ("Bebas Neue", "Heebo"),
        ("Heebo", "Heebo"),
    ),
    "Chinese": (("Noto Sans CJK", "Noto Sans CJK"),),
}
# Fonts that were installed for this check alone, and scripts that no tuning poster is in.
HELD_OUT_FONTS: Final = {
    "Latin": (
        ("Lobster", "Zilla Slab"),
        ("Bungee", "EB Garamond"),
        ("DM Serif Display", "EB Garamond"),
        ("Zilla Slab", "Zilla Slab"),
        ("Permanent Marker", "Zilla Slab"),
        ("EB Garamond", "DM Serif Display"),
    ),
    "Greek": (("EB Garamond", "EB Garamond"),),
    "Japanese": (("Noto Serif JP", "Noto Serif JP"), ("Noto Sans JP", "Noto Serif JP")),
}

_SIZES: Final = ((512, 768), (768, 768), (832, 576), (640, 896))
_COLOURS: Final[tuple[tuple[Rgb, Rgb], ...]] = (
    ((246, 240, 226), (32, 36, 48)),
    ((22, 30, 54), (250, 236, 200)),
    ((226, 84, 52), (255, 250, 240)),
    ((244, 200, 64), (40, 24, 20)),
    ((18, 84, 78), (240, 248, 226)),
    ((236, 214, 220), (92, 16, 40)),
    ((250, 250, 250), (176, 28, 36)),
)
_GROUNDS: Final[tuple[Ground, ...]] = ("flat", "fade", "discs")
_ORDERS: Final[tuple[Order, ...]] = ("listed", "last first", "headline second", "side by side")

_TUNING_TEXTS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "Latin": (
        ("en", "SUMMER SALE", "50% OFF", "Ends 31 August"),
        ("en", "Night Market", "Street food and music", "Friday 8 pm"),
        ("en", "OPEN MIC", "Bring a song, a poem or a joke"),
        ("en", "Harbour Run", "10 km along the quay", "12 April"),
        ("en", "THE LAST ISLAND", "A film by Mara Quell"),
        ("en", "Coffee & Vinyl", "Rare records, fresh beans", "from £4.50"),
        ("en", "Winter Lectures", "Six evenings on ice and light", "Doors 19:00"),
        ("en", "GRAND FINALE", "Tickets $25", "Riverside Hall"),
        ("de", "Frühlingsfest", "Musik, Tanz und gutes Bier", "ab 18 Uhr"),
        ("de", "GROSSE GEFÜHLE", "Komödie in drei Akten"),
        ("fr", "Fête du Cinéma", "Dix films, une nuit", "Entrée 7 €"),
        ("fr", "CAFÉ THÉÂTRE", "Une soirée à ne pas manquer"),
        ("es", "Mañana Será Otro Día", "Teatro al aire libre", "22 de julio"),
        ("es", "FERIA DEL LIBRO", "Autores, charlas y música"),
        ("pl", "Święto Książki", "Spotkania i dyskusje", "14 maja"),
        ("pl", "ŁÓDŹ JAZZ", "Trzy noce koncertów"),
    ),
    "Chinese": (
        ("zh-CN", "夏日特卖", "全场五折起", "8月31日截止"),
        ("zh-CN", "城市之光", "电影回顾展"),
        ("zh-CN", "山中来信", "一场关于旅行的展览", "票价60元"),
        ("zh-CN", "春天音乐会", "古典与爵士之夜"),
        ("zh-CN", "深夜书店", "每周五营业到凌晨"),
        ("zh-TW", "海邊的圖書館", "新書發表會", "6月12日"),
        ("zh-TW", "老街市集", "手作與美食"),
        ("zh-TW", "秋天的茶", "新茶品嘗會", "免費入場"),
    ),
}
_HELD_OUT_TEXTS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "Latin": (
        ("en", "Garden Party", "Cakes, croquet and a brass band", "3 June"),
        ("en", "BLACK FRIDAY", "Up to 70% off", "Online and in store"),
        ("en", "The Quiet Hour", "Poems read by candlelight"),
        ("en", "Retro Arcade", "120 machines, no coins", "Open till 2 am"),
        ("en", "WILD COAST", "Photographs from the edge of the map"),
        ("en", "Soup Kitchen", "A warm bowl for everyone", "Free entry"),
        ("en", "Jazz on the Roof", "Sunset sets with Ola Brand", "Tickets $18"),
        ("en", "MOON LANDING", "A musical in two acts"),
        ("en", "Book Swap", "Bring five, take five", "Saturday 10:30"),
        ("en", "Velvet Room", "Cocktails and slow dances"),
        ("en", "COLD BREW", "Now with oat milk", "Only £3.20"),
        ("en", "Paper Lanterns", "A workshop for small hands", "Age 6 to 12"),
        ("de", "Herbstmarkt", "Kürbis, Honig und Käse", "20. Oktober"),
        ("de", "ÖL AUF LEINWAND", "Malerei der Gegenwart"),
        ("de", "Süße Träume", "Ein Abend für Nachtschwärmer"),
        ("fr", "Nuit Étoilée", "Observez le ciel d'été", "12 août à 22 h"),
        ("fr", "MARCHÉ DE NOËL", "Vin chaud et pain d'épices"),
        ("fr", "Le Château Perdu", "Un conte pour petits et grands"),
        ("es", "Corazón Salvaje", "Un espectáculo de baile", "Entrada 15 €"),
        ("es", "PEQUEÑOS GIGANTES", "Taller de ciencia"),
        ("pl", "Zażółć Gęślą", "Wieczór piosenki", "3 września"),
        ("pl", "MIĘDZY WIERSZAMI", "Poezja i herbata"),
        ("it", "Città d'Acqua", "Mostra di fotografia", "fino al 9 marzo"),
        ("sv", "Sjön om Natten", "Dikter och stillhet"),
    ),
    "Greek": (
        ("el", "ΜΕΓΑΛΗ ΓΙΟΡΤΗ", "ΜΟΥΣΙΚΗ ΚΑΙ ΧΟΡΟΣ", "15 ΑΥΓΟΥΣΤΟΥ"),
        ("el", "ΝΥΧΤΕΣ ΣΤΗΝ ΠΟΛΗ", "ΘΕΑΤΡΟ ΔΡΟΜΟΥ"),
        ("el", "ΤΟ ΦΩΣ ΤΗΣ ΘΑΛΑΣΣΑΣ", "ΕΚΘΕΣΗ ΦΩΤΟΓΡΑΦΙΑΣ"),
        ("el", "ΑΓΟΡΑ ΒΙΒΛΙΟΥ", "ΕΙΣΟΔΟΣ 4 €"),
        ("el", "ΓΕΥΣΕΙΣ ΤΟΥ ΒΟΡΡΑ", "ΨΩΜΙ ΚΑΙ ΤΥΡΙ", "ΣΑΒΒΑΤΟ 18:00"),
        ("el", "ΜΙΚΡΟΙ ΗΡΩΕΣ", "ΠΑΡΑΜΥΘΙΑ ΓΙΑ ΠΑΙΔΙΑ"),
        ("el", "ΔΥΟ ΓΕΦΥΡΕΣ", "ΜΙΑ ΤΑΙΝΙΑ ΓΙΑ ΤΟΝ ΧΡΟΝΟ"),
        ("el", "ΧΕΙΜΩΝΑΣ ΤΩΡΑ", "ΕΚΠΤΩΣΕΙΣ 40%"),
    ),
    "Japanese": (
        ("ja", "夏まつり", "花火と屋台の夜", "8月15日"),
        ("ja", "さくらカフェ", "春だけのメニュー"),
        ("ja", "夜の美術館", "静かな展示室を歩く", "入場料1200円"),
        ("ja", "ジャズライブ", "毎週金曜日の夜"),
        ("ja", "本と猫の店", "読み終えた本を交換"),
        ("ja", "海のレストラン", "朝どれの魚と野菜", "11時から"),
        ("ja", "小さな映画祭", "短い物語を十本"),
        ("ja", "コーヒー市", "全国の焙煎所が集まる", "6月9日"),
        ("ja", "冬の音楽会", "ピアノとバイオリン"),
        ("ja", "まちの図書館", "おはなし会", "毎月第二土曜"),
        ("ja", "アニメの世界", "原画と映像の展覧会"),
        ("ja", "手づくり市場", "陶器と木の道具"),
    ),
}


def tuning_set() -> tuple[Sketch, ...]:
    """Posters on which thresholds are chosen and the score may be tuned."""
    return tuple(_sketches("t", _TUNING_TEXTS, TUNING_FONTS, count()))


def held_out_set() -> tuple[Sketch, ...]:
    """Posters in fonts and scripts that no tuning poster uses: never to be tuned on."""
    return tuple(_sketches("h", _HELD_OUT_TEXTS, HELD_OUT_FONTS, count(5)))


def _sketches(
    prefix: str,
    texts: Mapping[str, tuple[tuple[str, ...], ...]],
    fonts: Mapping[str, tuple[tuple[str, str], ...]],
    turns: Iterator[int],
) -> Iterator[Sketch]:
    for script, rows in texts.items():
        for place, (locale, *words) in enumerate(rows):
            turn = next(turns)
            paper, ink = _COLOURS[turn % len(_COLOURS)]
            yield Sketch(
                name=f"{prefix}-{script.lower()}-{place:02}",
                script=script,
                locale=locale,
                texts=_texts(words, locale),
                faces=_faces(words, fonts[script], place),
                size=_SIZES[turn % len(_SIZES)],
                paper=paper,
                ink=ink,
                ground=_GROUNDS[turn % len(_GROUNDS)],
                order=_ORDERS[place % len(_ORDERS)],
                centred=turn % 5 < 3,
            )


def _faces(words: Sequence[str], pairs: Sequence[tuple[str, str]], turn: int) -> tuple[str, str]:
    """The first pair from `turn` on that has all letters: some fonts are all capitals."""
    for step in range(len(pairs)):
        pair = pairs[(turn + step) % len(pairs)]
        if can_set(pair[0], words[0]) and all(can_set(pair[1], each) for each in words[1:]):
            return pair
    raise ValueError(f"fonts: none of {pairs} has all letters of {words}; add one that has")


def _texts(words: Sequence[str], locale: str) -> tuple[Text, ...]:
    """The first is the headline; of the rest, what holds a digit must be exact too."""

    def text(place: int, said: str) -> Text:
        digits = bool(regex.search(r"\p{Nd}", said))
        role: Role = "headline" if not place else "date" if digits else "subtitle"
        return Text(text=said, role=role, locale=locale, critical=not place or digits)

    return tuple(text(place, said) for place, said in enumerate(words))
