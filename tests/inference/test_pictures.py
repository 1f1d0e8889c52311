from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from inference.pictures import PictureError, normalise, sniff


def encoded(image: Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **settings)
    return out.getvalue()


def pixels(png: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        assert image.mode == "RGB"
        assert not image.info
        return np.asarray(image)


def gradient(width: int = 40, height: int = 24) -> Image.Image:
    across = np.linspace(0, 255, width, dtype=np.uint8)
    return Image.fromarray(np.stack([np.tile(across, (height, 1))] * 3, axis=-1))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_each_kind_comes_out_as_the_same_plain_form(kind: str) -> None:
    data = encoded(gradient(), kind)
    done = normalise(data, f"image/{kind.lower()}")
    assert (done.width, done.height) == (40, 24)
    assert np.abs(pixels(done.png).astype(int) - np.asarray(gradient()).astype(int)).max() <= 12


def test_equal_pixels_are_equal_bytes_whatever_came_with_them() -> None:
    noted = encoded(gradient(), dpi=(300, 300), compress_level=1)
    plain = encoded(gradient(), compress_level=9)
    assert noted != plain
    assert normalise(noted, "image/png") == normalise(plain, "image/png")
    again = normalise(normalise(plain, "image/png").png, "image/png")
    assert again == normalise(plain, "image/png")


def test_a_turned_photograph_is_set_upright() -> None:
    image = gradient()
    exif = image.getexif()
    exif[0x0112] = 6
    done = normalise(encoded(image, "JPEG", exif=exif, quality=95), "image/jpeg")
    assert (done.width, done.height) == (24, 40)
    assert pixels(done.png)[0, 0, 0] < pixels(done.png)[-1, 0, 0]


def test_transparent_pixels_take_the_matte_and_not_black() -> None:
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    image.putpixel((1, 1), (10, 20, 30, 255))
    image.putpixel((2, 2), (0, 0, 0, 128))
    white = pixels(normalise(encoded(image), "image/png").png)
    assert white[0, 0].tolist() == [255, 255, 255]
    assert white[1, 1].tolist() == [10, 20, 30]
    assert 120 <= white[2, 2, 0] <= 134
    cream = pixels(normalise(encoded(image), "image/png", matte=(250, 240, 230)).png)
    assert cream[0, 0].tolist() == [250, 240, 230]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_png_mode_keeps_its_grey(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((3, 3), 200 * 257, dtype=np.uint16))
    else:
        image = Image.new("L", (3, 3), 255 if mode == "1" else 200).convert(mode)
    done = pixels(normalise(encoded(image), "image/png").png)
    assert set(done.ravel().tolist()) == {255 if mode == "1" else 200}


def test_a_palette_with_a_transparent_colour_is_flattened() -> None:
    image = Image.new("P", (2, 2), 0)
    image.putpalette([200, 0, 0, 0, 0, 0])
    assert pixels(normalise(encoded(image, transparency=0), "image/png").png)[0, 0].tolist() == [255] * 3


def test_a_profile_is_converted_to_srgb() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # sRGB with the primaries of red and blue exchanged: what is tagged with it shows blue for red.
    exchanged = srgb.replace(b"rXYZ", b"-XYZ").replace(b"bXYZ", b"rXYZ").replace(b"-XYZ", b"bXYZ")
    image = Image.new("RGB", (4, 4), (200, 30, 40))
    assert np.abs(_first(image, srgb) - [200, 30, 40]).max() <= 1
    assert np.abs(_first(image, exchanged) - [40, 30, 200]).max() <= 1


def test_a_profile_leaves_alpha_as_it_is() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.new("RGBA", (4, 4), (200, 30, 40, 0))
    assert _first(image, srgb).tolist() == [255, 255, 255]


def _first(image: Image.Image, profile: bytes) -> np.ndarray[Any, np.dtype[np.int64]]:
    done = normalise(encoded(image, icc_profile=profile), "image/png")
    return pixels(done.png)[0, 0].astype(np.int64)


def test_an_unusable_profile_is_ignored_as_browsers_do(caplog: pytest.LogCaptureFixture) -> None:
    image = Image.new("RGB", (4, 4), (60, 128, 60))
    done = normalise(encoded(image, icc_profile=b"no profile at all" * 20), "image/png")
    assert pixels(done.png)[0, 0].tolist() == [60, 128, 60]
    assert "profile" in caplog.text


def test_a_cmyk_jpeg_becomes_rgb() -> None:
    done = normalise(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), "image/jpeg")
    red, green, blue = pixels(done.png)[4, 4].tolist()
    assert red > 200
    assert green < 60
    assert blue < 60


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is huge, in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def animated() -> bytes:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    return encoded(frames[0], save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("data", "media_type", "words"),
    [
        (b"", "image/png", "no bytes at all"),
        (b"<html>error</html>", "image/png", "starts with b'<html>error</htm'"),
        (b"GIF89a" + bytes(50), "image/gif", "none of image/png, image/jpeg, image/webp"),
        (encoded(gradient()), "image/jpeg", "is image/png by its first bytes; claimed 'image/jpeg'"),
        (encoded(gradient()), "", "claimed ''"),
        (encoded(gradient())[:-60], "image/png", "cannot be decoded"),
        (encoded(gradient(), "JPEG")[:300], "image/jpeg", "cannot be decoded"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "image/png", "cannot be decoded"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(20), "image/webp", "cannot be decoded"),
        (bomb(27_000, 2_600), "image/png", "70200000 pixels; at most 25165824"),
        (bomb(60_000, 60_000), "image/png", "image/png of"),
        (animated(), "image/png", "2 frames; one is taken"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else f"{len(value)} bytes",
)
def test_bad_bytes_are_refused_with_what_is_wrong(data: bytes, media_type: str, words: str) -> None:
    with pytest.raises(PictureError) as caught:
        normalise(data, media_type)
    assert words in str(caught.value)


def test_too_many_bytes_are_refused_before_decoding() -> None:
    with pytest.raises(PictureError, match=r"\d+ bytes; at most 100 are taken"):
        normalise(encoded(gradient()), "image/png", max_bytes=100)


@pytest.mark.parametrize("claimed", ["image/jpeg", "image/jpg", "IMAGE/JPEG; charset=binary"])
def test_the_usual_names_of_a_media_type_agree(claimed: str) -> None:
    assert normalise(encoded(gradient(), "JPEG"), claimed).width == 40


def test_unknown_bytes_have_no_media_type() -> None:
    assert sniff(b"RIFF0000WAVE") is None
    assert sniff(b"") is None


_FOUR_AT_ONCE = """
import io, re, threading
from pathlib import Path
from PIL import Image
from inference.pictures import normalise

out = io.BytesIO()
Image.new("P", (5000, 5000)).save(out, "PNG")
packed = out.getvalue()
assert len(packed) < 8192
threads = [threading.Thread(target=normalise, args=(packed, "image/png")) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells a process's peak memory")
def test_four_pictures_that_unpack_to_the_largest_size_are_not_in_memory_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", _FOUR_AT_ONCE], capture_output=True, text=True, check=True)
    # One takes 220 MiB beside the process itself; four of them would take 900.
    assert int(done.stdout) / 1024 < 650
