"""What a safetensors file says of itself, read without its tensors: truncation is found in microseconds."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from inference.sd3.base import CheckpointError

# The format's own limit; https://github.com/huggingface/safetensors, "Format".
_LARGEST_HEADER: Final = 100_000_000
_LFS: Final = b"version https://git-lfs"
_SCALARS: Final = {"F64": "<d", "F32": "<f", "F16": "<e", "I64": "<q", "I32": "<i"}

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """Shapes and dtypes by tensor name, and the file's free metadata."""

    path: Path
    shapes: dict[str, Shape]
    dtypes: dict[str, str]
    begins: dict[str, int]
    metadata: dict[str, str]

    def scalar(self, name: str) -> float:
        """The value of a tensor that holds one number.

        Raises:
            CheckpointError: it holds more, or is of a dtype that no scalar is stored in.
        """
        dtype = self.dtypes[name]
        if math.prod(self.shapes[name]) != 1 or dtype not in (*_SCALARS, "BF16"):
            shape = list(self.shapes[name])
            raise CheckpointError(f"{self.path}: {name} must be one number, and is {dtype} of shape {shape}")
        with self.path.open("rb") as file:
            file.seek(self.begins[name])
            raw = file.read(8)
        if dtype == "BF16":
            # bfloat16 is the upper half of a float32.
            return float(struct.unpack("<f", b"\0\0" + raw[:2])[0])
        return float(struct.unpack_from(_SCALARS[dtype], raw)[0])


def read_header(path: Path, again: str) -> Header:
    """Reads the head of a safetensors file and compares the file's size with what it announces.

    `again` says how to get the file again, as the end of an error's text.

    Raises:
        CheckpointError: the file is missing, truncated, too long, a Git LFS pointer, or of another format.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if size >= 8 else 0
            if size < 8 or length > min(_LARGEST_HEADER, size - 8):
                raise CheckpointError(_strange(path, size, start + file.read(64), again))
            text = file.read(length)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing; {again}") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}; {again}") from None
    data = 8 + length
    try:
        entries: dict[str, Any] = json.loads(text)
        metadata = entries.pop("__metadata__", {})
        header = Header(
            path=path,
            shapes={name: tuple(map(int, each["shape"])) for name, each in entries.items()},
            dtypes={name: str(each["dtype"]) for name, each in entries.items()},
            begins={name: data + int(each["data_offsets"][0]) for name, each in entries.items()},
            metadata={str(key): str(value) for key, value in metadata.items()},
        )
        announced = data + max((int(each["data_offsets"][1]) for each in entries.values()), default=0)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise CheckpointError(f"{path}: its safetensors header is damaged; {again}") from None
    if size != announced:
        fault = "is truncated" if size < announced else "is too long"
        raise CheckpointError(
            f"{path} {fault}: {size:,} bytes, where its header announces {announced:,}; {again}"
        )
    return header


def _strange(path: Path, size: int, start: bytes, again: str) -> str:
    if start.startswith(_LFS):
        return f"{path} is a Git LFS pointer, not the weights; run `git lfs pull` in its folder"
    if size < 8:
        return f"{path} is truncated: {size} bytes, not even a header; {again}"
    if start[8:9] == b"{":
        return f"{path} is truncated: its {size:,} bytes end within the header; {again}"
    return f"{path} is no safetensors file: it begins with {start[:12]!r}; {again}"
