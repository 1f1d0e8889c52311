"""What is scripted to go wrong: by a request's header, by steps that wait for theirs, or by a seeded plan."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Annotated, Literal, TypeVar

import msgspec
import yaml
from msgspec import Meta

from inference.engines.emulator.contracts.base import Fault

HEADER = "x-emulator-script"

T = TypeVar("T")

Chance = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0, le=3600)]


class ScriptError(ValueError):
    """A script or plan is wrong; the text names the field."""


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The course of one request; what is not set goes as usual.

    `charge` overrides whether the provider charges for such an outcome. `where` says whether a fault of the
    way strikes the answer or, where pictures are fetched by address, that fetch. `bytes` is how much an
    endless body sends before it ends after all. `after_s` is the wait that a 429 asks for. `thoughts` is how
    many tokens a model thinks that is charged for thinking.
    """

    fault: Fault | None = None
    reason: Annotated[str, Meta(max_length=100)] = ""
    status: Annotated[int, Meta(ge=400, le=599)] | None = None
    after_s: Seconds | None = None
    delay_s: Seconds = 0.0
    charge: bool | None = None
    misspell: Chance | None = None
    thoughts: Annotated[int, Meta(ge=0, le=32_768)] = 0
    where: Literal["answer", "fetch"] = "answer"
    bytes: Annotated[int, Meta(ge=1)] = 8 << 30


class Step(Script, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A script for the next `times` requests of that contract and model whose prompt holds `prompt`."""

    contract: str = ""
    model: str = ""
    prompt: str = ""
    times: Annotated[int, Meta(ge=1)] = 1

    def fits(self, contract: str, model: str, prompt: str) -> bool:
        named = (not self.contract or self.contract == contract) and (not self.model or self.model == model)
        return named and self.prompt in prompt


class Odds(Script, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A script that happens to the share `at` of all requests, or of those of one contract."""

    at: Chance
    contract: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Odds under a seed. The n-th asking of the same prompt has the same course, whatever else is asked."""

    seed: int = 0
    odds: tuple[Odds, ...] = ()

    def __post_init__(self) -> None:
        if sum(odds.at for odds in self.odds) > 1 + 1e-9:
            raise ValueError(f"odds: the shares add up to more than 1: {[odds.at for odds in self.odds]}")

    def course(self, contract: str, model: str, prompt: str, nth: int) -> Script:
        rolled = Random(f"{self.seed}\x1f{contract}\x1f{model}\x1f{prompt}\x1f{nth}").random()
        for odds in self.odds:
            if odds.contract in ("", contract):
                if rolled < odds.at:
                    return odds
                rolled -= odds.at
        return Script()


class Scripts:
    """The steps that wait, the plan, and how often each prompt was asked. Safe in several threads."""

    def __init__(self, plan: Plan | None = None) -> None:
        self._plan = plan or Plan()
        self._waiting: list[tuple[Step, int]] = []
        self._asked: dict[bytes, int] = defaultdict(int)
        self._lock = threading.Lock()

    def add(self, *steps: Step) -> None:
        """Steps are tried in the order they came; the first that fits is used up by one."""
        with self._lock:
            self._waiting.extend((step, step.times) for step in steps)

    def set_plan(self, plan: Plan) -> None:
        with self._lock:
            self._plan = plan

    def next(self, contract: str, model: str, prompt: str, header: str = "") -> tuple[Script, int]:
        """The script of this request, and how many times its prompt was asked before.

        Raises:
            ScriptError: the header holds no script.
        """
        own = _decode(header, Script) if header else None
        identity = hashlib.sha256(f"{contract}\x1f{model}\x1f{prompt}".encode()).digest()
        with self._lock:
            nth = self._asked[identity]
            self._asked[identity] += 1
            if own is not None:
                return own, nth
            for index, (step, left) in enumerate(self._waiting):
                if step.fits(contract, model, prompt):
                    self._waiting[index : index + 1] = [(step, left - 1)] if left > 1 else []
                    return step, nth
            return self._plan.course(contract, model, prompt, nth), nth


def steps_of(body: bytes) -> list[Step]:
    """Raises:
    ScriptError: `body` is no JSON list of steps.
    """
    return _decode(body, list[Step])


def plan_of(body: bytes) -> Plan:
    """Raises:
    ScriptError: `body` is no plan in JSON.
    """
    return _decode(body, Plan)


def load_plan(path: Path) -> Plan:
    """Raises:
    ScriptError: the file is no plan in YAML.
    """
    try:
        return msgspec.convert(yaml.safe_load(path.read_bytes()), Plan)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ScriptError(f"{path}: {error}") from error


def _decode(body: bytes | str, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.DecodeError as error:
        raise ScriptError(f"script: {error}") from error
