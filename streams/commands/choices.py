"""What several verbs choose or start, with faults in words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from streams.commands.verb import Failure
from streams.routing.policy import Policy, policy_named
from streams.runtime.errors import EXIT_USAGE
from streams.settings import Settings


def known_policy(settings: Settings) -> Policy:
    """Raises:
    Failure: no such policy; the text lists those there are.
    """
    try:
        return policy_named(settings.policy)
    except KeyError as error:
        raise Failure(str(error.args[0]), exit_code=EXIT_USAGE) from error


@contextlib.contextmanager
def emulator() -> Iterator[str]:
    """The emulator as a child that ends with this process; yields its address.

    Raises:
        Failure: it did not start.
    """
    from inference.engines.emulator.serving import EmulatorFailed, emulator_process

    try:
        with emulator_process() as url:
            yield url
    except EmulatorFailed as error:
        raise Failure(str(error)) from error
