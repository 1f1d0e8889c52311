"""Pictures as engines send them, brought to one form: 8-bit sRGB, no alpha, PNG, same bytes each time."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import struct
import threading
from dataclasses import dataclass

from PIL import Image, ImageCms, ImageOps

MAX_BYTES = 64 * 1024 * 1024
# The largest that an engine draws is Gemini's 4K of 1:8, 12288x1536. A few KiB may unpack to any size.
MAX_PIXELS = 24 * 1024 * 1024
MATTE = (255, 255, 255)

_log = logging.getLogger(__name__)

_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
_ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}
# Some twenty bytes a pixel are held while a picture is converted: of large ones, two at a time.
_LARGE = 4 * 1024 * 1024
_PLACES = threading.BoundedSemaphore(2)
# What Pillow's decoders raise on hostile bytes, by reading and by fuzzing reports.
_DECODE_ERRORS = (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError)


class PictureError(ValueError):
    """Bytes that are no acceptable picture; the text says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """`sha256` is that of the PNG's bytes; sizes are in pixels."""

    png: bytes
    width: int
    height: int
    sha256: str


def sniff(data: bytes) -> str | None:
    """The media type that the first bytes show, or None: PNG, JPEG and WebP are known."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def check_media_type(data: bytes, claimed: str) -> str:
    """The media type of `data`, which must be the one its sender claims.

    Raises:
        PictureError: empty, no picture we read, or another kind of picture than claimed.
    """
    if not data:
        raise PictureError("no bytes at all; a picture was expected")
    found = sniff(data)
    if found is None:
        known = ", ".join(_FORMATS)
        raise PictureError(f"starts with {data[:16]!r}, which is none of {known}; claimed {claimed!r}")
    plain = claimed.partition(";")[0].strip().lower()
    if _ALIASES.get(plain, plain) != found:
        raise PictureError(f"is {found} by its first bytes; claimed {claimed!r}")
    return found


def normalise(
    data: bytes,
    media_type: str,
    *,
    matte: tuple[int, int, int] = MATTE,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> Normalised:
    """Decodes, turns upright (EXIF), converts to sRGB (ICC), flattens alpha onto `matte`, encodes.

    The PNG carries no metadata, so that equal pixels are equal bytes.

    Raises:
        PictureError: too many bytes or pixels, several frames, not what it claims, or undecodable.
    """
    if len(data) > max_bytes:
        raise PictureError(f"{len(data)} bytes; at most {max_bytes} are taken")
    kind = check_media_type(data, media_type)
    try:
        with Image.open(io.BytesIO(data), formats=[_FORMATS[kind]]) as opened:
            _check_header(opened, kind, max_pixels)
            with _PLACES if opened.width * opened.height > _LARGE else contextlib.nullcontext():
                return _normalised(opened, matte)
    except PictureError:
        raise
    except _DECODE_ERRORS as error:
        raise PictureError(f"{kind} of {len(data)} bytes cannot be decoded: {error}") from error


def _normalised(opened: Image.Image, matte: tuple[int, int, int]) -> Normalised:
    opened.load()
    ImageOps.exif_transpose(opened, in_place=True)
    flat = _flatten(_to_srgb(_to_eight_bits(opened)), matte)
    png = _encode(flat)
    return Normalised(png, flat.width, flat.height, hashlib.sha256(png).hexdigest())


def _check_header(image: Image.Image, kind: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise PictureError(f"{width}x{height} is {width * height} pixels; at most {max_pixels} are taken")
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise PictureError(f"{kind} with {frames} frames; one is taken")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """8 bits a channel in one of L, LA, RGB, RGBA, CMYK, the profile kept in `info`."""
    info = dict(image.info)
    if image.mode.startswith("I"):
        # Pillow clips 16-bit grey at 255 instead of scaling it.
        image = image.convert("I").point(lambda value: value / 257).convert("L")
    elif image.mode == "P":
        image = image.convert("RGBA" if "transparency" in info else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode in ("RGB", "L") and "transparency" in info:
        image = image.convert("RGBA")
    image.info = info
    return image


def _to_srgb(image: Image.Image) -> Image.Image:
    """RGB or RGBA in sRGB. A profile that cannot be used is ignored, as browsers do."""
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    colours = image.convert(image.mode[:-1]) if alpha is not None else image
    profile = image.info.get("icc_profile")
    converted = _through_profile(colours, profile) if profile else None
    rgb = (converted or colours).convert("RGB")
    if alpha is not None:
        rgb.putalpha(alpha)
    return rgb


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    try:
        return ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        _log.warning(
            "colour profile of %d bytes on a %s picture ignored: %s", len(profile), image.mode, error
        )
        return None


def _flatten(image: Image.Image, matte: tuple[int, int, int]) -> Image.Image:
    if image.mode != "RGBA":
        return image
    # convert("RGB") would show transparent pixels as black and swallow dark type.
    canvas = Image.new("RGB", image.size, matte)
    canvas.paste(image, mask=image.getchannel("A"))
    return canvas


def _encode(image: Image.Image) -> bytes:
    # Whatever stands here would be written too.
    image.info = {}
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=4)
    return out.getvalue()
