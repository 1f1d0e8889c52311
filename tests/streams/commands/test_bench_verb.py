"""`glyphstream bench` with the engine that sets type and a real reader."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inference.bench.baseline import Report, decode
from inference.bench.places import found_from
from inference.bench.samples import Sample
from inference.bench.screen import Screen
from streams.cli import INTERRUPTED, main

Bench = Callable[..., tuple[int, str, str]]
PROMPTS = 'a jazz poster: "BLUE HOUR"\na plain poster layout\n'


@pytest.fixture
def bench(capfd: pytest.CaptureFixture[str]) -> Bench:
    def run(*arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main(["bench", *arguments])
        said = capfd.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, said.out, said.err

    return run


@dataclasses.dataclass(frozen=True, slots=True)
class Recorded:
    """A bench that was run: its folder holds prompts, journal, pictures and base.json."""

    folder: Path
    said: str

    def arguments(self, out: Path | None = None) -> tuple[str, ...]:
        prompts, kept = self.folder / "prompts.txt", out or self.folder / "out"
        size = ("--width", "256", "--height", "256")
        return ("--models", "layout", "--prompts", str(prompts), "--samples", "2", *size, "--out", str(kept))

    @property
    def report(self) -> Report:
        return found_from(self.folder, decode((self.folder / "base.json").read_bytes(), "base.json"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("bench")
    (folder / "prompts.txt").write_text(PROMPTS, "utf-8")
    made = Recorded(folder, "")
    with pytest.raises(SystemExit) as left:
        main(["bench", *made.arguments(), "--json", str(folder / "base.json")])
    assert left.value.code == 0
    return made


def test_the_report_holds_every_picture_that_was_asked_for(recorded: Recorded) -> None:
    report = recorded.report
    (engine,) = report.engines
    assert (engine.engine, engine.figures.samples, len(engine.samples)) == ("layout", 4, 5)
    assert (engine.figures.usd_hosted, engine.figures.accepted_samples) == (0.0, 4)
    assert report.command.startswith("glyphstream")
    pictures = [Path(sample.image.removeprefix("file://")) for sample in engine.samples]
    assert all(path.is_relative_to(recorded.folder / "out" / "pictures") for path in pictures)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


def test_an_unchanged_run_passes_the_gate_and_is_its_own_baseline(
    recorded: Recorded, bench: Bench, tmp_path: Path
) -> None:
    base, html = str(recorded.folder / "base.json"), tmp_path / "deep" / "report.html"
    gate = (
        "--baseline",
        base,
        "--fail-if",
        "legibility < baseline - 0.02",
        "--fail-if",
        "p50 > 100 * baseline",
    )
    code, out, err = bench(*recorded.arguments(tmp_path / "out"), *gate, "--html", str(html), "--json", "-")
    assert code == 0
    ours, theirs = decode(out.encode(), "-").engines[0], recorded.report.engines[0]
    assert [told(each) for each in ours.samples] == [told(each) for each in theirs.samples]
    assert "layout: legibility < baseline - 0.02: holds: " in err
    assert "layout: p50 > 100 * baseline: holds: " in err
    assert "<html" in html.read_text("utf-8")


def test_the_same_command_draws_nothing_anew_and_gates_nothing_old(recorded: Recorded, bench: Bench) -> None:
    code, out, err = bench(*recorded.arguments(), "--json", "-")
    assert code == 0
    assert decode(out.encode(), "-").engines == recorded.report.engines
    assert "5 pictures are there; --fresh draws all anew" in err
    code, out, err = bench(*recorded.arguments(), "--fail-if", "accepted < 1")
    assert (code, out) == (2, "")
    assert "--fail-if: all 4 pictures are in " in err


def worse(recorded: Recorded, tmp_path: Path) -> Path:
    """The recorded folder with a journal in which one picture was read far worse, and one is left to draw."""
    out = tmp_path / "out"
    shutil.copytree(recorded.folder / "out", out)
    lines = (out / "journal.jsonl").read_text("utf-8").splitlines()
    entry: dict[str, Any] = json.loads(lines[-1])
    entry["detail"]["sample"] |= {"score": 0.25, "recall": 0.25, "accepted": False}
    (out / "journal.jsonl").write_text("\n".join([*lines[:-2], json.dumps(entry)]) + "\n", "utf-8")
    return out


def test_a_regression_trips_the_gate_and_names_its_pictures(
    recorded: Recorded, bench: Bench, tmp_path: Path
) -> None:
    out, html = worse(recorded, tmp_path), tmp_path / "report.html"
    gate = ("--baseline", str(recorded.folder / "base.json"), "--fail-if", "legibility < baseline - 0.02")
    code, said, _ = bench(*recorded.arguments(out), *gate, "--html", str(html))
    assert code == 1
    assert "layout: legibility < baseline - 0.02: trips: " in said
    assert "3 of the pictures judged are of an earlier run" in said
    (line,) = [line for line in said.splitlines() if line.endswith(".png")]
    assert " before, 0.25 now: " in line
    assert Path(line.rpartition(": ")[2]).read_bytes().startswith(b"\x89PNG")
    assert "data:image/" in html.read_text("utf-8")


def told(sample: Sample) -> tuple[object, ...]:
    """All but times and places."""
    return sample.pair, sample.warm_up, sample.outcome, sample.score, sample.accepted, Path(sample.image).name


def test_ctrl_c_leaves_a_journal_from_which_the_same_command_goes_on(
    recorded: Recorded, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pressed(Screen):
        def watch(self, progress: Any) -> None:
            super().watch(progress)
            if progress.done == 2:
                signal.raise_signal(signal.SIGINT)

    arguments = recorded.arguments(tmp_path / "out")
    # Workers of a parallel test run ignore the signal, and then asyncio leaves it ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patched:
            patched.setattr("inference.bench.screen.Screen", Pressed)
            code, _, err = bench(*arguments)
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == INTERRUPTED
    assert "journal.jsonl has 2: the same command goes on" in err
    code, out, _ = bench(*arguments, "--json", "-")
    assert code == 0
    ours, theirs = decode(out.encode(), "-").engines[0], recorded.report.engines[0]
    assert [told(each) for each in ours.samples] == [told(each) for each in theirs.samples]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--models", "layout"), "give one of --prompt and --prompts"),
        (("--models", "layout", "--prompt", "a", "--prompts", "b"), "give one of --prompt and --prompts"),
        (
            ("--models", "layuot", "--prompt", "a"),
            "--models: engine: unknown 'layuot'; did you mean 'layout'?",
        ),
        (("--models", "policy:bold", "--prompt", "a"), "unknown 'bold'; known: policy:hybrid, "),
        (("--models", "layout", "--prompt", "a", "--reader", "nix"), "--reader: reader: 'nix' is not known"),
        (("--models", "layout", "--prompt", "a", "--fail-if", "p50 >"), "--fail-if: at character 6"),
        (
            ("--models", "layout", "--prompt", "a", "--baseline", "none.json", "--fail-if", "p50 > 1"),
            "--baseline none.json: No such file",
        ),
        (("--models", "layout", "--prompt", "a", "--baseline", "b.json"), "give one, such as --fail-if"),
        (("--models", "layout", "--prompt", "a", "--width", "70"), "width: must be an integer from 64"),
        (("--models", "layout", "--prompt", "a", "--html", "-"), "--html: is a file"),
        (("--models", "layout", "--prompts", "none.txt"), "--prompts none.txt: "),
        (("--prompt", "a"), "Missing option '--models'"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
def test_wrong_usage_leaves_with_2_before_anything_is_opened(
    bench: Bench, arguments: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = bench(*arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert not any(tmp_path.iterdir())


def test_a_baseline_of_another_bench_is_refused_before_a_picture_is_drawn(
    recorded: Recorded, bench: Bench, tmp_path: Path
) -> None:
    gate = ("--baseline", str(recorded.folder / "base.json"), "--fail-if", "legibility < baseline")
    code, _, err = bench(*recorded.arguments(tmp_path / "out"), "--seed", "9", *gate)
    assert code == 2
    assert "--baseline: was drawn from seed 0, here 9; use --seed 0" in err
    assert not (tmp_path / "out" / "journal.jsonl").exists()


def test_a_live_key_wants_max_usd(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLYPHSTREAM_RENDER_URL", "http://127.0.0.1:9/draw")
    monkeypatch.setenv("GLYPHSTREAM_RENDER_KEY", "k")
    code, _, err = bench("--models", "http_render", "--prompt", '"A"', "--out", str(tmp_path / "out"))
    assert code == 2
    assert "--max-usd: is required, since http_render (key in GLYPHSTREAM_RENDER_KEY) may be paid for" in err


def test_policies_are_compared_with_engines(bench: Bench, tmp_path: Path) -> None:
    event = {
        "source": "s",
        "id": "only",
        "prompt": '"OPEN"',
        "tags": ["layout-only"],
        "width": 256,
        "height": 256,
    }
    (tmp_path / "p").write_text(json.dumps(event), "utf-8")
    models = ("--models", "layout,policy:hybrid", "--prompts", str(tmp_path / "p"))
    code, out, _ = bench(
        *models, "--samples", "2", "--warm-up", "0", "--out", str(tmp_path / "out"), "--json", "-"
    )
    assert code == 0
    engine, policy = decode(out.encode(), "-").engines
    assert [sample.seed for sample in policy.samples] == [sample.seed for sample in engine.samples]
    assert [sample.score for sample in policy.samples] == [sample.score for sample in engine.samples]
    assert [sample.accepted for sample in policy.samples] == [True, True]
