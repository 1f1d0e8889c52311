"""What is at hand on this machine, what is missing, and the way to get it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from streams.doctor_check import Check
from streams.doctor_money import check_ends, check_engines, check_ledger, engines_here
from streams.drawing import today
from streams.settings import PREFIX, Settings

if TYPE_CHECKING:
    pass

OLDEST_PYTHON = (3, 11)
DISK_WANTED = 2 << 30
DISK_NEEDED = 200 << 20
PROBE_S = 2.0
SYSTEM_LIBRARIES = "apt-get install libgl1 libegl1 libexpat1, or the like of your system"


def examine(settings: Settings, env: Mapping[str, str]) -> list[Check]:
    """Every check, in the order in which they are shown. Reads much, changes nothing."""
    examinations: tuple[Callable[[], Check | Iterator[Check]], ...] = (
        check_python,
        lambda: check_broker(settings),
        lambda: check_assets(settings),
        lambda: check_ledger(settings, env),
        lambda: check_disk(settings),
        check_gpu,
        lambda: check_local(settings),
        check_drawing,
        check_fonts,
        lambda: check_readers(settings),
        lambda: check_engines(settings, env),
        lambda: check_ends(engines_here(settings, env), today()),
    )
    checks: list[Check] = []
    for examination in examinations:
        found = examination()
        checks += [found] if isinstance(found, Check) else found
    return checks


def check_python() -> Check:
    detail = f"{sys.version.split()[0]}, {os.cpu_count()} cores"
    if sys.version_info < OLDEST_PYTHON:
        return Check("python", "broken", detail, "install Python 3.11 or newer")
    return Check("python", "ok", detail)


def check_broker(settings: Settings) -> Check:
    """Reachable, or startable here: Java and the jars."""
    from streams.broker.probe import count_brokers

    host, _, port = settings.bootstrap.split(",")[0].rpartition(":")
    try:
        brokers = count_brokers(host.strip("[]"), int(port), timeout_s=PROBE_S)
    except ValueError:
        return Check("broker", "broken", f"bootstrap {settings.bootstrap!r} is no HOST:PORT", "correct it")
    except OSError as error:
        return _startable(settings, error)
    plural = "" if brokers == 1 else "s"
    return Check("broker", "ok", f"{brokers} broker{plural} at {settings.bootstrap}")


def _startable(settings: Settings, error: OSError) -> Check:
    from streams.broker.errors import BrokerError
    from streams.broker.jars import KAFKA_VERSION, kafka_folder, pinned_jars
    from streams.broker.java import find_java

    away = f"none at {settings.bootstrap} ({error.strerror or error})"
    try:
        java = find_java()
    except BrokerError as no_java:
        return Check("broker", "broken", f"{away}, and none can start here", str(no_java))
    missing = sum(not (kafka_folder() / jar.name).exists() for jar in pinned_jars())
    jars = "jars cached" if not missing else f"{missing} jars to download at the first start"
    can = f"Apache Kafka {KAFKA_VERSION} can start here (Java {java.major}, {jars})"
    return Check("broker", "absent", f"{away}; {can}", "glyphstream broker")


def check_assets(settings: Settings) -> Check:
    if "://" in settings.assets and not settings.assets.startswith("file://"):
        fix = "its credentials are read when it is first used"
        return Check("assets", "ok", f"{settings.assets} (not tried)", fix)
    folder = _folder(settings)
    existing = _nearest(folder)
    if not os.access(existing, os.W_OK):
        return Check("assets", "broken", f"{existing} cannot be written", "choose another with --assets")
    return Check("assets", "ok", f"{folder}{'' if folder.exists() else ' (will be made)'}")


def check_disk(settings: Settings) -> Check:
    place = _nearest(_folder(settings))
    free = shutil.disk_usage(place).free
    detail = f"{free / 2**30:.1f} GiB free at {place}"
    if free < DISK_NEEDED:
        return Check("disk", "broken", detail, "free 2 GiB, or move --assets and the broker's --data")
    if free < DISK_WANTED:
        return Check("disk", "absent", detail, "2 GiB let the broker and the pictures grow for a while")
    return Check("disk", "ok", detail)


def check_gpu() -> Check:
    """Asks the CUDA driver itself: torch would take seconds to say the same."""
    from inference.sd3.device import find_gpu

    gpu = find_gpu()
    if gpu is None:
        fix = "a CUDA GPU and its driver, for Stable Diffusion 3.5 at full size"
        return Check("gpu", "absent", "none; local models draw on the CPU", fix)
    if gpu.obstacle:
        return Check("gpu", "absent", f"{gpu.name}: {gpu.obstacle}", "a driver and a PyTorch that fit it")
    return Check("gpu", "ok", f"{gpu.name}, {gpu.memory / 2**30:.0f} GiB")


def check_local(settings: Settings) -> Iterator[Check]:
    """Where the local engines would draw, with which checkpoint, and why. No torch: files are looked at."""
    from inference.engines.local_sd3 import model_name
    from inference.engines.registry import load_registry
    from inference.sd3.base import CheckpointError
    from inference.sd3.choosing import Nothing
    from inference.sd3.hub import HubId
    from streams.models import SETTINGS, local_models

    models = local_models(settings, load_registry())
    choice = models.choice
    yield Check("local", "ok", f"{choice.device}, {choice.dtype}: {choice.reason}")
    for engine in models.names:
        variable = PREFIX + SETTINGS[engine].upper()
        try:
            chosen = models.chosen(engine)
        except CheckpointError as error:
            yield Check("local", "broken", f"{engine}: {error}", f"correct {variable}, or leave it empty")
            continue
        hub = HubId.parse(models.registered(engine))
        fetch = f"{hub.download}, and have a GPU; or {variable}=FOLDER" if hub else f"{variable}=FOLDER"
        if isinstance(chosen, Nothing):
            yield Check("local", "absent", f"{engine}: {chosen.why}", fetch)
        else:
            detail = f"{engine}: {model_name(chosen.checkpoint, choice)}: {chosen.why}"
            yield Check("local", "ok", detail, fetch if chosen.stands_in else "")


def check_drawing() -> Check:
    """skia's wheel leans on three libraries of the system, which a desktop has and a bare image may lack."""
    try:
        importlib.import_module("skia")
    except ImportError as error:
        return Check("drawing", "broken", f"skia cannot be loaded: {error}", SYSTEM_LIBRARIES)
    return Check("drawing", "ok", "skia loads")


def check_fonts() -> Iterator[Check]:
    """One line, and one more for each script that no font covers."""
    from inference.typography.fonts import scripts_available

    scripts = scripts_available()
    covered = [script for script, families in scripts.items() if families]
    yield Check("fonts", "ok" if covered else "broken", _listed(covered), "" if covered else "pip install .")
    for script in (script for script, families in scripts.items() if not families):
        fix = "pip install a font package that covers it (fontpkg-*) and name it in typography/fonts.py"
        yield Check("fonts", "absent", f"no font for {script}: its texts are refused", fix)


def check_readers(settings: Settings) -> Iterator[Check]:
    """Which scripts can be read back. One line a reader, and one for what nobody reads."""
    from inference.legibility.readers import available_readers, readers_by_script

    available = available_readers()
    for name in settings.readers:
        if name not in available:
            known = ", ".join(available) or "none"
            yield Check("readers", "broken", f"{name!r} is not installed", f"--readers, one of {known}")
    by_script = readers_by_script()
    read = [script for script, names in by_script.items() if set(names) & set(settings.readers)]
    yield Check("readers", "ok" if read else "broken", f"{', '.join(settings.readers)}: {_listed(read)}")
    elsewhere = {s: n for s, n in by_script.items() if n and s not in read}
    if elsewhere:
        told = "; ".join(f"{script} ({' '.join(names)})" for script, names in elsewhere.items())
        yield Check("readers", "absent", f"installed but not used: {told}", "GLYPHSTREAM_READERS=a,b")
    unread = [script for script, names in by_script.items() if not names]
    if unread:
        detail = f"nobody reads {_listed(unread)}: set in type, or handed to a person"
        yield Check("readers", "absent", detail, "tesseract with its language data, or EasyOCR weights")


def _folder(settings: Settings) -> Path:
    text = settings.assets
    if text.startswith("file://"):
        return Path(urlsplit(text).path)
    return Path() if "://" in text else Path(text).expanduser()


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest of its parents that exists."""
    folder = folder.resolve()
    return next(place for place in (folder, *folder.parents) if place.exists())


def _listed(names: list[str]) -> str:
    # Some names of scripts hold a comma.
    return "; ".join(names) or "none"
