"""A digest of files' names and bytes, which remembers each file's for as long as the file is not touched.

A checkpoint of 16 GB takes half a minute to hash; its digest names the model on every render.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

_log = logging.getLogger(__name__)
_THREADS: Final = 4
_SLOW: Final = 1 << 30
_KEPT: Final = 5000


def memory_file(environ: Mapping[str, str]) -> Path:
    """Where digests are remembered: the user's cache, `XDG_CACHE_HOME` or `~/.cache`."""
    root = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "glyphstream" / "digests.json"


def digest(files: Sequence[Path], root: Path, memory: Path) -> str:
    """SHA-256, in hex, over the sorted names relative to `root` and the SHA-256 of each file.

    `memory` is a file with the hashes of files whose path, size and times of change are still the same; it is
    made when it is absent or damaged, and done without when it cannot be written.

    Raises:
        OSError: a file cannot be read.
    """
    known = _remembered(memory)
    marks = {path: _mark(path) for path in files}
    fresh = [path for path in files if marks[path] not in known]
    size = sum(path.stat().st_size for path in fresh)
    if size > _SLOW:
        _log.info("hashing %.1f GB of weights in %s, once", size / 1e9, root)
    with ThreadPoolExecutor(_THREADS) as pool:
        hashes = dict(zip((marks[path] for path in fresh), pool.map(_sha256, fresh), strict=True))
    if hashes:
        _remember(memory, {**known, **hashes})
    known = {**known, **hashes}
    whole = hashlib.sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in files):
        whole.update(f"{name}\0{known[marks[path]]}\n".encode())
    return whole.hexdigest()


def stamp(files: Sequence[Path]) -> str:
    """Another one after any of the files was written to or replaced, found without reading them.

    Raises:
        OSError: a file cannot be looked at.
    """
    marks = [f"{path}|{(at := path.stat()).st_size}|{at.st_mtime_ns}|{at.st_ino}" for path in files]
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()


def _mark(path: Path) -> str:
    status = path.stat()
    # The time of change cannot be set back, as that of modification is by copying tools.
    return f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remembered(memory: Path) -> dict[str, str]:
    try:
        content = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: value for key, value in content.items() if isinstance(value, str)}


def _remember(memory: Path, hashes: Mapping[str, str]) -> None:
    """Replaces the file whole, so that no reader meets half of one; the oldest entries go first."""
    kept = dict(list(hashes.items())[-_KEPT:])
    temporary: str | None = None
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=memory.parent, prefix=memory.name)
        with os.fdopen(handle, "w") as file:
            json.dump(kept, file)
        Path(temporary).replace(memory)
    except OSError as error:
        _log.warning("%s cannot be written (%s): weights are hashed again at every start", memory, error)
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
