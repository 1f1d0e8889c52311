"""The emulator's own books, the scripts that wait, the seeded plan, and what a provider keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from jsonschema import Draft202012Validator

from inference.engines.emulator.core import Emulator, InFlight
from inference.engines.emulator.ledger import Ledger, Row, read_ledger
from inference.engines.emulator.profiles import Profile
from inference.engines.emulator.scripts import Odds, Plan, ScriptError, Scripts, Step, load_plan, plan_of
from inference.engines.emulator.serving import emulator_process


class Counter(Protocol):
    url: str
    client: httpx.Client
    emulator: Emulator
    last: Row

    def ask(self, contract: str, fields: dict[str, Any] | None = None, **more: Any) -> httpx.Response: ...


class OpenCounter(Protocol):
    def __call__(self, **changes: Any) -> Counter: ...


class Schema(Protocol):
    def __call__(self, file: str, name: str) -> Draft202012Validator: ...


def test_every_picture_is_charged_at_the_published_price(
    counter: Counter, contract: str, price_of: Callable[[str], int]
) -> None:
    assert counter.ask(contract).status_code == 200
    assert counter.last.micros == price_of(contract)
    assert (counter.last.outcome, counter.last.images) == ("image", 1)
    assert "SUMMER SALE" in counter.last.prompt


PRICES = [
    ("gemini_imagen", {"parameters": {"sampleCount": 3}}, 120_000),
    (
        "gemini",
        {"generationConfig": {"imageConfig": {"imageSize": "4K", "aspectRatio": "16:9"}}},
        151_200 + 4,
    ),
    ("gemini", {"generationConfig": {"imageConfig": {"imageSize": "512"}}}, 44_820 + 4),
    ("openai_images", {"quality": "high", "size": "1024x1024"}, 1757 * 30 + 8 * 5),
    ("dalle", {"quality": "standard", "size": "1024x1792"}, 80_000),
    ("ideogram_v1", {"model": "V_2", "num_images": 2}, 160_000),
    ("ideogram_v2", {"quality": "high", "num_images": 3}, 300_000),
    ("stability", {"model": None}, 65_000),
]


@pytest.mark.parametrize(("contract", "fields", "micros"), PRICES)
def test_the_price_follows_size_quality_and_count(
    counter: Counter, contract: str, fields: dict[str, Any], micros: int
) -> None:
    assert counter.ask(contract, fields).status_code == 200
    assert counter.last.micros == micros


@pytest.mark.parametrize("contract", ["openai_images", "ideogram_v1", "gemini", "stability"])
def test_no_provider_honours_a_key_so_a_repeat_is_paid_twice(
    open_counter: OpenCounter, contract: str, price_of: Callable[[str], int]
) -> None:
    counter = open_counter()
    for _ in range(2):
        counter.ask(contract, headers={"Idempotency-Key": "job-1"})
    assert counter.emulator.ledger.charged_micros == 2 * price_of(contract)
    assert [row.idempotency_key for row in counter.emulator.ledger.rows] == ["job-1"] * 2


def test_our_own_contract_honours_the_key(open_counter: OpenCounter) -> None:
    counter = open_counter()
    body = {"prompt": "x", "width": 64, "height": 64}
    for key in ("a", "a", "b"):
        counter.client.post("/render", json=body, headers={"Idempotency-Key": key})
    first, again, other = counter.emulator.ledger.rows
    assert (first.repeat_of, again.repeat_of, other.repeat_of) == ("", first.id, "")


def test_a_key_is_never_in_the_books(open_counter: OpenCounter, contract: str, tmp_path: Path) -> None:
    counter = open_counter(ledger=Ledger(tmp_path / "spent.jsonl"))
    counter.ask(contract)
    counter.ask(contract, script={"fault": "auth"})
    assert "a-secret-key" not in counter.client.get("/__ledger").text
    assert b"a-secret-key" not in (tmp_path / "spent.jsonl").read_bytes()


def test_the_file_holds_every_row_before_its_answer_leaves(open_counter: OpenCounter, tmp_path: Path) -> None:
    path = tmp_path / "spent.jsonl"
    counter = open_counter(ledger=Ledger(path))
    for number in range(1, 4):
        counter.ask("ideogram_v1")
        assert len(read_ledger(path)) == number
    with path.open("ab") as file:
        file.write(b'{"number": 4, "at"')
    assert read_ledger(path) == counter.emulator.ledger.rows


def test_books_go_on_after_a_kill(open_counter: OpenCounter, tmp_path: Path) -> None:
    path = tmp_path / "spent.jsonl"
    body = {"prompt": "x", "width": 64, "height": 64}
    before = open_counter(ledger=Ledger(path))
    before.ask("ideogram_v1")
    before.client.post("/render", json=body, headers={"Idempotency-Key": "a"})
    with path.open("ab") as file:
        file.write(b'{"number": 3, "at"')
    after = open_counter(ledger=Ledger(path))
    after.client.post("/render", json=body, headers={"Idempotency-Key": "a"})
    after.ask("ideogram_v1")
    assert [row.number for row in read_ledger(path)] == [1, 2, 3, 4]
    assert after.emulator.ledger.charged_micros == 50_000
    assert read_ledger(path)[2].repeat_of == read_ledger(path)[1].id


def test_the_books_can_be_audited_from_outside(open_counter: OpenCounter) -> None:
    counter = open_counter()
    counter.ask("ideogram_v1")
    counter.ask("stability")
    counter.ask("stability", {"seed": -1})
    told = counter.client.get("/__ledger", params={"after": 1}).json()
    assert told["charged_micros"] == 60_000
    assert told["by_contract"] == {"ideogram_v1": 25_000, "stability": 35_000}
    assert told["by_outcome"] == {"image": 2, "invalid": 1}
    assert [row["contract"] for row in told["rows"]] == ["stability", "stability"]
    assert counter.client.get("/__ledger", params={"after": "x"}).status_code == 400


def test_steps_wait_for_the_requests_they_fit(open_counter: OpenCounter) -> None:
    counter = open_counter()
    counter.emulator.scripts.add(
        Step(fault="rate", contract="stability", times=2), Step(fault="quota", prompt="SUMMER")
    )
    statuses = [
        counter.ask(name).status_code for name in ("ideogram_v1", "stability", "stability", "stability")
    ]
    assert statuses == [402, 429, 429, 200]


def test_a_quote_or_too_much_at_once_uses_up_no_step(open_counter: OpenCounter) -> None:
    counter = open_counter(in_flight=InFlight({"ideogram": 1}))
    counter.emulator.scripts.add(Step(fault="quota", contract="ideogram_v2"))
    quote = counter.ask("ideogram_v2", path="/v2/image/generate/ideogram-4-5?dry_run=true")
    crowded = counter.ask("ideogram_v2", {"num_images": 2})
    asked = counter.ask("ideogram_v2")
    assert [answer.status_code for answer in (quote, crowded, asked)] == [200, 429, 402]
    assert len({row.id for row in counter.emulator.ledger.rows}) == 3


def test_a_plan_gives_each_asking_the_same_course_in_any_order() -> None:
    plan = Plan(seed=3, odds=(Odds(at=0.3, fault="rate"), Odds(at=0.2, fault="lost")))
    asked = [(f"poster {number}", nth) for number in range(200) for nth in range(2)]
    first = {key: plan.course("ideogram_v1", "V_2A", *key).fault for key in asked}
    again = {key: plan.course("ideogram_v1", "V_2A", *key).fault for key in reversed(asked)}
    assert first == again
    counts = [list(first.values()).count(fault) for fault in ("rate", "lost", None)]
    # 400 draws of 0.3, 0.2 and 0.5: within four standard deviations
    assert all(abs(count - share) < 40 for count, share in zip(counts, (120, 80, 200), strict=True))


def test_a_plan_is_read_from_a_file_or_refused_with_its_field(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("seed: 7\nodds:\n  - {at: 0.1, fault: lost, contract: ideogram_v1}\n")
    assert load_plan(path).odds[0].contract == "ideogram_v1"
    path.write_text("odds: [{at: 2, fault: lost}]")
    with pytest.raises(ScriptError, match="at"):
        load_plan(path)
    with pytest.raises(ScriptError, match="more than 1"):
        plan_of(b'{"odds": [{"at": 0.7}, {"at": 0.7}]}')


def test_scripts_and_plans_come_over_the_wire(open_counter: OpenCounter) -> None:
    counter = open_counter()
    assert counter.client.post("/__scripts", json=[{"fault": "gone"}]).json() == {"added": 1}
    assert counter.client.post("/__plan", json={"odds": [{"at": 1, "fault": "rate"}]}).status_code == 200
    assert [counter.ask("gemini").status_code for _ in range(2)] == [404, 429]
    assert counter.client.post("/__scripts", json=[{"faults": "gone"}]).status_code == 400
    assert counter.client.post("/__plan", content=b"[").status_code == 400


def test_misspelling_can_be_set_for_one_request(open_counter: OpenCounter) -> None:
    drawn: list[float] = []

    def draw(drawing: Any) -> bytes:
        drawn.append(drawing.misspell)
        return b"\x89PNG"

    counter = open_counter(draw=draw, profiles={"default": Profile(misspell=0.1)})
    counter.ask("gemini", script={"misspell": 0.75})
    counter.ask("gemini")
    assert drawn == [0.75, 0.1]


def test_a_model_is_played_by_the_profile_that_lists_it(open_counter: OpenCounter) -> None:
    profiles = {"default": Profile(), "prim": Profile(refuse=("gore",), models=("V_2A_TURBO",))}
    counter = open_counter(profiles=profiles)
    assert counter.ask("ideogram_v1", {"prompt": "Gore!"}).status_code == 422
    assert counter.ask("ideogram_v1", {"prompt": "Gore!", "model": "V_2"}).status_code == 200


def test_each_asking_draws_anew_and_the_same_in_every_run(open_counter: OpenCounter) -> None:
    one, other = open_counter(), open_counter()
    first = [one.ask("gemini").content for _ in range(2)]
    second = [other.ask("gemini").content for _ in range(2)]
    assert first == second
    assert first[0] != first[1]


def test_a_seed_is_kept_where_the_contract_takes_one(counter: Counter) -> None:
    told = [counter.ask("ideogram_v1", {"seed": 11, "num_images": 2}).json()["data"] for _ in range(2)]
    assert [[image["seed"] for image in data] for data in told] == [[11, 12]] * 2
    pictures = [counter.client.get(data[0]["url"]).content for data in told]
    assert pictures[0] == pictures[1]


def test_ideogram_says_that_it_rewrote_the_prompt_unless_told_to_leave_it(counter: Counter) -> None:
    rewritten = counter.ask("ideogram_v1").json()["data"][0]["prompt"]
    left = counter.ask("ideogram_v1", {"magic_prompt_option": "OFF"}).json()["data"][0]["prompt"]
    assert left in rewritten != left


async def test_ideogram_counts_images_in_flight_over_both_contracts(open_counter: OpenCounter) -> None:
    release, entered = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def sleep(_seconds: float) -> None:
        loop.call_soon_threadsafe(entered.set)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(release.wait(), loop))

    counter = open_counter(sleep=sleep, in_flight=InFlight({"ideogram": 4}))
    async with httpx.AsyncClient(base_url=counter.url, headers={"Api-Key": "k"}, timeout=30) as client:
        body = {"image_request": {"prompt": "x", "model": "V_2A", "num_images": 3}}
        waiting = asyncio.create_task(client.post("/generate", json=body))
        await entered.wait()
        refused = await client.post("/v2/image/generate/ideogram-4-5", json={"prompt": "x", "num_images": 2})
        release.set()
        assert (await waiting).status_code == 200
        assert refused.status_code == 429
        assert refused.json()["reject_reason"] == "inflight_limit"
        assert (await client.post("/generate", json=body)).status_code == 200


def test_a_generation_can_be_polled(open_counter: OpenCounter, schema: Schema) -> None:
    now = [1_000_000.0]
    counter = open_counter(clock=lambda: now[0], pace=1.0, profiles={"default": Profile(delay_s=20)})
    accepted = counter.ask("ideogram_v2", {"async": True}).json()
    assert "data" not in accepted
    assert counter.last.micros == 60_000

    def poll() -> Any:
        told = counter.client.get(
            f"/v2/generations/{accepted['generation_id']}", headers={"Api-Key": "k"}
        ).json()
        schema("ideogram_v2", "generation").validate(told)
        return told

    assert poll()["status"] == "pending"
    now[0] += 21
    told = poll()
    assert told["status"] == "completed"
    assert counter.client.get(told["data"][0]["url"]).headers["content-type"] == "image/png"
    unknown = counter.client.get("/v2/generations/nothing", headers={"Api-Key": "k"})
    assert unknown.status_code == 404
    assert counter.client.get(f"/v2/generations/{accepted['generation_id']}").status_code == 401


def test_a_withheld_generation_is_polled_as_withheld(open_counter: OpenCounter, schema: Schema) -> None:
    counter = open_counter()
    accepted = counter.ask("ideogram_v2", {"async": True}, script={"fault": "withhold"}).json()
    assert "data" not in accepted
    address = f"/v2/generations/{accepted['generation_id']}"
    told = counter.client.get(address, headers={"Api-Key": "k"}).json()
    schema("ideogram_v2", "generation").validate(told)
    assert [(image["is_image_safe"], image["url"]) for image in told["data"]] == [(False, None)]


def test_a_fault_of_our_own_is_the_providers_500_and_costs_nothing(
    open_counter: OpenCounter, contract: str
) -> None:
    def fail(_drawing: Any) -> bytes:
        raise RuntimeError("no ink")

    counter = open_counter(draw=fail)
    answer = counter.ask(contract)
    if answer.status_code == 200:
        answer = counter.client.get(answer.json()["data"][0]["url"])
    else:
        assert (counter.last.outcome, counter.last.micros) == ("failed", 0)
    assert answer.status_code == 500
    assert "no ink" not in answer.text


def test_a_process_keeps_its_books_in_a_file(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("odds: [{at: 1, fault: lost, contract: stability}]")
    books = tmp_path / "spent.jsonl"
    body = {"image_request": {"prompt": "x", "model": "V_2A_TURBO"}}
    with emulator_process(pace=0.0, workers=1, plain=True, ledger=books, plan=plan) as base:
        assert httpx.post(f"{base}/generate", json=body, headers={"Api-Key": "k"}).status_code == 200
        form = {"prompt": (None, "x"), "model": (None, "sd3.5-medium")}
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(
                f"{base}/v2beta/stable-image/generate/sd3", files=form, headers={"Authorization": "Bearer k"}
            )
    rows = read_ledger(books)
    assert [(row.contract, row.micros, row.fault) for row in rows] == [
        ("ideogram_v1", 25_000, ""),
        ("stability", 35_000, "lost"),
    ]


def test_scripts_remember_how_often_each_prompt_was_asked() -> None:
    scripts = Scripts()
    nths = [scripts.next("gemini", "m", prompt)[1] for prompt in ("a", "b", "a", "a")]
    assert nths == [0, 0, 1, 2]
