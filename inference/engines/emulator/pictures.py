"""A drawn PNG in the form an answer needs: another format, or one that is hard or impossible to read."""

from __future__ import annotations

import io
import struct
from functools import cache

from PIL import Image

from inference.engines.emulator.contracts.base import Fault

_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}


def as_media(png: bytes, media_type: str) -> bytes:
    """The picture in that format."""
    return png if media_type == "image/png" else _saved(png, _FORMATS[media_type])


def spoilt(png: bytes, media_type: str, fault: Fault | None) -> tuple[bytes, str]:
    """The picture and its media type as the provider sends them under that fault."""
    match fault:
        case "truncated":
            data = as_media(png, media_type)
            return data[: max(64, len(data) * 2 // 3)], media_type
        case "cmyk":
            return cmyk_jpeg(png), "image/jpeg"
        case "wrong_type":
            return _saved(png, "GIF"), media_type
        case _:
            return as_media(png, media_type), media_type


def cmyk_jpeg(png: bytes) -> bytes:
    """The picture as a JPEG for print: four inks, with a profile."""
    with Image.open(io.BytesIO(png)) as image:
        file = io.BytesIO()
        image.convert("RGB").convert("CMYK").save(file, "JPEG", quality=92, icc_profile=cmyk_profile())
    return file.getvalue()


@cache
def cmyk_profile() -> bytes:
    """A small ICC profile, version 2, of four ideal inks: a table of their 16 overprints, from CMYK to Lab.

    Layout: ICC.1:2001-04, 6.1 (header), 6.5.8 (lut8Type) and 6.5.17 (textDescriptionType).
    """
    table = b"".join(_lab_of_overprint(*_bits(index)) for index in range(16))
    identity = b"".join(
        struct.pack(">9i", *(65536 if place % 4 == 0 else 0 for place in range(9))) for _ in "m"
    )
    straight = bytes(range(256))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + straight * 4 + table + straight * 3
    name = b"Four ideal inks\0"
    described = b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(4 + 4 + 2 + 1 + 67)
    free = b"text" + bytes(4) + b"No rights reserved\0"
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags = [(b"desc", described), (b"cprt", free), (b"wtpt", white), (b"A2B0", lut)]
    directory, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for signature, data in tags:
        directory += signature + struct.pack(">2I", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += struct.pack(">6H4s", 2026, 11, 23, 0, 0, 0, b"acsp") + bytes(28)
    header += struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + directory + body


def _bits(index: int) -> tuple[int, int, int, int]:
    return (index >> 3) & 1, (index >> 2) & 1, (index >> 1) & 1, index & 1


def _lab_of_overprint(cyan: int, magenta: int, yellow: int, black: int) -> bytes:
    """Lab under D50 in eight bits, of sRGB's corner that these inks leave."""
    red, green, blue = ((1 - ink) * (1 - black) for ink in (cyan, magenta, yellow))
    # linear sRGB to XYZ under D50 (Bradford), Lindbloom's matrix, over the white point
    x = (0.4360747 * red + 0.3850649 * green + 0.1430804 * blue) / 0.9642
    y = 0.2225045 * red + 0.7168786 * green + 0.0606169 * blue
    z = (0.0139322 * red + 0.0971045 * green + 0.7141733 * blue) / 0.8251
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    lab = (116 * fy - 16) * 2.55, 500 * (fx - fy) + 128, 200 * (fy - fz) + 128
    return bytes(min(255, max(0, round(value))) for value in lab)


def _saved(png: bytes, format: str) -> bytes:
    with Image.open(io.BytesIO(png)) as image:
        file = io.BytesIO()
        image.convert("RGB").save(file, format)
    return file.getvalue()
