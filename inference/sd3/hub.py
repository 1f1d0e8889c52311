"""Looks into Hugging Face's cache on this disk, by its documented layout; the network is never asked.

`models--OWNER--NAME/refs/BRANCH` holds a commit, and `snapshots/COMMIT/` the files: see "Understand caching"
in huggingface_hub's manual. Its own look-up would do, but a check of one's settings should not import it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.sd3.base import CheckpointError, NotHere

_ID: Final = re.compile(
    r"(?P<repo>[\w][\w.-]*/[\w][\w.-]*)(?:/(?P<file>[\w./-]+\.safetensors))?(?:@(?P<at>.+))?"
)
_COMMIT: Final = re.compile("[0-9a-f]{7,40}")
_GATED: Final = "stabilityai/"
# Beside diffusers' folders these repositories hold the same weights once more for other programs.
_TWICE: Final = ("sd3*.safetensors", "text_encoders/*")


@dataclass(frozen=True, slots=True)
class HubId:
    """A repository of models on the hub, perhaps one file of it, at a branch, tag or commit ("" for main)."""

    repo: str
    file: str = ""
    revision: str = ""

    @classmethod
    def parse(cls, text: str) -> HubId | None:
        """OWNER/NAME[/FILE.safetensors][@REVISION], or None where the text is no such thing."""
        found = _ID.fullmatch(text)
        return None if found is None else cls(found["repo"], found["file"] or "", found["at"] or "")

    @property
    def download(self) -> str:
        """The command that fetches it, and what to do before."""
        words = ["hf download", self.repo]
        if self.file:
            words.append(self.file)
        elif self.repo.startswith(_GATED):
            words += [f"--exclude '{pattern}'" for pattern in _TWICE]
        if self.revision:
            words.append(f"--revision {self.revision}")
        command = f"fetch it with `{' '.join(words)}`"
        if not self.repo.startswith(_GATED):
            return command
        gate = f"accept the licence at https://huggingface.co/{self.repo}"
        return f"{command} (first {gate} and sign in with `hf auth login`)"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A commit's files in the cache."""

    folder: Path
    commit: str


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where the hub's client keeps what it fetched: HF_HUB_CACHE, or HF_HOME's `hub`, or the user's cache."""
    home = Path(environ.get("HOME") or Path.home())
    caches = environ.get("XDG_CACHE_HOME") or str(home / ".cache")
    hub = environ.get("HF_HOME") or str(Path(caches) / "huggingface")
    given = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE") or str(Path(hub) / "hub")
    return Path(os.path.expandvars(given)).expanduser()


def snapshot(wanted: HubId, environ: Mapping[str, str]) -> Snapshot:
    """The cached files of a repository at its revision.

    Raises:
        NotHere: the repository or the revision is not in the cache; the text says how to fetch it.
        CheckpointError: the cache is damaged there.
    """
    cache = cache_folder(environ)
    repo = cache / f"models--{wanted.repo.replace('/', '--')}"
    if not (repo / "snapshots").is_dir():
        raise NotHere(
            f"{wanted.repo} is neither a folder nor in the hub's cache ({cache}); {wanted.download}"
        )
    revision = wanted.revision or "main"
    commit = _commit(repo, revision)
    if commit is None:
        here = ", ".join(sorted(path.name[:12] for path in (repo / "snapshots").iterdir())) or "none"
        raise NotHere(
            f"{wanted.repo}: revision {revision!r} is not in the hub's cache ({repo}; commits there: "
            f"{here}); {wanted.download}"
        )
    folder = repo / "snapshots" / commit
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is missing, though refs/{revision} names it; {wanted.download}")
    return Snapshot(folder, commit)


def _commit(repo: Path, revision: str) -> str | None:
    """A ref's commit, or the one cached commit that begins so."""
    if ".." in Path(revision).parts or Path(revision).is_absolute():
        return None
    ref = repo / "refs" / revision
    if ref.is_file():
        return ref.read_text().strip()
    if not _COMMIT.fullmatch(revision):
        return None
    fitting = [path.name for path in (repo / "snapshots").iterdir() if path.name.startswith(revision)]
    return fitting[0] if len(fitting) == 1 else None
