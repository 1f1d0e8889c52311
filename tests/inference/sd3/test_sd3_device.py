from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inference.sd3 import device
from inference.sd3.device import Gpu, choose, detect, find_gpu, parse_flags

H200 = Gpu("NVIDIA H200", (9, 0), 139 * 2**30)
T4 = Gpu("Tesla T4", (7, 5), 15 * 2**30)
P100 = Gpu("Tesla P100", (6, 0), 16 * 2**30)


@pytest.mark.parametrize(
    ("gpu", "flags", "device", "dtype", "reason"),
    [
        (
            H200,
            set(),
            "cuda",
            "bfloat16",
            "NVIDIA H200 (139 GiB, compute capability 9.0) multiplies bfloat16 nat",
        ),
        (
            T4,
            {"avx512_bf16"},
            "cuda",
            "float16",
            "Tesla T4 (15 GiB, compute capability 7.5) multiplies float16, n",
        ),
        (
            P100,
            set(),
            "cpu",
            "float32",
            "Tesla P100 (compute capability 6.0) is too old for float16 matrices; th",
        ),
        (
            None,
            {"avx512f", "avx512_bf16"},
            "cpu",
            "bfloat16",
            "no CUDA GPU; this CPU multiplies bfloat16 nativel",
        ),
        (
            None,
            {"amx_bf16", "amx_tile"},
            "cpu",
            "bfloat16",
            "no CUDA GPU; this CPU multiplies bfloat16 natively (",
        ),
        (
            None,
            {"bf16", "asimd"},
            "cpu",
            "bfloat16",
            "no CUDA GPU; this CPU multiplies bfloat16 natively (bf16):",
        ),
        (
            None,
            {"avx2"},
            "cpu",
            "float32",
            "no CUDA GPU; this CPU has no bfloat16 instructions: cpu, float32",
        ),
        (
            Gpu("NVIDIA L4", (8, 9), 24 * 2**30, "the installed PyTorch is built without CUDA"),
            {"avx2"},
            "cpu",
            "float32",
            "NVIDIA L4 cannot be used, because the installed PyTorch is built without CUDA; this CPU has",
        ),
    ],
)
def test_the_fastest_place_that_is_right_is_chosen_with_its_reason(
    gpu: Gpu | None, flags: set[str], device: str, dtype: str, reason: str
) -> None:
    choice = choose(gpu, frozenset(flags))
    assert (choice.device, choice.dtype) == (device, dtype)
    assert choice.reason.startswith(reason)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (
            "processor: 0\nflags\t\t: fpu avx512_bf16\nbugs : x\n\nprocessor: 1\nflags : other\n",
            {"fpu", "avx512_bf16"},
        ),
        ("processor : 0\nFeatures : fp asimd bf16\n", {"fp", "asimd", "bf16"}),
        ("vendor: unknown\n", set()),
    ],
)
def test_flags_are_the_first_processors(text: str, flags: set[str]) -> None:
    assert parse_flags(text) == flags


class Driver:
    """libcuda's calls, answered from Python; `fails` names the one that gives an error."""

    def __init__(self, fails: str = "", code: int = 0) -> None:
        self.fails = fails
        self.code = code

    def __getattr__(self, name: str) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            if name == self.fails:
                return self.code
            return self.answer(name, *arguments)

        return call

    def answer(self, name: str, *arguments: Any) -> int:
        if name == "cuDeviceGetName":
            arguments[0].value = b"NVIDIA H200"
        elif name == "cuDeviceGetAttribute":
            arguments[0]._obj.value = {75: 9, 76: 0}[arguments[1]]
        elif name == "cuDeviceTotalMem_v2":
            arguments[0]._obj.value = 139 * 2**30
        elif name == "cuGetErrorString":
            arguments[1]._obj.value = b"system has unsupported display driver"
        return 0


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Callable[[Driver], None]:
    def install(driver: Driver) -> None:
        monkeypatch.setattr(ctypes, "CDLL", lambda _: driver)
        monkeypatch.setattr(device, "_torch_obstacle", lambda: "")

    return install


def test_the_drivers_answers_make_the_gpu(driver: Callable[[Driver], None]) -> None:
    driver(Driver())
    assert find_gpu() == H200


def test_a_driver_without_a_gpu_is_no_gpu(driver: Callable[[Driver], None]) -> None:
    driver(Driver("cuInit", 100))
    assert find_gpu() is None


@pytest.mark.parametrize("call", ["cuInit", "cuDeviceGet", "cuDeviceTotalMem_v2"])
def test_a_failing_driver_says_what_it_said(driver: Callable[[Driver], None], call: str) -> None:
    driver(Driver(call, 803))
    found = find_gpu()
    assert found is not None
    assert found.obstacle == "its driver fails: error 803, system has unsupported display driver"


def test_no_driver_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert find_gpu() is None


@pytest.mark.parametrize(
    ("line", "obstacle"),
    [
        ("cuda: Optional[str] = '13.0'\n", ""),
        ("cuda: Optional[str] = None\n", "the installed PyTorch is built without CUDA"),
        ("cuda = None\n", "the installed PyTorch is built without CUDA"),
    ],
)
def test_pytorch_without_cuda_is_known_before_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, obstacle: str
) -> None:
    (tmp_path / "version.py").write_text(f"__version__ = '2.11.0'\n{line}")
    origin = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
    monkeypatch.setattr("importlib.util.find_spec", lambda _: origin)
    assert device._torch_obstacle() == obstacle


def test_this_machine_gives_one_of_the_choices() -> None:
    choice = detect()
    assert choice.reason.endswith(f": {choice.device}, {choice.dtype}")
