"""The numbers of a policy as a checked-in file, validated when loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import yaml
from msgspec import Meta

from streams.routing.expected.exploring import Way
from streams.routing.expected.features import BUCKETS, Bucket, Features
from streams.routing.expected.grades import Evidence
from streams.routing.expected.planning import Gate
from streams.routing.expected.rates import EngineRates, Learning, Table, logit

POLICY_PATH: Final = Path(__file__).with_name("expected.yaml")
# A rate of 0 or 1 would be certain, and no result could change it.
_LEAST, _MOST = 0.01, 0.99

Usd = Annotated[float, Meta(ge=0, le=10_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
Open = Annotated[float, Meta(gt=0, lt=1)]
Factor = Annotated[float, Meta(gt=0, le=2)]
Seconds = Annotated[float, Meta(ge=0, le=3_600)]


class PolicyFileError(ValueError):
    """A policy file is wrong; the text names the field, what it says and what it may say."""


class PriceList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See `expected.yaml`, where each has its reason."""

    person_usd: Usd
    wrong_usd: Usd
    second_usd: Usd
    composed_usd: Usd
    composed_by_tag: dict[str, Usd] = {}

    def composed(self, tags: frozenset[str]) -> float:
        """What is lost by setting true type over the picture of a prompt with these tags."""
        named = [usd for tag, usd in self.composed_by_tag.items() if tag in tags]
        return max(named) if named else self.composed_usd


class GateFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    passes_wrong: Annotated[float, Meta(ge=0, lt=0.5)]
    refuses_right: Annotated[float, Meta(ge=0, lt=0.5)]
    source: str


class EvidenceFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    odds: Annotated[float, Meta(ge=1, le=1_000)]
    near_plain: Open
    near_awkward: Open
    near_miss: Open
    source: str


class LearningFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    # Beyond these no Beta distribution would be as uncertain as they say.
    strength: Annotated[float, Meta(ge=4, le=10_000)]
    spread: Annotated[float, Meta(gt=0, le=1.5)]
    memory: Annotated[float, Meta(ge=10, le=1_000_000)]
    shift: Annotated[float, Meta(gt=0, le=3)]
    # Below two nats every few results would pass for a change.
    alarm: Annotated[float, Meta(ge=2, le=1_000)]


class Exploration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`share` of all dollars for pictures may go into pictures that were drawn to learn."""

    way: Way
    share: Annotated[float, Meta(ge=0, le=0.5)]


class Composing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    engine: str
    seconds: Seconds
    passes: Open


class Together(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the accuracy of one text becomes the rate of whole pictures; the formula is in `expected.yaml`."""

    together: Share
    digits: Factor
    texts: dict[Literal["light", "middle", "dense"], Annotated[float, Meta(ge=1, le=40)]]


class EngineFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    seconds: Seconds
    draws: Annotated[int, Meta(ge=1, le=7)]
    accuracy: Open
    per_text: Factor
    other_script: Factor
    source: str


class ExpectedPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy of expected costs. What it leads to is decided by `deciding.decide`."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]*$")]
    version: Annotated[str, Meta(pattern=r"^[0-9a-z.]+$")]
    attempts: Annotated[int, Meta(ge=1, le=7)]
    prices: PriceList
    gate: GateFile
    evidence: EvidenceFile
    learning: LearningFile
    exploration: Exploration
    compose: Composing
    rates: Together
    engines: Annotated[dict[str, EngineFile], Meta(min_length=1)]

    @property
    def label(self) -> str:
        """Recorded on every job and result."""
        return f"{self.name}-{self.version}"

    def published(self, engine: str, features: Features) -> float:
        """The rate of whole pictures that the published figures come to for a prompt."""
        return self._rate(self.engines[engine], features.regions, features.latin, features.critical_digits)

    def published_in(self, engine: str, bucket: Bucket) -> float:
        """The same for the prompts of a bucket, with a typical number of texts."""
        if engine == self.compose.engine:
            return self.compose.passes
        return self._rate(self.engines[engine], self.rates.texts[bucket.load], bucket.latin, bucket.digits)

    def table(self) -> Table:
        """The rates before any result."""
        told = self.learning
        learning = Learning(
            strength=told.strength,
            spread=told.spread,
            memory=told.memory,
            shift=told.shift,
            alarm=told.alarm,
        )
        return Table(
            {
                name: EngineRates(
                    published=tuple(logit(self.published_in(name, bucket)) for bucket in BUCKETS),
                    learning=learning,
                )
                for name in (*self.engines, self.compose.engine)
            }
        )

    def seen(self) -> Evidence:
        found = self.evidence
        return Evidence(found.odds, found.near_plain, found.near_awkward, found.near_miss)

    def trust(self) -> Gate:
        return Gate(self.gate.passes_wrong, self.gate.refuses_right)

    def _rate(self, engine: EngineFile, texts: float, latin: bool, digits: bool) -> float:
        texts = max(1.0, texts)
        one = engine.accuracy * engine.per_text ** (texts - 2)
        one *= 1.0 if latin else engine.other_script
        one *= self.rates.digits if digits else 1.0
        return float(min(_MOST, max(_LEAST, min(1.0, one) ** (texts**self.rates.together))))


def load_policy(path: Path | None = None) -> ExpectedPolicy:
    """Reads and validates a policy file, by default the one checked in beside this module.

    Raises:
        PolicyFileError: it cannot be read, is not YAML, says a thing twice, or has a wrong field.
    """
    path = path or POLICY_PATH
    try:
        raw = yaml.load(path.read_bytes(), Loader=_UniqueKeys)
    except OSError as error:
        raise PolicyFileError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise PolicyFileError(f"{path}: {error}") from error
    if not isinstance(raw, dict):
        raise PolicyFileError(f"{path}: must map fields to values; got {type(raw).__name__}")
    try:
        policy = msgspec.convert(raw, ExpectedPolicy)
    except msgspec.ValidationError as error:
        raise PolicyFileError(f"{path}: {error}{_shown(raw, str(error))}") from error
    _check(policy, path)
    return policy


def _check(policy: ExpectedPolicy, path: Path) -> None:
    missing = {"light", "middle", "dense"} - set(policy.rates.texts)
    if missing:
        raise PolicyFileError(f"{path}: rates.texts: says nothing of {', '.join(sorted(missing))}; add it")
    if policy.compose.engine in policy.engines:
        raise PolicyFileError(
            f"{path}: engines: {policy.compose.engine!r} composes; "
            "take it out, or name another in compose.engine"
        )
    gate = policy.gate
    if gate.passes_wrong + gate.refuses_right >= 1:
        raise PolicyFileError(
            f"{path}: gate: passes_wrong {gate.passes_wrong} and refuses_right {gate.refuses_right} "
            "come to 1 or more: such a gate tells nothing; measure it again"
        )


def _shown(raw: Mapping[object, object], message: str) -> str:
    """The value at the path that msgspec names, which its message leaves out."""
    value: object = raw
    for step in re.findall(r"\.([\w-]+)", message.rpartition("`$")[2]):
        if not isinstance(value, Mapping) or step not in value:
            return ""
        value = value[step]
    return f"; it says {value!r:.80}" if value is not raw else ""


class _UniqueKeys(yaml.SafeLoader):
    """YAML takes the last of two equal keys in silence; here that is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} is given twice; keep one", key_node.start_mark
                )
            seen.add(key)
        return dict(super().construct_mapping(node, deep=deep))
