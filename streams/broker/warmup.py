"""Fetches what a broker needs, and trains the JVM's start-up cache once."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from streams.broker.errors import BrokerError
from streams.broker.folder import DataFolder
from streams.broker.jars import Progress, fetch_jars, kafka_folder, pinned_jars, pins_digest
from streams.broker.java import find_java
from streams.broker.launch import Options, Runtime, launch
from streams.broker.lock import claim, take_turns
from streams.broker.ports import choose_ports

TRAINING_GRACE_S = 180.0


def prepare(on_progress: Progress | None = None) -> Runtime:
    """Java, the jars and the start-up cache, fetched and made where they are missing."""
    folder = kafka_folder()
    with take_turns(folder):
        java = find_java()
        runtime = Runtime(java, fetch_jars(folder, on_progress=on_progress))
        if not java.caches_startup:
            return runtime
        cache = folder / f"startup-{java.build}-{pins_digest(pinned_jars())}.aot"
        if not cache.exists():
            _train_or_do_without(runtime, cache, on_progress or _silent)
    trained = cache.exists() and cache.stat().st_size > 0
    return Runtime(java, runtime.jars, cache if trained else None)


def _train_or_do_without(runtime: Runtime, cache: Path, tell: Progress) -> None:
    tell("preparing a start-up cache for the broker, once (about ten seconds)")
    try:
        train(runtime, cache)
    except (BrokerError, OSError) as error:
        tell(f"no start-up cache, so the broker starts a second or two later: {error}")
        # An empty file keeps the next start from trying again; remove it to try.
        with contextlib.suppress(OSError):
            cache.touch()


def _silent(_message: str) -> None:
    pass


def train(runtime: Runtime, cache: Path) -> None:
    """Runs a broker once in a scratch folder and keeps what its JVM loaded and linked (JEP 483, 514).

    Halves the time to ready. Raises `BrokerError` or `OSError` where no cache came of it.
    """
    with tempfile.TemporaryDirectory(dir=cache.parent, prefix="training-") as scratch:
        folder = DataFolder(Path(scratch))
        fresh = folder.path / cache.name
        with claim(folder) as lock:
            options = Options(
                ports=choose_ports(0),
                flags=(f"-XX:AOTCacheOutput={fresh}",),
                stop_grace_s=TRAINING_GRACE_S,
            )
            # The JVM writes the cache as it exits.
            launch(runtime, folder, options, lock_fd=lock.descriptor).terminate(TRAINING_GRACE_S)
        fresh.replace(cache)
