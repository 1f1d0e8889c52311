"""Who competes, with which command; rivals live in a virtual environment of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.stand import Contestant

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).with_name("rivals.txt")
VENV = Path("out/bench/venv")
_PLACE = ("--bootstrap", "{bootstrap}", "--prefix", "{prefix}")


def glyphstream(folder: Path) -> Contestant:
    """The product as a user starts it."""
    command = (str(Path(sys.executable).with_name("glyphstream")), "run", "route")
    env = {
        "KAFKA_BOOTSTRAP_SERVERS": "{bootstrap}",
        "GLYPHSTREAM_TOPIC_PREFIX": "{prefix}",
        "GLYPHSTREAM_ASSETS": str(folder / "assets"),
    }
    return Contestant("glyphstream", "defaults", command, env)


def raw_aiokafka(*, way: str, batch: int) -> Contestant:
    return _own("raw_aiokafka", "raw aiokafka", f"{way} {batch}", ("--way", way, "--batch", str(batch)))


def bare_transactions() -> Contestant:
    """No job: each input becomes one output of the job's size."""
    return _own(
        "raw_aiokafka", "bare transaction", "batch 1000", ("--copy", "--way", "batch", "--batch", "1000")
    )


def quix(*, commit_every: int) -> Contestant:
    setting = f"commit_every {commit_every}" if commit_every else "defaults"
    return _rival("rival_quix", "Quix Streams", setting, ("--commit-every", str(commit_every)))


def faststream(*, way: str, batch: int = 500) -> Contestant:
    setting = way if way == "single" else f"{way} {batch}"
    return _rival("rival_faststream", "FastStream", setting, ("--way", way, "--batch", str(batch)))


def _own(module: str, name: str, setting: str, flags: Sequence[str]) -> Contestant:
    command = (sys.executable, "-m", f"tests.bench.{module}", *_PLACE, *flags)
    return Contestant(name, setting, command, {"PYTHONPATH": str(ROOT)})


def _rival(module: str, name: str, setting: str, flags: Sequence[str]) -> Contestant:
    command = (str(VENV / "bin" / "python"), "-m", f"tests.bench.{module}", *_PLACE, *flags)
    return Contestant(name, setting, command, {"PYTHONPATH": str(ROOT)})


def prepare_rivals() -> Mapping[str, str]:
    """Makes the rivals' environment where it is missing or older than its list; gives the versions in it."""
    mark = VENV / ".installed"
    wanted = REQUIREMENTS.read_text("utf-8")
    if not mark.exists() or mark.read_text("utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        pip = (str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet")
        subprocess.run(
            [*pip, "--disable-pip-version-check", "--no-deps", "-r", str(REQUIREMENTS)], check=True
        )
        mark.write_text(wanted, "utf-8")
    pins = (line.partition("==") for line in wanted.splitlines() if "==" in line)
    return {name: version for name, _, version in pins}
