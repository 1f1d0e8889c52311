"""Where the local engine computes and in which dtype, with the reason; found without importing torch."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Device = Literal["cuda", "cpu"]
Dtype = Literal["bfloat16", "float16", "float32"]

# What Linux calls them in /proc/cpuinfo, on x86 and on Arm.
BFLOAT16_FLAGS: Final = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
_AMPERE: Final = (8, 0)
_VOLTA: Final = (7, 0)
# CUdevice_attribute of cuda.h.
_MAJOR: Final = 75
_MINOR: Final = 76
_NO_DEVICE: Final = 100


@dataclass(frozen=True, slots=True)
class Gpu:
    """The first CUDA GPU that this process may use; `memory` in bytes.

    `obstacle` says why it cannot be used all the same: a driver's error, or a PyTorch built without CUDA.
    """

    name: str
    capability: tuple[int, int]
    memory: int
    obstacle: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Where and how to compute, and why, in words for a person."""

    device: Device
    dtype: Dtype
    reason: str


def choose(gpu: Gpu | None, cpu_flags: frozenset[str]) -> Choice:
    """The fastest place that gets SD3.5 right.

    SD3.5 was trained in bfloat16, whose range its activations may use. Volta and Turing have only float16 in
    their matrix units; older GPUs have none, and current PyTorch does not run on them. A CPU without bfloat16
    instructions emulates it, slower than float32; float16 is slow on all of them.
    """
    if gpu is not None and not gpu.obstacle and gpu.capability >= _VOLTA:
        what = f"{gpu.name} ({gpu.memory / 2**30:.0f} GiB, compute capability {_dotted(gpu)})"
        if gpu.capability >= _AMPERE:
            return Choice("cuda", "bfloat16", f"{what} multiplies bfloat16 natively: cuda, bfloat16")
        return Choice("cuda", "float16", f"{what} multiplies float16, not bfloat16: cuda, float16")
    why = _why_not(gpu)
    if found := sorted(cpu_flags & BFLOAT16_FLAGS):
        return Choice(
            "cpu",
            "bfloat16",
            f"{why}; this CPU multiplies bfloat16 natively ({', '.join(found)}): cpu, bfloat16",
        )
    return Choice("cpu", "float32", f"{why}; this CPU has no bfloat16 instructions: cpu, float32")


def detect() -> Choice:
    """Asks this machine, in milliseconds.

    Where there is an NVIDIA driver it is initialised in this process: children that are to use CUDA must be
    spawned after it, not forked.
    """
    return choose(find_gpu(), cpu_flags())


def find_gpu() -> Gpu | None:
    """The first GPU that the CUDA driver shows; CUDA_VISIBLE_DEVICES is honoured."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    return _ask(driver, _torch_obstacle())


def _ask(driver: ctypes.CDLL, obstacle: str) -> Gpu | None:
    code = driver.cuInit(0)
    if code == _NO_DEVICE:
        return None
    if code:
        return Gpu("an NVIDIA GPU", (0, 0), 0, f"its driver fails: {_error(driver, code)}")
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    memory, name = ctypes.c_size_t(), ctypes.create_string_buffer(256)
    code = (
        driver.cuDeviceGet(ctypes.byref(device), 0)
        or driver.cuDeviceGetName(name, len(name), device)
        or driver.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device)
        or driver.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device)
        or driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    )
    if code:
        return Gpu("an NVIDIA GPU", (0, 0), 0, f"its driver fails: {_error(driver, code)}")
    return Gpu(name.value.decode(errors="replace"), (major.value, minor.value), memory.value, obstacle)


def _error(driver: ctypes.CDLL, code: int) -> str:
    text = ctypes.c_char_p()
    driver.cuGetErrorString(code, ctypes.byref(text))
    return f"error {code}, {(text.value or b'unknown').decode(errors='replace')}"


def _torch_obstacle() -> str:
    """Why the installed PyTorch cannot use a GPU, read from its version file."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return "PyTorch is not installed"
    try:
        text = (Path(spec.origin).parent / "version.py").read_text()
    except OSError:
        return ""
    return (
        "the installed PyTorch is built without CUDA" if re.search(r"^cuda\b.*=\s*None$", text, re.M) else ""
    )


def cpu_flags() -> frozenset[str]:
    """The CPU's instruction sets as Linux names them; of other systems only what `choose` asks for."""
    if sys.platform == "darwin":
        return frozenset({"bf16"} if _sysctl("hw.optional.arm.FEAT_BF16") == "1" else ())
    try:
        return parse_flags(Path("/proc/cpuinfo").read_text())
    except OSError:
        return frozenset()


def parse_flags(cpuinfo: str) -> frozenset[str]:
    """The flags of the first processor in /proc/cpuinfo: `flags` on x86, `Features` on Arm."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    return frozenset(found[1].split() if found else ())


def _sysctl(name: str) -> str:
    try:
        return subprocess.run(
            ["sysctl", "-n", name], capture_output=True, text=True, timeout=2
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _why_not(gpu: Gpu | None) -> str:
    if gpu is None:
        return "no CUDA GPU"
    if gpu.obstacle:
        return f"{gpu.name} cannot be used, because {gpu.obstacle}"
    return f"{gpu.name} (compute capability {_dotted(gpu)}) is too old for float16 matrices"


def _dotted(gpu: Gpu) -> str:
    return ".".join(map(str, gpu.capability))
