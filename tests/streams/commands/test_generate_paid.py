"""generate and money: no ledger where nothing is paid, and each line of a file is a job of its own."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from inference.engines.ledger import Ledger
from inference.engines.ledger.reporting import report
from streams.cli import main


@dataclass
class PaidServer:
    url: str = ""
    prompts: list[str] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[PaidServer]:
    """A server that takes four cents for a picture."""
    paid = PaidServer()
    png = io.BytesIO()
    Image.new("RGB", (256, 256), "navy").save(png, "PNG")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            paid.prompts.append(asked["prompt"])
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(png.getvalue())))
            self.send_header("X-Cost-Usd", "0.04")
            self.end_headers()
            self.wfile.write(png.getvalue())

        def log_message(self, *_arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    paid.url = f"http://127.0.0.1:{http.server_port}/draw"
    yield paid
    http.shutdown()
    thread.join()
    http.server_close()


def generate(tmp_path: Path, *arguments: str) -> object:
    where = ("--out", str(tmp_path / "out"), "--assets", str(tmp_path / "assets"))
    size = ("--width", "256", "--height", "256", "--no-ocr", "--json")
    with pytest.raises(SystemExit) as left:
        main(["generate", *arguments, *size, *where])
    return left.value.code


def test_what_is_drawn_here_needs_no_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], server: PaidServer
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("GLYPHSTREAM_LEDGER", str(tmp_path / "file" / "ledger.db"))
    monkeypatch.setenv("GLYPHSTREAM_RENDER_URL", server.url)
    assert generate(tmp_path, "--prompt", 'a sign: "SALE"') == 0
    assert generate(tmp_path, "--prompt", 'a sign: "SALE"', "--model", "http_render") == 2
    assert "(ledger, GLYPHSTREAM_LEDGER)" in capsys.readouterr().err
    assert server.prompts == []


@pytest.mark.parametrize(
    ("no_cache", "pictures"), [("true", 2), ("false", 1)], ids=["without a cache", "with it"]
)
def test_two_equal_lines_are_two_jobs(
    no_cache: str,
    pictures: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    server: PaidServer,
) -> None:
    monkeypatch.setenv("GLYPHSTREAM_RENDER_URL", server.url)
    monkeypatch.setenv("GLYPHSTREAM_NO_CACHE", no_cache)
    monkeypatch.setenv("GLYPHSTREAM_LEDGER", str(tmp_path / "ledger.db"))
    (tmp_path / "prompts").write_text('a sign: "SALE"\n' * 2)
    assert generate(tmp_path, "--prompt-file", str(tmp_path / "prompts"), "--model", "http_render") == 0
    drawn = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(server.prompts) == pictures
    assert sorted(each["usd"] for each in drawn) == [0.04 * (pictures - 1), 0.04]
    assert sum(each["cached"] for each in drawn) == 2 - pictures
    ledger = Ledger.open(str(tmp_path / "ledger.db"))
    (line,) = report(ledger.database, by=())
    ledger.close()
    assert (line.images, line.settled) == (pictures, 40_000 * pictures)
