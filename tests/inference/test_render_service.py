from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from inference.assets import AssetStore, StoreFailed, manifest_key
from inference.engines.base import (
    Broken,
    Engine,
    EngineError,
    Leaving,
    Picture,
    Refused,
    Transient,
    Uncertain,
    Unsupported,
)
from inference.engines.emulator.app import Emulator
from inference.engines.emulator.drawing import draw
from inference.engines.emulator.profiles import load_profiles
from inference.engines.emulator.serving import emulator_thread
from inference.engines.entries import Entry, Price, Registry, Sizes, load_registry
from inference.engines.prompting import normalised
from inference.engines.registry import USD_PER_GPU_HOUR, Engines, EngineUnavailable, Resolved
from inference.legibility.expected import expected_texts
from inference.render import RenderService, prompt_for
from schemas.events import Asset, PromptRef, Render, RenderJob, Spec, Text

PRICE = Price(priced_on=dt.date(2026, 1, 1), usd=0.04)
ENTRY = Entry(name="pen", adapter="fake", model="pen-1", title="Pen", roles=("final",), price=PRICE)


def make_spec(**changes: Any) -> Spec:
    spec = Spec(
        prompt='A poster with "OPEN"',
        texts=(Text("OPEN"),),
        negative_prompt="",
        width=64,
        height=64,
        sampler="euler",
        steps=None,
        guidance=None,
        seed=1,
        locale="en",
    )
    return replace(spec, **changes)


def make_job(**changes: Any) -> RenderJob:
    spec = make_spec(**changes.pop("spec", {}))
    job = RenderJob(
        ref=PromptRef("s", "1"),
        spec=spec,
        engine="pen",
        purpose="final",
        ordinal=0,
        route="r",
        reason="",
        policy="p",
    )
    return replace(job, **changes)


def png(width: int = 64, height: int = 64, colour: str = "navy") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


@dataclass(slots=True)
class Pen:
    """Gives its picture, drawn to size where that holds no bytes, or raises; keeps what it was asked."""

    picture: Picture
    raises: EngineError | None = None
    asked: list[Spec] = field(default_factory=list)
    backgrounds: list[bytes | None] = field(default_factory=list)

    async def render(self, spec: Spec, *, background: bytes | None = None) -> Picture:
        self.asked.append(spec)
        self.backgrounds.append(background)
        await asyncio.sleep(0)
        if self.raises is not None:
            raise self.raises
        return self.picture if self.picture.data else replace(self.picture, data=png(spec.width, spec.height))

    async def aclose(self) -> None:
        """Holds nothing."""


PEN = Resolved("pen", ENTRY, "pen-1")


@dataclass(slots=True)
class Pool:
    """Resolves every name to the pen."""

    pen: Pen
    resolved: Resolved = PEN
    missing: Exception | None = None

    def resolve(self, name: str) -> Resolved:
        if self.missing is not None:
            raise self.missing
        return replace(self.resolved, name=name)

    def engine_for(self, _resolved: Resolved) -> Engine:
        return self.pen

    def most_usd(self, _resolved: Resolved, _spec: Spec) -> float | None:
        return None


def make_pen(**changes: Any) -> Pen:
    picture = Picture(data=png(), media_type="image/png", model="pen-1", usd=0.04, seconds=1.5)
    return Pen(replace(picture, **changes))


def ticking(step: float = 2.0) -> Callable[[], float]:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += step
        return now

    return clock


def make_service(pen: Pen, store: AssetStore | None = None, **changes: Any) -> RenderService:
    return RenderService(Pool(pen), store or AssetStore.open("memory://"), ticking(), **changes)


async def test_a_render_is_stored_and_can_be_fetched() -> None:
    store = AssetStore.open("memory://")
    pen = make_pen(background=png(colour="red"), vector=b"<svg/>", by_construction=True)
    render = await make_service(pen, store).render(make_job())
    assert (render.outcome, render.cached, render.usd, render.seconds) == ("rendered", False, 0.04, 1.5)
    assert (render.resolved_engine, render.model, render.by_construction) == ("pen", "pen-1", True)
    pictures = render.pictures
    assert pictures is not None
    assert pictures.background is not None
    assert pictures.vector is not None
    assert (pictures.image.width, pictures.image.height, pictures.image.media_type) == (64, 64, "image/png")
    assert await store.get(pictures.original) == png()
    assert await store.get(pictures.background) == png(colour="red")
    assert await store.get(pictures.vector) == b"<svg/>"
    image = await store.get(pictures.image)
    assert hashlib.sha256(image).hexdigest() == pictures.image.sha256


async def test_a_hit_draws_nothing_and_costs_nothing() -> None:
    store, pen = AssetStore.open("memory://"), make_pen()
    first = await make_service(pen, store).render(make_job())
    again = await make_service(pen, store).render(make_job(ref=PromptRef("s", "other")))
    assert len(pen.asked) == 1
    assert (again.cached, again.usd, again.seconds) == (True, 0.0, 0.0)
    assert (again.pictures, again.render_id, again.model) == (first.pictures, first.render_id, first.model)
    assert again.job.ref.id == "other"


async def test_the_same_work_asked_twice_at_once_is_drawn_once() -> None:
    pen = make_pen()
    service = make_service(pen)
    renders = await asyncio.gather(*(service.render(make_job()) for _ in range(5)))
    assert len(pen.asked) == 1
    assert sorted(render.cached for render in renders) == [False, True, True, True, True]


@pytest.mark.parametrize(
    "changed",
    [
        {"spec": {"seed": 2}},
        {"spec": {"prompt": 'Another poster with "OPEN"'}},
        {"spec": {"width": 128}},
        {"spec": {"steps": 20}},
        {"spec": {"negative_prompt": "fog"}},
        {"ordinal": 1},
    ],
    ids=str,
)
async def test_other_work_is_drawn_anew(changed: dict[str, Any]) -> None:
    pen = make_pen(data=b"")
    service = make_service(pen)
    first = await service.render(make_job())
    second = await service.render(make_job(**changed))
    assert len(pen.asked) == 2
    assert first.render_id != second.render_id


async def test_without_a_cache_everything_is_drawn() -> None:
    store, pen = AssetStore.open("memory://"), make_pen()
    for _ in range(2):
        render = await make_service(pen, store, no_cache=True).render(make_job())
        assert not render.cached
    assert len(pen.asked) == 2


@dataclass(slots=True)
class KeyedPen(Pen):
    """A pen whose server would know a repeated request by its key."""

    keys: list[str] = field(default_factory=list)

    @property
    def honours_key(self) -> bool:
        return True

    def keyed(self, key: str, leaving: Leaving | None = None) -> Engine:
        assert leaving is None, "nobody is paid"
        self.keys.append(key)
        return self


async def test_a_server_that_knows_keys_is_told_the_id_of_the_work() -> None:
    pen = KeyedPen(make_pen().picture, raises=Transient("lost"))
    service = make_service(pen)
    for _ in range(2):
        with pytest.raises(Transient):
            await service.render(make_job())
    pen.raises = None
    render = await service.render(make_job())
    assert pen.keys == [render.render_id] * 3


async def test_without_a_cache_no_key_lets_a_server_answer_from_its_own() -> None:
    pen = KeyedPen(make_pen().picture)
    await make_service(pen, no_cache=True).render(make_job())
    assert (pen.keys, len(pen.asked)) == ([], 1)


async def test_an_emulated_picture_never_answers_for_the_real_engine() -> None:
    store, pen = AssetStore.open("memory://"), make_pen(emulated=True, model="emulator:pen")
    pool = Pool(pen, Resolved("pen", ENTRY, "emulator:pen", "the emulator stands in", emulated=True))
    emulated = await RenderService(pool, store, ticking()).render(make_job())
    assert emulated.emulated
    assert "the emulator stands in" in emulated.reason
    real = await make_service(make_pen(), store).render(make_job())
    assert not real.cached
    assert not real.emulated


async def test_what_the_provider_filled_in_is_part_of_the_id_and_still_a_hit() -> None:
    store, pen = AssetStore.open("memory://"), make_pen(model="pen-1-rev7", used={"seed": 99})
    first = await make_service(pen, store).render(make_job())
    again = await make_service(pen, store).render(make_job())
    assert (len(pen.asked), again.cached) == (1, True)
    assert again.render_id == first.render_id
    plain = await make_service(make_pen(), AssetStore.open("memory://")).render(make_job())
    assert plain.render_id != first.render_id


async def test_a_picture_made_smaller_never_answers_for_the_full_size() -> None:
    store = AssetStore.open("memory://")
    small = make_pen(data=png(32, 32), used={"width": 32, "height": 32})
    first = await make_service(small, store).render(make_job())
    assert first.pictures is not None
    assert (first.pictures.image.width, first.outcome) == (32, "rendered")
    assert "asked for 64x64, got 32x32" in first.reason
    second = await make_service(small, store).render(make_job())
    assert (len(small.asked), second.cached) == (2, False)
    asked_small = await make_service(small, store).render(make_job(spec={"width": 32, "height": 32}))
    assert (asked_small.cached, asked_small.render_id) == (True, first.render_id)


async def test_fonts_that_drew_are_part_of_the_id() -> None:
    ids = set()
    for fonts in ("Anton 1.0", "Anton 1.1"):
        render = await make_service(make_pen(used={"fonts": fonts})).render(make_job())
        ids.add(render.render_id)
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Refused("no gore"), "refused"),
        (Unsupported("no such size"), "failed"),
        (Broken("html"), "failed"),
        # Raised on, it would be retried, and perhaps charged twice.
        (Uncertain("no answer in 60 s"), "failed"),
    ],
)
async def test_an_engine_s_no_is_an_outcome_with_its_reason(error: EngineError, outcome: str) -> None:
    pen = make_pen()
    pen.raises = error
    store = AssetStore.open("memory://")
    render = await make_service(pen, store).render(make_job())
    assert (render.outcome, render.reason) == (outcome, str(error))
    assert (render.pictures, render.usd, render.seconds) == (None, 0.0, 2.0)
    pen.raises = None
    assert (await make_service(pen, store).render(make_job())).outcome == "rendered"


async def test_what_may_pass_is_the_caller_s_to_retry() -> None:
    pen = make_pen()
    pen.raises = Transient("busy", after_s=3.0)
    with pytest.raises(Transient) as caught:
        await make_service(pen).render(make_job())
    assert caught.value.after_s == 3.0


async def test_an_engine_that_cannot_be_had_fails_with_the_way_to_get_it() -> None:
    pool = Pool(make_pen(), missing=EngineUnavailable("pen: no key is set: set PEN_KEY"))
    render = await RenderService(pool, AssetStore.open("memory://"), ticking()).render(make_job())
    assert (render.outcome, render.reason) == ("failed", "pen: no key is set: set PEN_KEY")


async def test_a_size_the_engine_does_not_draw_is_refused_before_the_call() -> None:
    pen = make_pen()
    entry = Entry(
        name="pen",
        adapter="fake",
        model="pen-1",
        title="Pen",
        roles=("final",),
        price=PRICE,
        sizes=Sizes(only=("512x512",)),
    )
    pool = Pool(pen, Resolved("pen", entry, "pen-1"))
    render = await RenderService(pool, AssetStore.open("memory://"), ticking()).render(make_job())
    assert (render.outcome, pen.asked) == ("failed", [])
    assert "draws no 64x64; it draws 512x512" in render.reason


async def test_a_picture_that_cannot_be_decoded_fails_and_is_kept_and_paid() -> None:
    store, pen = AssetStore.open("memory://"), make_pen(data=png()[:-30])
    render = await make_service(pen, store).render(make_job())
    assert (render.outcome, render.usd) == ("failed", 0.04)
    assert "cannot be decoded" in render.reason
    kept = hashlib.sha256(png()[:-30]).hexdigest()
    assert kept in render.reason


async def test_the_background_is_fetched_and_verified() -> None:
    store, pen = AssetStore.open("memory://"), make_pen()
    background = await store.put(png(colour="green"), "image/png")
    first = await make_service(pen, store).render(make_job(background=background))
    assert pen.backgrounds == [png(colour="green")]
    other = await store.put(png(colour="blue"), "image/png")
    second = await make_service(pen, store).render(make_job(background=other))
    assert first.render_id != second.render_id
    gone = replace(background, sha256="0" * 64)
    missing = await make_service(pen, store).render(make_job(background=gone))
    assert missing.outcome == "failed"
    assert background.uri in missing.reason


def files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


class HalfWritten(Exception):
    """The process died here."""


@pytest.mark.parametrize("dies_at", ["asset", "manifest"])
async def test_dying_before_the_manifest_leaves_work_that_is_simply_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    store, pen = AssetStore.open(tmp_path), make_pen(vector=b"<svg/>")
    with monkeypatch.context() as patch:
        put = store.put

        async def put_until(data: bytes, media_type: str, *size: int) -> Asset:
            if dies_at == "asset" and media_type == "image/svg+xml":
                raise HalfWritten
            return await put(data, media_type, *size)

        async def no_manifest(_render_id: str, _data: bytes) -> None:
            raise HalfWritten

        patch.setattr(store, "put", put_until)
        patch.setattr(store, "put_manifest", no_manifest)
        with pytest.raises(HalfWritten):
            await make_service(pen, store).render(make_job())
    assert not files(tmp_path, "renders/**/*.json")
    render = await make_service(pen, store).render(make_job())
    assert (render.outcome, render.cached, len(pen.asked)) == ("rendered", False, 2)
    assert (await make_service(pen, store).render(make_job())).cached


async def test_a_hit_whose_picture_is_gone_is_drawn_again(tmp_path: Path) -> None:
    store, pen = AssetStore.open(tmp_path), make_pen()
    first = await make_service(pen, store).render(make_job())
    for picture in files(tmp_path, "sha256/**/*.png"):
        picture.unlink()
    again = await make_service(pen, store).render(make_job())
    assert (again.cached, len(pen.asked)) == (False, 2)
    assert again.pictures == first.pictures


@pytest.mark.parametrize("rubbish", [b"", b"{", b'{"type": "render"}', b'{"type": "elephant"}'])
async def test_a_manifest_that_cannot_be_read_is_written_anew(tmp_path: Path, rubbish: bytes) -> None:
    store, pen = AssetStore.open(tmp_path), make_pen()
    render_id = (await make_service(pen, store).render(make_job())).render_id
    (tmp_path / manifest_key(render_id)).write_bytes(rubbish)
    assert not (await make_service(pen, store).render(make_job())).cached
    assert (await make_service(pen, store).render(make_job())).cached


async def test_a_store_that_does_not_answer_is_worth_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    store = AssetStore.open("memory://")

    async def fail(_render_id: str) -> bytes:
        raise StoreFailed("s3://posters: cannot be read")

    monkeypatch.setattr(store, "get_manifest", fail)
    with pytest.raises(Transient, match=r"asset store: s3://posters"):
        await make_service(make_pen(), store).render(make_job())


def quoted(prompt: str) -> set[str]:
    return {text.text for text in expected_texts(prompt, ())}


@pytest.mark.parametrize(
    ("prompt", "texts", "lacking"),
    [
        ('A poster with "OPEN"', ("OPEN",), 0),
        ('A poster with "OPEN"', ("OPEN", "50% OFF"), 1),
        ("A poster", ("OPEN", "Till late"), 2),
        ("A poster with “OPEN”", ("OPEN",), 0),
        ("A poster.", ('The "Blue" Door',), 1),
        ("A poster, no text", ("تخفيضات الصيف", "夏季大促销"), 2),
        ("A poster", (), 0),
    ],
)
def test_the_prompt_an_engine_gets_quotes_every_expected_text_once(
    prompt: str, texts: tuple[str, ...], lacking: int
) -> None:
    spec = make_spec(prompt=prompt, texts=tuple(Text(text) for text in texts))
    sent = prompt_for(spec)
    assert sent.startswith(normalised(prompt))
    assert (sent == normalised(prompt)) == (lacking == 0)
    assert set(texts) <= quoted(sent)
    assert prompt_for(replace(spec, prompt=sent)) == sent


async def test_the_engine_is_sent_the_prompt_with_its_texts() -> None:
    pen = make_pen()
    await make_service(pen).render(make_job(spec={"texts": (Text("OPEN"), Text("50% OFF"))}))
    assert '"50% OFF"' in pen.asked[0].prompt


async def test_the_layout_engine_s_picture_is_found_again_with_all_its_parts(tmp_path: Path) -> None:
    store = AssetStore.open(tmp_path)
    renders: list[Render] = []
    for _ in range(2):
        engines = Engines(
            load_registry(), today=lambda: dt.date(2026, 11, 23), usd_per_cpu_hour=0.05, environ={}
        )
        service = RenderService(engines, store, ticking())
        renders.append(await service.render(make_job(engine="layout", spec={"width": 256, "height": 256})))
        await engines.aclose()
    first, again = renders
    assert (first.outcome, first.by_construction, first.emulated) == ("rendered", True, False)
    assert first.pictures is not None
    assert first.pictures.background is not None
    assert first.pictures.vector is not None
    assert 0 < first.usd < 0.01
    assert (again.cached, again.pictures) == (True, first.pictures)


@pytest.fixture(scope="module")
def emulator_url() -> Iterator[str]:
    with ThreadPoolExecutor(2) as pool:
        emulator = Emulator(profiles=load_profiles(), draw=draw, executor=pool, pace=0.0)
        with emulator_thread(emulator) as url:
            yield url


@pytest.mark.parametrize(
    ("name", "resolved", "usd"),
    [
        ("sd3.5_local", "sd3.5_local", None),
        ("sd3.5_medium", "sd3.5_medium", None),
        ("http_render", "http_render", None),
        ("imagen4_remote", "gemini-3.1-flash-image", 0.04482),
        ("imagen4_ultra", "gemini-3-pro-image", 0.1344),
        ("dalle3_hd", "gpt-image-2.5-flare", 0.0527),
        ("ideogram_v2a_turbo", "ideogram_v2a_turbo", 0.025),
    ],
)
async def test_every_engine_of_the_brief_draws_today_and_says_who_drew(
    emulator_url: str, name: str, resolved: str, usd: float | None
) -> None:
    engines = Engines(
        load_registry(), today=lambda: dt.date(2026, 11, 23), emulator_url=emulator_url, environ={}
    )
    service = RenderService(engines, AssetStore.open("memory://"), ticking())
    job = make_job(engine=name, spec={"width": 128, "height": 192, "negative_prompt": "fog"})
    first, again = await service.render(job), await service.render(job)
    await engines.aclose()
    assert (first.outcome, first.resolved_engine, first.emulated) == ("rendered", resolved, True)
    assert first.model == f"emulator:{resolved}"
    assert first.pictures is not None
    assert (first.pictures.image.width, first.pictures.image.height) == (128, 192)
    assert first.usd == pytest.approx(first.seconds * USD_PER_GPU_HOUR / 3600 if usd is None else usd)
    assert (again.cached, again.usd, again.render_id) == (True, 0.0, first.render_id)


def test_a_registry_may_be_handed_over_whole() -> None:
    assert Registry({"pen": ENTRY}).resolve("pen", today=dt.date(2026, 11, 23)) is ENTRY
