"""An emulator in this process, and how each contract is asked in plain HTTP."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from inference.engines.emulator.app import Emulator
from inference.engines.emulator.core import InFlight
from inference.engines.emulator.drawing import draw_plain
from inference.engines.emulator.ledger import Ledger, Row
from inference.engines.emulator.profiles import Profile
from inference.engines.emulator.scripts import Scripts
from inference.engines.emulator.serving import emulator_thread

KEY = "a-secret-key"
CONTRACTS = ("gemini_imagen", "gemini", "openai_images", "dalle", "ideogram_v1", "ideogram_v2", "stability")
PROMPT = 'A poster that says "SUMMER SALE"'


@dataclass(frozen=True, slots=True)
class Wire:
    """One contract's plainest request. `dalle` is OpenAI's with the retired model."""

    path: str
    headers: dict[str, str]
    body: Callable[[dict[str, Any]], dict[str, Any]]
    price_micros: int


def _json(plain: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda fields: {"json": {**plain, **fields}}


def _form(fields: dict[str, Any]) -> dict[str, Any]:
    texts = {"prompt": PROMPT, "model": "sd3.5-medium", **fields}
    return {"files": {name: (None, str(value)) for name, value in texts.items() if value is not None}}


GOOGLE = {"x-goog-api-key": KEY}
BEARER = {"Authorization": f"Bearer {KEY}"}
IDEOGRAM = {"Api-Key": KEY}
CONTENTS = [{"parts": [{"text": PROMPT}]}]
WIRES = {
    "gemini_imagen": Wire(
        "/v1beta/models/imagen-4.0-generate-001:predict",
        GOOGLE,
        _json({"instances": [{"prompt": PROMPT}], "parameters": {}}),
        40_000,
    ),
    "gemini": Wire(
        "/v1beta/models/gemini-3.1-flash-image:generateContent",
        GOOGLE,
        _json({"contents": CONTENTS, "generationConfig": {"responseModalities": ["IMAGE"]}}),
        # eight tokens of the prompt at half a millionth
        67_200 + 4,
    ),
    "openai_images": Wire(
        "/v1/images/generations",
        BEARER,
        _json({"prompt": PROMPT, "model": "gpt-image-2.5-flare", "quality": "medium"}),
        440 * 30 + 8 * 5,
    ),
    "dalle": Wire(
        "/v1/images/generations",
        BEARER,
        _json({"prompt": PROMPT, "model": "dall-e-3", "quality": "hd"}),
        80_000,
    ),
    "ideogram_v1": Wire(
        "/generate",
        IDEOGRAM,
        lambda fields: {"json": {"image_request": {"prompt": PROMPT, "model": "V_2A_TURBO", **fields}}},
        25_000,
    ),
    "ideogram_v2": Wire(
        "/v2/image/generate/ideogram-4-5",
        IDEOGRAM,
        _json({"prompt": PROMPT, "quality": "medium", "size": "1024x1024"}),
        60_000,
    ),
    "stability": Wire(
        "/v2beta/stable-image/generate/sd3", {**BEARER, "Accept": "application/json"}, _form, 35_000
    ),
}


@dataclass(frozen=True, slots=True)
class Counter:
    """A running emulator, and a client of it."""

    url: str
    emulator: Emulator
    client: httpx.Client

    def ask(
        self,
        contract: str,
        fields: dict[str, Any] | None = None,
        *,
        script: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        path: str | None = None,
    ) -> httpx.Response:
        wire = WIRES[contract]
        sent = {**wire.headers, **(headers or {})}
        if script is not None:
            sent["X-Emulator-Script"] = json.dumps(script)
        return self.client.post(path or wire.path, headers=sent, **wire.body(fields or {}))

    @property
    def last(self) -> Row:
        return self.emulator.ledger.rows[-1]


class OpenCounter(Protocol):
    def __call__(self, **changes: Any) -> Counter: ...


@contextlib.contextmanager
def _opened(pool: ThreadPoolExecutor, **changes: Any) -> Iterator[Counter]:
    """A fresh emulator that draws one colour unless told otherwise."""
    plain = Emulator(profiles={"default": Profile()}, draw=draw_plain, executor=pool, pace=0.0)
    fresh: dict[str, Any] = {"ledger": Ledger(), "scripts": Scripts(), "in_flight": InFlight()}
    emulator = replace(plain, **{**fresh, **changes})
    with emulator_thread(emulator) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield Counter(url, emulator, client)


@pytest.fixture
def open_counter() -> Iterator[OpenCounter]:
    """An emulator of the test's own, with the given fields."""
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        yield lambda **changes: stack.enter_context(_opened(pool, **changes))


@pytest.fixture(scope="module")
def counter() -> Iterator[Counter]:
    """One that the tests of a file share: what one of them asks never changes what another is told."""
    with ThreadPoolExecutor(1) as pool, _opened(pool) as opened:
        yield opened


@pytest.fixture(params=CONTRACTS)
def contract(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def price_of() -> Callable[[str], int]:
    """The published price of the plainest request, in millionths of a dollar."""
    return lambda contract: WIRES[contract].price_micros


class Schema(Protocol):
    def __call__(self, file: str, name: str) -> Draft202012Validator: ...


@pytest.fixture(scope="session")
def schema() -> Schema:
    """A validator for one definition of a file under `contracts/`."""
    folder = Path(__file__).parent / "contracts"

    def load(file: str, name: str) -> Draft202012Validator:
        document = json.loads((folder / f"{file}.json").read_text())
        whole = {"$ref": f"#/$defs/{name}", "$defs": document["$defs"]}
        return Draft202012Validator(whole, format_checker=FormatChecker())

    return load
