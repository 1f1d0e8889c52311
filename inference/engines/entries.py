"""The registry of logical engines: checked in as data, validated when loaded, resolved by the calendar."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import yaml
from msgspec import Meta

from inference.engines.terms import Billing, Price, PriceStep, Sizes, TokenPrices

__all__ = [
    "Billing",
    "EngineGone",
    "Entry",
    "Field",
    "Price",
    "PriceStep",
    "Registry",
    "RegistryError",
    "Role",
    "Sizes",
    "TokenPrices",
    "UnknownEngine",
    "load_registry",
]

REGISTRY_PATH = Path(__file__).with_name("registry.yaml")

Role = Literal["preview", "final", "polish", "compose"]
Field = Literal["seed", "negative_prompt", "steps", "guidance", "sampler", "engine"]


class RegistryError(ValueError):
    """The registry file is wrong; the text names the entry and the field."""


class UnknownEngine(LookupError):
    """No entry of that name; the text lists the known."""


class EngineGone(LookupError):
    """The engine has ended and nothing living follows it."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One logical engine.

    `fields` are the request fields its server takes beside prompt, width and height; `stands_in`
    says whether the emulator may take its place; `key_env` names the environment variable that
    holds its key; `url` is the address of an `http_render` server, or of one that stands for a hosted API;
    `honours_key` says that such a server draws and charges once for one Idempotency-Key; `quality` is what a
    hosted API that has several is asked for; `reads_tokens` is how much of a prompt the model reads, where it
    cuts the rest without a word; `in_flight` is how many pictures may be under way at once. `aliases` are
    other names that people call it by; what is recorded is `name`.
    """

    name: str
    adapter: str
    model: Annotated[str, Meta(min_length=1)]
    title: str
    roles: Annotated[tuple[Role, ...], Meta(min_length=1)]
    price: Price
    aliases: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    fields: tuple[Field, ...] = ()
    sizes: Sizes = Sizes()
    billing: Billing = Billing()
    url: str | None = None
    quality: str = ""
    reads_tokens: Annotated[int, Meta(ge=1)] | None = None
    key_env: str | None = None
    key_optional: bool = False
    honours_key: bool = False
    in_flight: Annotated[int, Meta(ge=1)] = 16
    timeout_s: Annotated[float, Meta(gt=0, le=600)] = 60.0
    stands_in: bool = True
    not_after: dt.date | None = None
    successor: str | None = None

    def alive(self, today: dt.date) -> bool:
        """Whether it may be called on `today`."""
        return self.not_after is None or today <= self.not_after

    def days_left(self, today: dt.date) -> int | None:
        """Days until the last one it may be called on; negative when past, None without an end."""
        return None if self.not_after is None else (self.not_after - today).days


class Registry:
    """The entries by name, in the order of the file."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        """Raises:
        RegistryError: a successor is unknown, a chain of them comes back to its start, or two engines
            answer to one name.
        """
        self._entries = dict(entries)
        self._by_alias: dict[str, Entry] = {}
        for entry in self:
            self._check_chain(entry)
            self._note_aliases(entry)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._entries)

    def get(self, name: str) -> Entry:
        """The entry of that name or alias, dead or alive.

        Raises:
            UnknownEngine: lists the known names, the likely one first.
        """
        entry = self._entries.get(name) or self._by_alias.get(name)
        if entry is None:
            near = difflib.get_close_matches(name, [*self._entries, *self._by_alias], n=1)
            hint = f"did you mean {near[0]!r}? Known" if near else "known"
            raise UnknownEngine(f"engine: unknown {name!r}; {hint}: {', '.join(self._entries)}")
        return entry

    def trail(self, name: str, *, today: dt.date) -> tuple[Entry, ...]:
        """From the entry of that name along successors to the first that lives on `today`.

        Raises:
            UnknownEngine, EngineGone
        """
        trail = [self.get(name)]
        while not trail[-1].alive(today):
            last = trail[-1]
            if last.successor is None:
                raise EngineGone(
                    f"engine: {last.name!r} ended on {last.not_after} and has no successor; "
                    "name another engine or give it one in the registry"
                )
            trail.append(self.get(last.successor))
        return tuple(trail)

    def resolve(self, name: str, *, today: dt.date) -> Entry:
        """The living entry that answers to `name` on `today`.

        Raises:
            UnknownEngine, EngineGone
        """
        return self.trail(name, today=today)[-1]

    def _note_aliases(self, entry: Entry) -> None:
        for alias in entry.aliases:
            other = self._entries.get(alias) or self._by_alias.get(alias)
            if other is not None:
                raise RegistryError(f"{entry.name}.aliases: {alias!r} is {other.name} already; use another")
            self._by_alias[alias] = entry

    def _check_chain(self, entry: Entry) -> None:
        seen = [entry.name]
        while entry.successor is not None:
            if entry.successor not in self._entries:
                raise RegistryError(
                    f"{entry.name}.successor: no entry {entry.successor!r}; known: {', '.join(self._entries)}"
                )
            if entry.successor in seen:
                raise RegistryError(
                    f"{seen[0]}.successor: comes back: {' -> '.join([*seen, entry.successor])}"
                )
            seen.append(entry.successor)
            entry = self._entries[entry.successor]


def load_registry(path: Path | None = None) -> Registry:
    """Reads and validates a registry file, by default the one checked in beside this module.

    Raises:
        RegistryError: not YAML, a name given twice, or a wrong field.
    """
    path = path or REGISTRY_PATH
    try:
        raw = yaml.load(path.read_bytes(), Loader=_UniqueKeys)
    except yaml.YAMLError as error:
        raise RegistryError(f"{path}: {error}") from error
    if not isinstance(raw, dict):
        raise RegistryError(f"{path}: must map engine names to entries; got {type(raw).__name__}")
    try:
        return Registry({str(name): _entry(str(name), fields) for name, fields in raw.items()})
    except RegistryError as error:
        raise RegistryError(f"{path}: {error}") from error


def _entry(name: str, fields: object) -> Entry:
    if not isinstance(fields, dict):
        raise RegistryError(f"{name}: must map fields to values; got {fields!r:.80}")
    try:
        entry = msgspec.convert({"name": name, **fields}, Entry)
    except msgspec.ValidationError as error:
        raise RegistryError(f"{name}: {error}{_shown(fields, str(error))}") from error
    steps = [step.up_to for step in entry.price.by_pixels]
    if steps != sorted(set(steps)):
        raise RegistryError(f"{name}.price.by_pixels: up_to must rise from step to step; got {steps}")
    largest = entry.sizes.max_pixels
    if entry.sizes.tiers and [tier.up_to for tier in entry.sizes.tiers] != sorted(
        {tier.up_to for tier in entry.sizes.tiers}
    ):
        raise RegistryError(f"{name}.sizes.tiers: up_to must rise from tier to tier")
    if steps and (largest is None or largest > steps[-1]):
        raise RegistryError(
            f"{name}.sizes.max_pixels: {largest} has no price; price.by_pixels ends at {steps[-1]}"
        )
    return entry


def _shown(fields: dict[object, object], message: str) -> str:
    """The value at the path that msgspec names, which its message leaves out."""
    value: object = fields
    for key, index in re.findall(r"\.(\w+)|\[(\d+)\]", message.rpartition("`$")[2]):
        try:
            value = value[key or int(index)]  # type: ignore[index] # the lookup may fail, and that is handled
        except (LookupError, TypeError):
            return ""
    return "" if value is fields else f"; got {value!r:.80}"


class _UniqueKeys(yaml.SafeLoader):
    """YAML that refuses a key given twice, where PyYAML keeps the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} is given twice", node.value[index][0].start_mark
                )
        return super().construct_mapping(node, deep)
