"""What several verbs choose or start, with faults in words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from streams.commands.verb import Failure
from streams.routing.policy import EXPECTED, Policy, policy_named
from streams.runtime.errors import EXIT_USAGE
from streams.settings import Settings

if TYPE_CHECKING:
    from inference.assets import AssetStore
    from streams.routing.expected.policyfile import ExpectedPolicy


def known_policy(settings: Settings) -> Policy | ExpectedPolicy:
    """The table of that name, or the policy of expected costs.

    Raises:
        Failure: no such policy; the text lists those there are. Or its file is wrong; the text says where.
    """
    if settings.policy != EXPECTED:
        try:
            return policy_named(settings.policy)
        except KeyError as error:
            raise Failure(str(error.args[0]), exit_code=EXIT_USAGE) from error
    from streams.routing.expected.policyfile import PolicyFileError, load_policy

    try:
        return load_policy()
    except PolicyFileError as error:
        raise Failure(str(error), exit_code=EXIT_USAGE) from error


def known_readers(settings: Settings) -> None:
    """Raises:
    Failure: a reader is unknown, or not installed here; the text says how to get it.
    """
    from inference.legibility.readers import available_readers, reader_entry

    available = available_readers()
    for name in settings.readers:
        try:
            entry = reader_entry(name)
        except ValueError as error:
            message = f"{error} (--readers, GLYPHSTREAM_READERS)"
            raise Failure(message, exit_code=EXIT_USAGE) from error
        if not available[name][0]:
            message = f"reader: {name!r} is not installed here; {entry.get}, or name another"
            raise Failure(message, exit_code=EXIT_USAGE)


def opened_store(settings: Settings) -> AssetStore:
    """Raises:
    Failure: the asset store's scheme is unknown, or it cannot be opened.
    """
    from inference.assets import AssetStore

    try:
        return AssetStore.open(settings.assets)
    except ValueError as error:
        raise Failure(f"{error} (--assets, GLYPHSTREAM_ASSETS)", exit_code=EXIT_USAGE) from error


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
