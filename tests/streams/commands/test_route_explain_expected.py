"""`route explain --policy expected`, from the command line to the numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.events import PromptRef
from streams.cli import main
from streams.routing.expected.deciding import Tried
from streams.routing.expected.features import Features
from streams.routing.expected.keeping import Kept
from streams.routing.expected.policyfile import load_policy
from streams.routing.expected.remembering import News, Place

POLICY = load_policy()
PROMPT = '{"source": "s", "id": "1", "prompt": "the word \\"SALE\\"", "variants": 2}'
Explain = Callable[..., tuple[int, str, str]]


@pytest.fixture
def explain(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Explain:
    """Runs the verb over one prompt in a folder of its own; exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GLYPHSTREAM_LEDGER", str(tmp_path / "ledger.db"))
    monkeypatch.setenv("GLYPHSTREAM_EMULATOR_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GLYPHSTREAM_SD3_MEDIUM", "none")

    def run(*options: str, prompt: str = PROMPT, policy: str = "expected") -> tuple[int, str, str]:
        Path("one.json").write_text(prompt)
        with pytest.raises(SystemExit) as left:
            main(["route", "explain", "one.json", "--policy", policy, *options])
        told = capsys.readouterr()
        return int(left.value.code or 0), told.out, told.err

    return run


def taught(file: Path, results: int) -> None:
    kept = Kept(str(file))
    features = Features(regions=1, characters=4, latin=True, critical_digits=False)
    for number in range(results):
        kept.learn(
            POLICY,
            News(
                place=Place(PromptRef("s", f"earlier {number}"), 0),
                features=features,
                tries=(Tried("ideogram_v2a_turbo", "far"),),
                emulated={"ideogram_v2a_turbo": True},
                model="emulator:ideogram_v2a_turbo",
                render_id=str(number),
                usd=0.025,
            ),
        )
    kept.close()


def test_it_tells_prior_posterior_each_step_and_the_choice(explain: Explain) -> None:
    code, out, err = explain()
    assert (code, err) == (0, "")
    assert out.count("seed ") == 2
    assert "as published: nothing was routed by this policy yet" in out
    assert "ideogram_v2a_turbo (emulated)" in out
    assert "published 0.8" in out
    assert "to an accepted image, on average" in out
    assert "=> draw " in out
    assert not Path("ledger.db").exists()


def test_it_takes_the_kept_rates_where_there_are_some(explain: Explain) -> None:
    _, published, _ = explain("--json")
    taught(Path("ledger.db"), 12)
    _, kept, _ = explain("--json")
    before, after = (json.loads(text.splitlines()[0]) for text in (published, kept))
    assert after["rates_from"].startswith("kept in ")
    assert after["results_seen"] == {"ideogram_v2a_turbo": 12}
    assert before["rates_digest"] != after["rates_digest"]
    (was,) = (rate for rate in before["rates"] if rate["engine"] == "ideogram_v2a_turbo")
    (now,) = (rate for rate in after["rates"] if rate["engine"] == "ideogram_v2a_turbo")
    assert was["prior"] == now["prior"] == pytest.approx(was["posterior"], abs=0.05)
    assert now["low"] < now["posterior"] < now["high"] < was["posterior"]
    assert after["explored"] in (True, False)


def test_tries_that_might_have_been_made_move_the_belief(explain: Explain) -> None:
    _, out, _ = explain(
        "--after", "ideogram_v2a_turbo:far", "--after", "gemini-3.1-flash-image:near", "--json"
    )
    told = json.loads(out.splitlines()[0])
    assert [tried["ending"] for tried in told["tries"]] == ["far", "near"]
    assert told["belief_plain"] < 0.5
    assert {step["engine"] for step in told["steps"]}.isdisjoint({tried["engine"] for tried in told["tries"]})


def test_type_alone_is_not_reckoned(explain: Explain) -> None:
    _, out, _ = explain(prompt='{"source": "s", "id": "1", "prompt": "p", "tags": ["layout-only"]}')
    assert "=> layout: tag layout-only" in out


@pytest.mark.parametrize(
    ("options", "policy", "said"),
    [
        (("--after", "dalle:near"), "expected", "--after 'dalle:near': give ENGINE:ENDING"),
        (("--after", "layout:almost"), "expected", "endings pass, near, far, refused, failed"),
        (("--after", "layout:far"), "hybrid", "--after is for --policy expected"),
    ],
)
def test_a_try_that_is_none_is_refused_with_the_fix(
    explain: Explain, options: tuple[str, ...], policy: str, said: str
) -> None:
    code, _, err = explain(*options, policy=policy)
    assert code == 2
    assert said in err
