"""Prints jars.sha256 for another version of Kafka: `python -m streams.broker.pin 4.4.0`."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from streams.broker.jars import KAFKA_VERSION, SCALA_VERSION

# Kafka brings slf4j-api 1.7 and no binding: without one its errors are never seen.
LOG_BINDING = "org.slf4j:slf4j-simple:1.7.36"


def resolve_pins(version: str) -> Iterator[str]:
    """Lines of jars.sha256, sorted by path, from jgo's resolution of Kafka and everything below it."""
    from jgo import resolve
    from jgo.maven import MavenContext

    endpoint = f"org.apache.kafka:kafka_{SCALA_VERSION}:{version}+{LOG_BINDING}"
    with tempfile.TemporaryDirectory() as scratch:
        context = MavenContext(repo_cache=Path(scratch))
        files = [
            context.project(one.groupId, one.artifactId).at_version(one.version).artifact().resolve()
            for one in resolve(endpoint)
        ]
        for file in sorted(files):
            yield f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(scratch).as_posix()}"


if __name__ == "__main__":
    for line in resolve_pins(sys.argv[1] if len(sys.argv) > 1 else KAFKA_VERSION):
        sys.stdout.write(f"{line}\n")
