"""What an answer claims its bytes to be, against what they are."""

from __future__ import annotations

import re
from typing import Final

from inference.pictures import PictureError, check_media_type, sniff

# What file stores say of bytes that nobody described to them.
NO_CLAIM: Final = ("", "application/octet-stream", "binary/octet-stream")
_OPAQUE: Final = "application/octet-stream"
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,58}", re.ASCII)


def is_picture(data: bytes, claimed: str) -> bool:
    """Whether it is what was paid for, were it ever so wrong: an error page with status 200 is not."""
    plain = _plain(claimed)
    return bool(data) and (plain.startswith("image/") or plain in NO_CLAIM or sniff(data) is not None)


def media_type_of(data: bytes, claimed: str) -> str:
    """The picture's own type where the claim agrees with it, else the claim, for whoever judges the bytes."""
    told = "" if _plain(claimed) in NO_CLAIM else claimed
    told = told or sniff(data) or _OPAQUE
    try:
        return check_media_type(data, told)
    except PictureError:
        plain = _plain(told)
        return plain if _MEDIA_TYPE.fullmatch(plain) else _OPAQUE


def _plain(claimed: str) -> str:
    return claimed.partition(";")[0].strip().lower()
