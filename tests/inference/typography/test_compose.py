from __future__ import annotations

import io
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from inference.typography import contrast
from inference.typography.compose import CannotSet, Poster, compose
from inference.typography.styles import STYLES
from schemas.events import Role, Spec, Text

MakeSpec = Callable[..., Spec]
FULL: tuple[tuple[Role, str], ...] = (
    ("headline", "Midnight Jazz"),
    ("subtitle", "Live at the Blue Room"),
    ("tagline", "Until the last train"),
    ("body", "Doors open at eight. Two sets, one long night, and a band that does not look at the clock."),
    ("date", "SAT 14 MARCH"),
    ("price", "$25"),
    ("cta", "Book now"),
    ("brand", "BLUE ROOM"),
    ("credits", "Over 18 only. 12 Harbour Street."),
)
SCRIPTS = {
    "ar": ("مهرجان الموسيقى 2026", "ثلاث ليال من الفن على ضفاف النيل"),
    "he": ("פסטיבל הקולנוע (2026)", "סרטים מכל העולם"),
    "hi": ("वसंत उत्सव", "संगीत, नृत्य और कविता की शाम"),
    "th": ("เทศกาลดนตรีริมทะเล", "สามวันสามคืนกับศิลปินจากทั่วประเทศ"),
    "zh-CN": ("上海国际电影节", "在光影之间，遇见世界的故事"),
    "ja": ("朝のパンと珈琲", "焼きたての香りで、一日をはじめよう。"),
    "ko": ("서울 재즈 페스티벌", "한강에서 만나는 봄의 소리"),
    "el": ("Αντιγόνη του Σοφοκλή", "Εθνικό Θέατρο, καλοκαίρι"),
    "ru": ("Выставка дизайна", "Форма, цвет и буква"),
    "vi": ("Lễ hội Ẩm thực Việt", "Hương vị ba miền, một khu vườn"),
    "pl": ("Zażółć gęślą jaźń", "Święto światła w Łodzi"),
}
SIZES = [(512, 768), (768, 512), (512, 512), (1280, 720)]


def picture(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def hostile(kind: str) -> bytes:
    y, x = np.mgrid[0:768, 0:512]
    board = ((x // 24 + y // 24) % 2 * 255).astype(np.uint8)
    grounds = {
        "noise": np.random.default_rng(5).integers(0, 256, (768, 512, 3), np.uint8),
        "checkerboard": np.repeat(board[..., None], 3, axis=2),
        "halves": np.repeat(np.where(x < 256, 0, 255).astype(np.uint8)[..., None], 3, axis=2),
        "mid-grey": np.full((768, 512, 3), 119, np.uint8),
        "red": np.full((768, 512, 3), (230, 30, 30), np.uint8),
    }
    return picture(grounds[kind])


def pixels(png: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(png)))


def assert_set(poster: Poster, spec: Spec) -> None:
    assert sorted(block.text for block in poster.blocks) == sorted(text.text for text in spec.texts)
    for block in poster.blocks:
        x, y, width, height = block.box
        assert x >= 0 and y >= 0
        assert x + width <= spec.width and y + height <= spec.height
        assert block.size >= 11
        assert block.contrast >= contrast.needed(block.size)


@pytest.mark.parametrize("locale", sorted(SCRIPTS))
@pytest.mark.parametrize("style", ["poster", "editorial"])
def test_every_script_is_set(make_spec: MakeSpec, locale: str, style: str) -> None:
    headline, subtitle = SCRIPTS[locale]
    spec = make_spec(("headline", headline), ("subtitle", subtitle), locale=locale)
    assert_set(compose(spec, style=style), spec)


@pytest.mark.parametrize("style", sorted(STYLES))
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_full_poster_is_set_in_every_style_and_size(
    make_spec: MakeSpec, style: str, width: int, height: int
) -> None:
    spec = make_spec(*FULL, width=width, height=height)
    assert_set(compose(spec, style=style), spec)


@pytest.mark.parametrize("style", sorted(STYLES))
def test_no_two_texts_touch(make_spec: MakeSpec, style: str) -> None:
    boxes = [block.box for block in compose(make_spec(*FULL), style=style).blocks]
    for index, (x, y, w, h) in enumerate(boxes):
        for a, b, c, d in boxes[index + 1 :]:
            assert x + w <= a or a + c <= x or y + h <= b or b + d <= y


@pytest.mark.parametrize("kind", ["noise", "checkerboard", "halves", "mid-grey", "red"])
@pytest.mark.parametrize("style", ["poster", "marquee", "modern"])
def test_words_stand_out_from_hostile_backgrounds(make_spec: MakeSpec, kind: str, style: str) -> None:
    spec = make_spec(*FULL)
    poster = compose(spec, hostile(kind), style=style)
    assert_set(poster, spec)
    under = pixels(poster.background_png)
    over = pixels(poster.png)
    for block in poster.blocks:
        if block.role == "cta":  # stands on a pill of its own
            continue
        part = contrast.luminances(contrast.crop(under, block.box, 0))
        ink = contrast.luminances(contrast.crop(over, block.box, 0))
        drawn = np.abs(ink - part) > 0.02
        darkest_or_lightest = ink[drawn].max() if ink[drawn].mean() > part.mean() else ink[drawn].min()
        worst = min(
            contrast.ratio(float(darkest_or_lightest), float(edge)) for edge in (part.min(), part.max())
        )
        assert worst >= contrast.needed(block.size) - 0.05


def test_the_same_spec_gives_the_same_bytes(make_spec: MakeSpec) -> None:
    spec = make_spec(*FULL)
    assert compose(spec) == compose(spec)


def test_threads_do_not_disturb_each_other(make_spec: MakeSpec) -> None:
    specs = [
        make_spec(("headline", headline), ("subtitle", subtitle), locale=locale, width=256, height=384)
        for locale, (headline, subtitle) in SCRIPTS.items()
    ]
    alone = [compose(spec).png for spec in specs]
    with ThreadPoolExecutor(4) as pool:
        assert [poster.png for poster in pool.map(compose, specs)] == alone


def test_style_and_seed_change_the_poster(make_spec: MakeSpec) -> None:
    spec = make_spec(*FULL)
    pictures = {compose(spec, style=name).png for name in ("poster", "editorial", "press")}
    pictures |= {compose(replace(spec, seed=seed), style="poster").png for seed in (2, 3)}
    assert len(pictures) == 5


def test_the_headline_is_the_largest_text(make_spec: MakeSpec) -> None:
    for style in STYLES:
        sizes = {block.role: block.size for block in compose(make_spec(*FULL), style=style).blocks}
        assert sizes["headline"] == max(sizes.values())


def test_a_right_to_left_poster_hangs_from_the_right_margin(make_spec: MakeSpec) -> None:
    headline, subtitle = SCRIPTS["ar"]
    spec = make_spec(("headline", headline), ("subtitle", subtitle), locale="ar")
    for block in compose(spec, style="poster").blocks:
        assert spec.width - (block.box[0] + block.box[2]) == pytest.approx(0.07 * spec.width, abs=4)


def test_no_texts_is_just_the_picture(make_spec: MakeSpec) -> None:
    poster = compose(make_spec())
    assert poster.png == poster.background_png
    assert not poster.blocks
    assert not poster.fonts


def test_a_lone_brand_is_set_as_a_headline_and_keeps_its_role(make_spec: MakeSpec) -> None:
    (block,) = compose(make_spec(("brand", "BURGER BARN"))).blocks
    assert block.role == "brand"
    assert block.size > 40


def test_fonts_are_named_with_their_versions(make_spec: MakeSpec) -> None:
    poster = compose(make_spec(("headline", "Jazz"), ("subtitle", "爵士")), style="poster")
    assert any(name.startswith("Anton@") for name in poster.fonts)
    assert any(name.startswith("Noto Sans CJK@") for name in poster.fonts)


def test_characters_without_a_glyph_are_refused_by_name(make_spec: MakeSpec) -> None:
    with pytest.raises(CannotSet, match=r"'Party 😀' \(headline\).*'😀' \(U\+1F600\)"):
        compose(make_spec(("headline", "Party 😀")))


def test_words_that_do_not_fit_are_refused_with_the_box(make_spec: MakeSpec) -> None:
    with pytest.raises(CannotSet, match=r"\(body\) does not fit 220 x 220 px.*shorten it"):
        compose(make_spec(("headline", "Hi"), ("body", "word " * 99), width=256, height=256))


def test_a_word_too_long_for_the_sheet_is_refused_not_split(make_spec: MakeSpec) -> None:
    with pytest.raises(CannotSet, match="does not fit"):
        compose(make_spec(("headline", "A" * 120), width=256, height=256))


def test_text_of_nothing_but_space_is_refused(make_spec: MakeSpec) -> None:
    with pytest.raises(CannotSet, match="nothing that can be seen"):
        compose(make_spec(("headline", " \u00ad ")))


def test_a_background_that_is_no_picture_is_refused(make_spec: MakeSpec) -> None:
    with pytest.raises(ValueError, match="no picture"):
        compose(make_spec(("headline", "Hi")), b"not a png")


def test_words_go_where_the_picture_is_calm(make_spec: MakeSpec) -> None:
    busy = np.full((768, 512, 3), 25, np.uint8)
    busy[:400] = np.random.default_rng(2).integers(0, 256, (400, 512, 3), np.uint8)
    spec = make_spec(("headline", "Below"))
    (below,) = compose(spec, picture(busy), style="poster").blocks
    (above,) = compose(spec, picture(busy[::-1].copy()), style="poster").blocks
    assert below.box[1] > 384 > above.box[1] + above.box[3]


@pytest.mark.parametrize("words", ["two\nlines", "tab\there", "NBSP\u00a0and\u3000wide", "Z\u200dWJ e\u0301"])
def test_odd_spaces_and_marks_are_set(make_spec: MakeSpec, words: str) -> None:
    spec = make_spec(("headline", words))
    assert_set(compose(spec), spec)


def test_random_texts_are_set_or_refused_never_spilt(make_spec: MakeSpec) -> None:
    rng = random.Random(11)
    words = [
        "lorem",
        "Straße",
        "Żółw",
        "ночь",
        "κύμα",
        "صيف",
        "קיץ",
        "夏祭り",
        "여름",
        "ฤดูร้อน",
        "गर्मी",
        "50%",
        "$9.99",
    ]
    roles: tuple[Role, ...] = (
        "headline",
        "subtitle",
        "body",
        "tagline",
        "cta",
        "date",
        "price",
        "brand",
        "credits",
    )
    for seed in range(25):
        texts = [
            (rng.choice(roles), " ".join(rng.choices(words, k=rng.randint(1, 14))))
            for _ in range(rng.randint(1, 6))
        ]
        spec = make_spec(
            *texts, width=rng.choice((256, 400, 640)), height=rng.choice((256, 400, 640)), seed=seed
        )
        try:
            poster = compose(spec)
        except CannotSet as refused:
            assert "does not fit" in str(refused)
            continue
        assert_set(poster, spec)


def test_locales_of_single_texts_are_kept(make_spec: MakeSpec) -> None:
    spec = make_spec(("headline", "骨董市"), locale="ja")
    chinese = replace(spec, texts=(Text("骨董市", "headline", locale="zh-CN"),))
    assert compose(spec).png != compose(chinese).png
