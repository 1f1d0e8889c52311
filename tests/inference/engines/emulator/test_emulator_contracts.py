"""The emulator and the providers' published schemas, written down under `contracts/`, agree."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any, Protocol, get_args

import httpx
import pytest
from jsonschema import Draft202012Validator

from inference.engines.emulator.contracts.base import BARREN, TURNS, Spoilt
from inference.engines.emulator.contracts.ideogram_v1 import RESOLUTIONS
from inference.engines.emulator.contracts.ideogram_v2 import SIZES
from inference.engines.emulator.hosted import CONTRACTS


class Counter(Protocol):
    def ask(self, contract: str, fields: dict[str, Any] | None = None, **more: Any) -> httpx.Response: ...


class Schema(Protocol):
    def __call__(self, file: str, name: str) -> Draft202012Validator: ...


FILES = {
    "gemini_imagen": ("google", "predict_request", "predict_response"),
    "gemini": ("google", "generate_content_request", "generate_content_response"),
    "openai_images": ("openai", "gpt_request", "gpt_response"),
    "dalle": ("openai", "dalle_request", "dalle_response"),
    "ideogram_v1": ("ideogram_v1", "request", "response"),
    "ideogram_v2": ("ideogram_v2", "request", "response"),
    "stability": ("stability", "request", "response"),
}

# Requests that the published schema judges alone: the emulator must agree with it on each.
BY_SCHEMA: dict[str, list[dict[str, Any]]] = {
    "gemini_imagen": [
        {},
        {"parameters": {"sampleCount": 4, "aspectRatio": "9:16", "sampleImageSize": "2K"}},
        {"parameters": {"outputOptions": {"mimeType": "image/jpeg", "compressionQuality": 80}}},
        {"parameters": {"includeRaiReason": True, "personGeneration": "ALLOW_ADULT", "language": "en"}},
        {"parameters": {"sampleCount": 5}},
        {"parameters": {"aspectRatio": "2:3"}},
        {"parameters": {"seed": 7}},
        {"parameters": {"negativePrompt": "fog"}},
        {"parameters": {"addWatermark": False}},
        {"parameters": {"sampleImageSize": "4K"}},
        {"instances": []},
        {"instances": [{"prompt": "x", "image": {}}]},
        {"prompt": "x"},
    ],
    "gemini": [
        {},
        {"generationConfig": {}},
        {"generationConfig": {"imageConfig": {"aspectRatio": "8:1", "imageSize": "512"}}},
        {"generationConfig": {"seed": 7, "temperature": 0.5, "responseModalities": ["TEXT", "IMAGE"]}},
        {"generationConfig": {"imageConfig": {"aspectRatio": "7:5"}}},
        {"generationConfig": {"imageConfig": {"width": 512}}},
        {"generationConfig": {"negativePrompt": "fog"}},
        {"generationConfig": {"candidateCount": 2}},
        {"generationConfig": {"responseModalities": ["TEXT"]}},
        {"contents": []},
        {"contents": [{"parts": []}]},
        {"prompt": "x"},
    ],
    "openai_images": [
        {},
        {"n": 2, "size": "1536x1024", "output_format": "jpeg", "output_compression": 60},
        {"size": "auto", "quality": "auto", "background": "opaque", "moderation": "low", "user": "u"},
        {"quality": "xhigh"},
        {"quality": "hd"},
        {"response_format": "b64_json"},
        {"style": "vivid"},
        {"seed": 7},
        {"negative_prompt": "fog"},
        {"n": 0},
        {"n": 11},
        {"prompt": "x" * 32_001},
        {"output_format": "bmp"},
        {"output_format": "webp", "output_compression": 101},
    ],
    "dalle": [
        {},
        {"size": "1792x1024", "style": "natural", "response_format": "b64_json", "user": "u"},
        {"size": "1024x1536"},
        {"quality": "high"},
        {"output_format": "png"},
        {"background": "opaque"},
        {"seed": 7},
        {"prompt": "x" * 4_001},
    ],
    "ideogram_v1": [
        {},
        {"seed": 2**31 - 1, "num_images": 8, "magic_prompt_option": "OFF", "aspect_ratio": "ASPECT_10_16"},
        {"style_type": "DESIGN"},
        {"model": "V_2", "resolution": "RESOLUTION_768_1232", "negative_prompt": "fog"},
        {"model": "V_3"},
        {"seed": 2**31},
        {"seed": -1},
        {"num_images": 9},
        {"aspect_ratio": "ASPECT_5_4"},
        {"aspect_ratio": "2:3"},
        {"model": "V_2", "resolution": "RESOLUTION_1000_1000"},
        {"model": "V_2", "resolution": "RESOLUTION_768_1232", "aspect_ratio": "ASPECT_1_1"},
        {"size": "1024x1024"},
    ],
    "ideogram_v2": [
        {},
        {"size": "auto", "quality": "low", "seed": 0, "num_images": 2, "magic_prompt": "off", "async": True},
        {"size": "832x1248"},
        {"size": "512x1536"},
        {"size": "source"},
        {"quality": "very_low"},
        {"magic_prompt": "OFF"},
        {"seed": 2**31},
        {"num_images": 9},
        {"negative_prompt": "fog"},
        {"resolution": "1K"},
        {"prompt": ""},
        {"prompt": "x" * 10_001},
    ],
    "stability": [
        {},
        {"aspect_ratio": "9:21", "seed": 2**32 - 2, "output_format": "jpeg", "negative_prompt": "fog"},
        {"model": "sd3.5-large-turbo", "cfg_scale": 4.5},
        {"aspect_ratio": "4:3"},
        {"seed": 2**32 - 1},
        {"model": "sd4"},
        {"cfg_scale": 11},
        {"strength": 0.5},
        {"prompt": "x" * 10_001},
    ],
}
CASES = [(contract, fields) for contract, many in BY_SCHEMA.items() for fields in many]


@pytest.mark.parametrize(("contract", "fields"), CASES, ids=lambda value: str(value)[:60])
def test_it_takes_what_the_schema_allows_and_nothing_else(
    counter: Counter, schema: Schema, contract: str, fields: dict[str, Any]
) -> None:
    file, asked, told = FILES[contract]
    answer = counter.ask(contract, fields)
    allowed = schema(file, asked).is_valid(_asked(answer.request, contract, fields))
    assert (answer.status_code == 200) == allowed, answer.text[:300]
    schema(file, told if allowed else "error").validate(answer.json())
    if not allowed:
        assert answer.status_code == 400


def _asked(request: httpx.Request, contract: str, fields: dict[str, Any]) -> Any:
    """The body as it was sent; a form's fields as they were meant."""
    return {"prompt": "x", **fields} if contract == "stability" else json.loads(request.content)


# What a provider rejects by a sentence of its documents that no schema says.
BY_PROSE: list[tuple[str, dict[str, Any], str]] = [
    ("dalle", {"n": 2}, "n"),
    ("dalle", {"size": "512x512"}, "size"),
    ("openai_images", {"size": "1000x1000"}, "size"),
    ("openai_images", {"size": "512x2048"}, "size"),
    ("openai_images", {"size": "4096x2160"}, "size"),
    ("openai_images", {"output_compression": 50}, "output_compression"),
    ("openai_images", {"background": "transparent", "output_format": "jpeg"}, "background"),
    ("openai_images", {"model": "gpt-image-1", "size": "1280x720"}, "size"),
    ("openai_images", {"model": "gpt-image-2", "quality": "max"}, "quality"),
    ("ideogram_v1", {"negative_prompt": "fog"}, "negative_prompt"),
    ("ideogram_v1", {"resolution": "RESOLUTION_768_1232"}, "resolution"),
    ("ideogram_v1", {"color_palette": {"name": "EMBER"}}, "color_palette"),
    ("ideogram_v1", {"model": "V_1", "style_type": "DESIGN"}, "style_type"),
    ("ideogram_v2", {"webhook_url": "https://127.0.0.1/"}, "webhook_url"),
    ("stability", {"output_format": "webp"}, "output_format"),
    ("stability", {"mode": "image-to-image"}, "image"),
]


@pytest.mark.parametrize(("contract", "fields", "named"), BY_PROSE, ids=lambda value: str(value)[:60])
def test_a_field_that_a_model_does_not_take_is_a_400_that_names_it(
    counter: Counter, schema: Schema, contract: str, fields: dict[str, Any], named: str
) -> None:
    answer = counter.ask(contract, fields)
    assert answer.status_code == 400
    schema(FILES[contract][0], "error").validate(answer.json())
    assert named in answer.text


def test_without_a_key_nobody_is_served(counter: Counter, schema: Schema, contract: str) -> None:
    nobody = {"x-goog-api-key": "", "Authorization": "", "Api-Key": ""}
    answer = counter.ask(contract, headers=nobody)
    assert answer.status_code == (403 if FILES[contract][0] == "google" else 401)
    schema(FILES[contract][0], "error").validate(answer.json())


def test_the_wrong_header_is_no_key(counter: Counter) -> None:
    swapped = {"Api-Key": "", "Authorization": "Bearer a-secret-key"}
    assert counter.ask("ideogram_v1", headers=swapped).status_code == 401
    assert counter.ask("stability", headers={"Authorization": "a-secret-key"}).status_code == 401


def test_a_model_that_never_was_is_not_found(counter: Counter, schema: Schema) -> None:
    unknown = [
        counter.ask("gemini_imagen", path="/v1beta/models/imagen-9:predict"),
        counter.ask("gemini", path="/v1beta/models/gemini-9-image:generateContent"),
        counter.ask("openai_images", {"model": "gpt-image-9"}),
        counter.ask("ideogram_v2", path="/v2/image/generate/ideogram-9"),
    ]
    assert [answer.status_code for answer in unknown] == [404] * 4
    assert unknown[2].json()["error"]["code"] == "model_not_found"
    schema("google", "error").validate(unknown[0].json())


def test_a_gemini_model_has_its_own_shapes_and_sizes(counter: Counter) -> None:
    wide = {"generationConfig": {"imageConfig": {"aspectRatio": "1:8"}}}
    path = "/v1beta/models/gemini-3-pro-image:generateContent"
    assert counter.ask("gemini", wide).status_code == 200
    assert counter.ask("gemini", wide, path=path).status_code == 400


def test_a_price_quote_costs_nothing_and_fits_its_schema(counter: Counter, schema: Schema) -> None:
    path = "/v2/image/generate/ideogram-4-5?dry_run=true"
    answer = counter.ask("ideogram_v2", {"num_images": 2}, path=path)
    schema("ideogram_v2", "quote").validate(answer.json())
    assert answer.json()["usd_micros"] == 120_000


def test_stability_sends_bytes_to_whoever_accepts_images(counter: Counter) -> None:
    answer = counter.ask("stability", {"seed": 5}, headers={"Accept": "image/*"})
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["finish-reason"] == "SUCCESS"
    assert answer.headers["seed"] == "5"
    assert counter.ask("stability", headers={"Accept": "text/html"}).status_code == 400


def test_lists_of_sizes_are_the_published_ones() -> None:
    folder = Path(__file__).parent / "contracts"
    v1 = json.loads((folder / "ideogram_v1.json").read_text())["$defs"]["request"]["properties"]
    v2 = json.loads((folder / "ideogram_v2.json").read_text())["$defs"]["request"]["properties"]
    assert set(v1["image_request"]["properties"]["resolution"]["enum"]) == RESOLUTIONS
    assert set(v2["size"]["enum"]) == SIZES | {"auto"}


def test_emulator_and_adapters_share_no_code() -> None:
    engines = Path(__file__).parents[4] / "inference" / "engines"
    own = "inference.engines.emulator"
    allowed = (own, "inference.typography", "inference.legibility.expected", "schemas")
    emulator = {name for file in (engines / "emulator").rglob("*.py") for name in _imports(file)}
    ours = {name for name in emulator if name.startswith(("inference", "schemas", "streams"))}
    assert {name for name in ours if not name.startswith(allowed)} == set()
    adapters = {name for file in engines.glob("*.py") for name in _imports(file)}
    assert {name for name in adapters if name.startswith(own)} == set()


def _imports(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_the_page_tells_of_every_route_and_every_fault() -> None:
    page = (Path(__file__).parents[4] / "docs" / "contracts.md").read_text()
    missing = [word for word in (*CONTRACTS, *TURNS, *BARREN, *get_args(Spoilt)) if f"{word}`" not in page]
    assert missing == []


def test_every_schema_names_its_source() -> None:
    for file in (Path(__file__).parent / "contracts").glob("*.json"):
        for source in json.loads(file.read_text())["x-sources"]:
            assert "what" in source, file.name
            if source["published"]:
                assert "commit" in source or "version" in source or "page" in source, (file.name, source)
            else:
                assert source["note"], (file.name, source)
