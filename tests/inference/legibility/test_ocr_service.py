from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from inference.legibility.base import Line
from inference.legibility.process import ProcessDied, ReaderProcess
from inference.legibility.readers import available_readers
from inference.legibility.score import score
from inference.legibility.service import OcrService, ReaderFailed, default_threads
from schemas.events import Text

Poster = Callable[..., bytes]

POSTERS = {
    "english": ("noto-sans", ["SUMMER SALE", "50% OFF", "Doors open at 8:30 pm"]),
    "french": ("noto-serif", ["FÊTE DE LA MUSIQUE", "21 juin, entrée libre"]),
    "german": ("oswald", ["GRÜNE ERÖFFNUNG", "Spaß für Mädchen & Jungen"]),
    "polish": ("noto-sans", ["WIELKA WYPRZEDAŻ", "Łódź, 5 września"]),
    "turkish": ("noto-sans", ["BÜYÜK AÇILIŞ", "İndirim %40, gişede"]),
    "chinese": ("cjk", ["全场五折", "夏季大促销"]),
    "japanese": ("cjk", ["夏の大セール", "新作コーヒー登場"]),
}


def said(readings: Mapping[str, tuple[Line, ...]]) -> list[str]:
    return [line.text for lines in readings.values() for line in lines]


@pytest.mark.parametrize(("font", "lines"), POSTERS.values(), ids=POSTERS)
async def test_rapidocr_reads_what_we_set(
    font: str, lines: list[str], rapid: OcrService, poster: Poster
) -> None:
    readings = await rapid.read(poster(*lines, font=font))
    got = score([Text(line) for line in lines], readings, rapid.coverage)
    assert [text.verdict for text in got.texts] == ["read"] * len(lines), got
    assert got.score == 1.0 and got.critical_exact


@pytest.mark.parametrize("pixels", [24, 120, 260])
async def test_small_and_huge_type_are_read_alike(pixels: int, rapid: OcrService, poster: Poster) -> None:
    readings = await rapid.read(poster("NEXT", "ONE", font="heebo", pixels=pixels, width=768))
    assert said(readings) == ["NEXT", "ONE"]


async def test_thai_is_unreadable_and_not_wrong(rapid: OcrService, poster: Poster) -> None:
    readings = await rapid.read(poster("ลดราคาครั้งใหญ่", font="noto-sans-thai"))
    got = score([Text("ลดราคาครั้งใหญ่")], readings, rapid.coverage)
    assert (got.score, got.texts[0].verdict) == (None, "unreadable_by_reader")


async def test_a_line_says_where_it_is_and_who_read_it(rapid: OcrService, poster: Poster) -> None:
    (reader, lines), *others = (await rapid.read(poster("LIVE TONIGHT", width=400))).items()
    assert not others and reader in rapid.coverage and reader.startswith("rapidocr-")
    (line,) = lines
    assert line.reader == reader and 0.5 < line.confidence <= 1
    (left, top), (right, _), (_, bottom), _ = line.box
    assert 0 <= left < 200 < right <= 400 and top < 60 < bottom


async def test_an_empty_picture_has_no_lines(rapid: OcrService, poster: Poster) -> None:
    assert said(await rapid.read(poster(" "))) == []


@pytest.mark.parametrize(
    "data", [b"", b"abc", b"\x89PNG\r\n\x1a\n" + bytes(64)], ids=["empty", "text", "broken"]
)
async def test_bytes_that_are_no_picture_are_refused_and_the_process_lives(
    data: bytes, rapid: OcrService, poster: Poster
) -> None:
    before = rapid.pid
    with pytest.raises(ValueError, match="picture: "):
        await rapid.read(data)
    assert rapid.pid == before
    assert said(await rapid.read(poster("STILL HERE"))) == ["STILL HERE"]


async def test_reading_does_not_hold_up_the_event_loop(rapid: OcrService, poster: Poster) -> None:
    reading = asyncio.ensure_future(rapid.read(poster("A", "B", "C", "D", width=900, pixels=90)))
    beats = 0
    while not reading.done():
        beats += 1
        await asyncio.sleep(0.002)
    assert beats > 10


async def test_pictures_asked_for_together_are_not_mixed_up(rapid: OcrService, poster: Poster) -> None:
    words = ["ALPHA", "BRAVO", "CHARLIE"]
    got = await asyncio.gather(*(rapid.read(poster(word)) for word in words))
    assert [said(readings) for readings in got] == [[word] for word in words]


async def test_a_reading_nobody_waits_for_does_not_answer_the_next(rapid: OcrService, poster: Poster) -> None:
    abandoned = asyncio.ensure_future(rapid.read(poster("ABANDONED")))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(abandoned, 0.01)
    assert said(await rapid.read(poster("NEXT ONE"))) == ["NEXT ONE"]


async def test_a_killed_process_is_replaced_and_the_picture_is_read(
    rapid: OcrService, poster: Poster
) -> None:
    killed = rapid.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert said(await rapid.read(poster("BACK AGAIN"))) == ["BACK AGAIN"]
    assert rapid.pid not in (None, killed)


async def test_a_picture_that_kills_the_process_twice_is_given_up(
    rapid: OcrService, poster: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ReaderProcess.read
    deaths = 0

    def deadly(process: ReaderProcess, png: bytes) -> Mapping[str, tuple[Line, ...]]:
        nonlocal deaths
        deaths += 1
        process.kill()
        return read(process, png)

    with monkeypatch.context() as patch:
        patch.setattr(ReaderProcess, "read", deadly)
        with pytest.raises(ReaderFailed, match=r"exit code -9.*2 times over this picture"):
            await rapid.read(poster("DEADLY"))
    assert deaths == 2
    assert said(await rapid.read(poster("RECOVERED"))) == ["RECOVERED"]


def test_a_silent_process_counts_as_dead(poster: Poster) -> None:
    process = ReaderProcess(("rapidocr",), threads=1, timeout_s=120)
    try:
        process.ready()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        process.timeout_s = 0.1
        with pytest.raises(ProcessDied, match=r"no answer in 0\.1 s"):
            process.read(poster("HELLO"))
    finally:
        process.close()


@pytest.mark.parametrize("padding", [0, 4_000_000], ids=["small", "larger than the pipe"])
async def test_a_hanging_picture_fails_once_and_the_next_is_read(padding: int, poster: Poster) -> None:
    async with OcrService(("rapidocr",), timeout_s=0.2) as service:
        hung = service.pid
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        with pytest.raises(ReaderFailed, match=r"no answer in 0\.2 s and was killed, over this picture"):
            await service.read(poster("HANGS") + bytes(padding))
        assert service.pid is None
        service._timeout_s = 60.0
        assert said(await service.read(poster("NEXT ONE"))) == ["NEXT ONE"]
        assert service.pid not in (None, hung)


async def test_judging_equals_reading_and_scoring(rapid: OcrService, poster: Poster) -> None:
    picture = poster("SUMMER SALE", "50% OFF", "STRAY WORDS")
    texts = [Text("SUMMER SALE", critical=True), Text("50% OFF", "subtitle")]
    apart = score(texts, await rapid.read(picture), rapid.coverage, by_construction=True)
    assert await rapid.judge(picture, texts, by_construction=True) == apart
    assert apart.extra and apart.score


async def test_judging_refuses_what_is_no_picture_and_texts_the_schema_forbids(
    rapid: OcrService, poster: Poster
) -> None:
    before = rapid.pid
    with pytest.raises(ValueError, match="picture: "):
        await rapid.judge(b"abc", [Text("A")])
    with pytest.raises(ValueError, match=r"texts: .*length"):
        await rapid.judge(poster("A"), [Text("A" * 501)])
    assert rapid.pid == before


async def test_closing_ends_the_process_and_what_waits_for_it(poster: Poster) -> None:
    service = OcrService(("rapidocr",))
    await service.start()
    assert service.pid is not None
    child = os.pidfd_open(service.pid)
    waiting = [asyncio.ensure_future(service.read(poster("A", width=1500, pixels=200))) for _ in range(3)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await service.aclose()
    assert select.select([child], [], [], 0)[0] == [child]
    os.close(child)
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(answer, ReaderFailed) for answer in answers)
    with pytest.raises(ReaderFailed, match="closed"):
        await service.read(poster("A"))
    await service.aclose()


PARENT = """
import asyncio, sys
from inference.legibility.service import OcrService

async def main():
    service = OcrService(("rapidocr",))
    await service.start()
    loaded = sorted({"torch", "onnxruntime", "cv2", "rapidocr"} & set(sys.modules))
    sys.stdout.write(f"{service.pid} {loaded}\\n")
    sys.stdout.flush()
    png = open(sys.argv[1], "rb").read()
    while True:
        await service.read(png)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_the_process_dies_with_its_parent_and_the_parent_stays_light(tmp_path: Path, poster: Poster) -> None:
    script, picture = tmp_path / "parent.py", tmp_path / "poster.png"
    script.write_text(PARENT)
    picture.write_bytes(poster("BUSY", width=1500, pixels=200))
    with subprocess.Popen([sys.executable, script, picture], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, loaded = parent.stdout.readline().split(maxsplit=1)
        child = os.pidfd_open(int(pid))
        parent.kill()
    assert loaded == "[]\n"
    assert select.select([child], [], [], 5)[0] == [child]
    os.close(child)


OFFLINE = """
import socket, sys

def refuse(*_):
    raise AssertionError("a reader opened a connection")

socket.socket.connect = socket.getaddrinfo = refuse
from inference.legibility.rapid import RapidReader
reader = RapidReader(threads=1)
assert [line.text for line in reader.read(open(sys.argv[1], "rb").read())] == ["OFFLINE"]
assert not reader.read(open(sys.argv[2], "rb").read())
"""


def test_rapidocr_is_offline_and_quiet(tmp_path: Path, poster: Poster) -> None:
    words, blank = tmp_path / "words.png", tmp_path / "blank.png"
    words.write_bytes(poster("OFFLINE"))
    blank.write_bytes(poster(" "))
    done = subprocess.run([sys.executable, "-c", OFFLINE, words, blank], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(
    available_readers()["tesseract"][0], reason="tesseract is installed here, so it can be loaded"
)
async def test_a_reader_that_is_not_installed_says_how_to_get_it() -> None:
    service = OcrService(("tesseract",))
    with pytest.raises(ReaderFailed, match=r"readers tesseract could not be loaded: .*(pip|apt) install"):
        await service.start()
    assert service.pid is None
    await service.aclose()


def test_bad_settings_are_refused_before_anything_starts() -> None:
    with pytest.raises(ValueError, match="reader: 'rapid' is not known"):
        OcrService(("rapid",))
    with pytest.raises(ValueError, match="readers: none given"):
        OcrService(())
    with pytest.raises(ValueError, match="threads: 0 is below 1"):
        OcrService(threads=0)
    assert default_threads() >= 1
