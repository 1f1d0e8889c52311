"""Apache Kafka's jars: an exact list with hashes, fetched once into the user's cache.

`jars.sha256` beside this file has the format of `sha256sum` with paths in Maven's repository layout.
It pins every jar, so nothing is resolved at run time; `streams.broker.pin` writes it anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath

from streams.broker.errors import BrokerError

KAFKA_VERSION = "4.4.0"
SCALA_VERSION = "2.13"
PARALLEL_DOWNLOADS = 6
DOWNLOAD_TIMEOUT_S = 60

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned file: `path` is relative to the root of a Maven repository."""

    path: str
    sha256: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def coordinates(self) -> tuple[str, str, str]:
        """(group, artifact, version), as Maven names them."""
        *group, artifact, version, _ = PurePosixPath(self.path).parts
        return ".".join(group), artifact, version


Download = Callable[[Jar, Path], Path]


def pinned_jars() -> tuple[Jar, ...]:
    """The checked-in list, in its order."""
    return parse_pins((resources.files("streams.broker") / "jars.sha256").read_text())


def parse_pins(text: str) -> tuple[Jar, ...]:
    """Raises `BrokerError` with the line that is not `<sha256>  <path>`."""
    jars = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        sha256, _, path = line.partition("  ")
        if len(sha256) != 64 or not path.endswith(".jar"):
            raise BrokerError(f"jars.sha256 line {number} is {line!r}: expected '<sha256>  <path>.jar'")
        jars.append(Jar(path, sha256))
    return tuple(jars)


def pins_digest(jars: Iterable[Jar]) -> str:
    return hashlib.sha256("".join(f"{jar.sha256}{jar.name}" for jar in jars).encode()).hexdigest()[:12]


def cache_folder(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """`GLYPHSTREAM_CACHE`, else the folder that the platform gives to caches."""
    if chosen := environ.get("GLYPHSTREAM_CACHE"):
        return Path(chosen).expanduser()
    if platform == "darwin":
        return Path.home() / "Library" / "Caches" / "glyphstream"
    if platform == "win32":
        local = environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(local) / "glyphstream" / "Cache"
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "glyphstream"


def kafka_folder(cache: Path | None = None) -> Path:
    return (cache or cache_folder()) / f"kafka-{KAFKA_VERSION}"


def fetch_jars(
    folder: Path | None = None,
    *,
    jars: tuple[Jar, ...] | None = None,
    download: Download | None = None,
    on_progress: Progress | None = None,
) -> tuple[Path, ...]:
    """Paths of all pinned jars in `folder`, every one hashed on every call.

    A missing or damaged file is downloaded again; when all are whole the network is not touched.
    Raises `BrokerError` when a download fails or its hash is not the pinned one.
    """
    folder = folder or kafka_folder()
    jars = jars or pinned_jars()
    missing = [jar for jar in jars if _sha256(folder / jar.name) != jar.sha256]
    if missing:
        if on_progress:
            on_progress(f"downloading Apache Kafka {KAFKA_VERSION}: {len(missing)} jars, once, into {folder}")
        _download_all(folder, missing, download or download_with_jgo)
    return tuple(folder / jar.name for jar in jars)


def _download_all(folder: Path, missing: list[Jar], download: Download) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # On the same file system, so that a finished jar appears in one step.
        with tempfile.TemporaryDirectory(dir=folder, prefix="download-") as scratch:
            with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
                futures = [pool.submit(_install, jar, Path(scratch), folder, download) for jar in missing]
            for future in futures:
                future.result()
    except OSError as error:
        raise BrokerError(
            f"Apache Kafka's jars could not be fetched into {folder}: {error}. They come from Maven Central: "
            "check the network, name a mirror under [repositories] in jgo's settings file, "
            "or set GLYPHSTREAM_CACHE to a folder that can be written and has them"
        ) from error


def _install(jar: Jar, scratch: Path, folder: Path, download: Download) -> None:
    fetched = download(jar, scratch)
    found = _sha256(fetched)
    if found != jar.sha256:
        raise BrokerError(
            f"{jar.name} was refused: its SHA-256 is {found}, jars.sha256 pins {jar.sha256}. "
            "The repository or a proxy on the way served another file; nothing was installed"
        )
    shutil.move(fetched, folder / jar.name)


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def download_with_jgo(jar: Jar, scratch: Path) -> Path:
    """Fetches one artifact below `scratch`, from the repositories of jgo's settings and Maven Central.

    Raises `OSError` when no repository delivers it.
    """
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    repositories = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    context = MavenContext(repo_cache=scratch, remote_repos=repositories, timeout=DOWNLOAD_TIMEOUT_S)
    group, artifact, version = jar.coordinates
    try:
        found: Path = context.project(group, artifact).at_version(version).artifact().resolve()
    except RuntimeError as error:
        raise OSError(str(error)) from error
    return found
