"""Reading a request's fields one by one, so that each provider can word its own objection."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from email import message_from_bytes
from email.message import Message
from typing import Literal

import orjson

Kind = Literal["missing", "type", "value", "unknown", "unsupported"]


class Wrong(ValueError):
    """A field is wrong; `field` is its path, `why` a sentence that shows the value."""

    def __init__(self, kind: Kind, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.kind: Kind = kind
        self.field = field
        self.why = why


class Fields:
    """The fields of one object. With `form`, numbers and flags come as text."""

    def __init__(self, raw: object, at: str = "", *, form: bool = False) -> None:
        """Raises:
        Wrong: `raw` is no object.
        """
        if not isinstance(raw, dict):
            raise Wrong("type", at or "body", f"must be an object; got {raw!r:.80}")
        self._raw: dict[str, object] = {name: value for name, value in raw.items() if value is not None}
        self._at = at
        self._form = form

    def __contains__(self, name: str) -> bool:
        return name in self._raw

    def path(self, name: str) -> str:
        return f"{self._at}.{name}" if self._at else name

    def only(self, known: Collection[str], unsupported: Collection[str] = ()) -> None:
        """Raises:
        Wrong: `unsupported` for a field that another model or product takes, `unknown` for any other.
        """
        for name in self._raw:
            if name not in known:
                if name in unsupported:
                    raise Wrong("unsupported", self.path(name), "is not supported here")
                raise Wrong("unknown", self.path(name), "is not known")

    def text(self, name: str, *, longest: int = 40_000) -> str:
        """A text of 1 to `longest` characters, which must be there."""
        if name not in self._raw:
            raise Wrong("missing", self.path(name), "is required")
        value = self._raw[name]
        if not isinstance(value, str):
            raise Wrong("type", self.path(name), f"must be a string; got {value!r:.80}")
        if not 1 <= len(value) <= longest:
            raise Wrong("value", self.path(name), f"must have 1 to {longest} characters; got {len(value)}")
        return value

    def one_of(self, name: str, allowed: Collection[str], default: str) -> str:
        if name not in self._raw:
            return default
        value = self._raw[name]
        if not isinstance(value, str) or value not in allowed:
            listed = ", ".join(sorted(allowed))
            raise Wrong("value", self.path(name), f"must be one of {listed}; got {value!r:.80}")
        return value

    def whole(self, name: str, least: int, most: int, default: int | None = None) -> int | None:
        value = self._raw.get(name, default)
        if self._form and isinstance(value, str) and value.strip().lstrip("-").isdecimal():
            value = int(value)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise Wrong("type", self.path(name), f"must be an integer; got {value!r:.80}")
        if not least <= value <= most:
            raise Wrong("value", self.path(name), f"must be in {least}..{most}; got {value}")
        return value

    def real(self, name: str, default: float) -> float:
        """A finite number."""
        value = self._raw.get(name, default)
        try:
            read = float(value) if isinstance(value, int | float | str) else math.nan
        except ValueError:
            read = math.nan
        if isinstance(value, bool) or (isinstance(value, str) and not self._form) or not math.isfinite(read):
            raise Wrong("type", self.path(name), f"must be a number; got {value!r:.80}")
        return read

    def number(self, name: str, default: int, most: int) -> int:
        """A count from 1 to `most`."""
        return self.whole(name, 1, most, default) or default

    def flag(self, name: str) -> bool:
        value = self._raw.get(name, False)
        if self._form and value in ("true", "false"):
            return value == "true"
        if not isinstance(value, bool):
            raise Wrong("type", self.path(name), f"must be true or false; got {value!r:.80}")
        return value

    def inside(self, name: str) -> Fields:
        """The object under `name`, empty where there is none."""
        return Fields(self._raw.get(name, {}), self.path(name))

    def items(self, name: str) -> list[object]:
        value = self._raw.get(name, [])
        if not isinstance(value, list):
            raise Wrong("type", self.path(name), f"must be a list; got {value!r:.80}")
        return value

    def get(self, name: str) -> object:
        return self._raw.get(name)


def json_fields(body: bytes) -> Fields:
    """Raises:
    Wrong: not JSON, or no object.
    """
    try:
        return Fields(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise Wrong("type", "body", f"is no JSON: {error}") from None


def form_fields(body: bytes, content_type: str) -> tuple[Fields, Mapping[str, bytes]]:
    """A multipart form's texts, and its files by name. A part with a file name is a file.

    Raises:
        Wrong: another content type, or no form in it.
    """
    if not content_type.lower().startswith("multipart/form-data"):
        raise Wrong("type", "content-type", f"must be multipart/form-data; got {content_type!r:.80}")
    form = message_from_bytes(b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + body)
    parts = form.get_payload()
    if not form.is_multipart() or not isinstance(parts, list):
        raise Wrong("type", "body", "holds no multipart form; is the boundary right?")
    texts: dict[str, object] = {}
    files: dict[str, bytes] = {}
    for part in parts:
        if isinstance(part, Message):
            name = str(part.get_param("name", header="content-disposition") or "")
            data = part.get_payload(decode=True)
            content = data if isinstance(data, bytes) else b""
            if part.get_filename() is not None:
                files[name] = content
            else:
                texts[name] = _text(name, content)
    return Fields(texts, form=True), files


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Wrong("type", name, "must be UTF-8") from None
