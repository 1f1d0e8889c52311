"""What `--fail-if` says, parsed: `legibility < baseline - 0.02`, `p50 significantly > 1.1 * baseline`.

condition := metric ["significantly"] ("<" | "<=" | ">" | ">=") sum
sum       := product (("+" | "-") product)*
product   := factor (("*" | "/") factor)*
factor    := number ["%"] | "baseline" | "-" factor | "(" sum ")"
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, cast, get_args

import numpy as np

from inference.bench.metrics import BOUNDED, METRICS, Metric
from inference.bench.statistics import Floats

Comparison = Literal["<", "<=", ">", ">="]
Sign = Literal["+", "-", "*", "/"]

LONGEST: Final = 500
DEEPEST: Final = 40
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<word>[A-Za-z_]\w*)|(?P<sign><=|>=|[<>+\-*/%()]))"
)
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC: Final[Mapping[str, Callable[[Floats, Floats], Floats]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": lambda left, right: np.divide(left, np.where(right == 0, np.nan, right)),
}
_CLOSEST: Final = 0.5


class ExpressionError(ValueError):
    """A `--fail-if` that cannot be read; the text shows where, and what could stand there."""


@dataclass(frozen=True, slots=True)
class Number:
    """`percent` where it was written so: 10 % of a second is no tenth of a second."""

    value: float
    percent: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Baseline:
    """The metric's own value in the baseline."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    sign: Sign
    left: Term
    right: Term


Term = Number | Baseline | Arithmetic


@dataclass(frozen=True, slots=True)
class Condition:
    """What must not be. `significantly` asks that luck alone can hardly be the reason."""

    metric: Metric
    comparison: Comparison
    limit: Term
    significantly: bool = False
    text: str = field(default="", compare=False)

    @property
    def needs_baseline(self) -> bool:
        return _mentions(self.limit)

    def holds(self, ours: float, limit: float) -> bool:
        return _COMPARISONS[self.comparison](ours, limit)

    def __str__(self) -> str:
        how = "significantly " if self.significantly else ""
        return f"{self.metric} {how}{self.comparison} {written(self.limit)}"


def evaluate(term: Term, baseline: Floats) -> Floats:
    """The limit for each value of the baseline; NaN where anything in it is divided by 0."""
    match term:
        case Number(value):
            return np.full_like(baseline, value)
        case Baseline():
            return baseline
        case Arithmetic(sign, left, right):
            with np.errstate(all="ignore"):
                return _ARITHMETIC[sign](evaluate(left, baseline), evaluate(right, baseline))


def written(term: Term) -> str:
    """The term in words that parse to it again."""
    match term:
        case Number(value):
            return repr(value)
        case Baseline():
            return "baseline"
        case Arithmetic(sign, left, right):
            return f"({written(left)} {sign} {written(right)})"


def parse(text: str) -> Condition:
    """Reads one `--fail-if`.

    Raises:
        ExpressionError: names the position and the fix.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"--fail-if: has {len(text)} characters; write it in at most {LONGEST}")
    return _Parser(text).condition()


def _mentions(term: Term) -> bool:
    match term:
        case Baseline():
            return True
        case Arithmetic(_, left, right):
            return _mentions(left) or _mentions(right)
        case Number():
            return False


def _adds_share(term: Term) -> bool:
    """Whether a percentage of nothing is added to something with the baseline in it."""
    if not isinstance(term, Arithmetic) or not _mentions(term):
        return False
    sides = (term.left, term.right)
    return (term.sign in ("+", "-") and any(map(_is_share, sides))) or any(map(_adds_share, sides))


def _is_share(term: Term) -> bool:
    return not _mentions(term) and _has_percent(term)


def _has_percent(term: Term) -> bool:
    match term:
        case Number(_, percent):
            return percent
        case Arithmetic(_, left, right):
            return _has_percent(left) or _has_percent(right)
        case Baseline():
            return False


@dataclass(frozen=True, slots=True)
class _Token:
    kind: Literal["number", "word", "sign", "end"]
    text: str
    at: int


class _Parser:
    """Recursive descent; one token is looked at."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._next = 0
        self._depth = 0
        self._percent: _Token | None = None
        self._token = self._read()

    def condition(self) -> Condition:
        metric = self._metric()
        significantly = self._token.text == "significantly"
        if significantly:
            self._advance()
        if self._token.text not in get_args(Comparison):
            raise self._wrong("a comparison (<, <=, > or >=) belongs here")
        comparison = cast(Comparison, self._advance().text)
        limit = self._sum()
        if self._token.kind != "end":
            raise self._wrong("the condition should end here, or go on with +, -, * or /")
        if metric not in BOUNDED and (_is_share(limit) or _adds_share(limit)):
            self._token = self._percent or self._token
            raise self._wrong(
                f"{metric} is no share, so a percentage can neither be its limit nor be added to it; "
                "write 1.1 * baseline for 10% more, 0.9 * baseline for 10% less"
            )
        return Condition(metric, comparison, limit, significantly, self._text.strip())

    def _metric(self) -> Metric:
        known = ", ".join(METRICS)
        if self._token.text not in METRICS:
            near = difflib.get_close_matches(self._token.text.lower(), METRICS, n=1, cutoff=_CLOSEST)
            hint = f"did you mean {near[0]}? " if near else ""
            raise self._wrong(f"{hint}a metric belongs here: {known}")
        return cast(Metric, self._advance().text)

    def _sum(self) -> Term:
        term = self._product()
        while self._token.text in ("+", "-"):
            sign = cast(Sign, self._advance().text)
            term = Arithmetic(sign, term, self._product())
        return term

    def _product(self) -> Term:
        term = self._factor()
        while self._token.text in ("*", "/"):
            sign = cast(Sign, self._advance().text)
            term = Arithmetic(sign, term, self._factor())
        return term

    def _factor(self) -> Term:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong(f"it is nested more than {DEEPEST} deep; write it plainly")
        try:
            return self._within()
        finally:
            self._depth -= 1

    def _within(self) -> Term:
        if self._token.kind == "number":
            return self._number()
        match self._token.text:
            case "baseline":
                self._advance()
                return Baseline()
            case "-":
                self._advance()
                inner = self._factor()
                if isinstance(inner, Number):
                    return Number(-inner.value, inner.percent)
                return Arithmetic("-", Number(0.0), inner)
            case "(":
                self._advance()
                inner = self._sum()
                self._close()
                return inner
            case _:
                raise self._wrong("a number, baseline or a parenthesis belongs here")

    def _close(self) -> None:
        if self._token.text != ")":
            raise self._wrong("a closing parenthesis belongs here")
        self._advance()

    def _number(self) -> Number:
        value = float(self._token.text)
        if not math.isfinite(value):
            raise self._wrong("the number is too large")
        self._advance()
        if self._token.text != "%":
            return Number(value)
        self._percent = self._percent or self._token
        self._advance()
        return Number(value / 100, percent=True)

    def _advance(self) -> _Token:
        token, self._token = self._token, self._read()
        return token

    def _read(self) -> _Token:
        found = _TOKEN.match(self._text, self._next)
        if found is None:
            rest = self._text[self._next :]
            at = self._next + len(rest) - len(rest.lstrip())
            self._token = _Token("end", self._text[at : at + 1], at)
            if at < len(self._text):
                raise self._wrong("this character means nothing here")
            return self._token
        self._next = found.end()
        kind = cast(Literal["number", "word", "sign"], found.lastgroup)
        return _Token(kind, found[kind], found.start(kind))

    def _wrong(self, fix: str) -> ExpressionError:
        got = repr(self._token.text) if self._token.text else "the end"
        # One line, whatever white space was sent: the caret below must point at its column.
        shown = re.sub(r"\s", " ", self._text)
        pointed = f"  {shown}\n  {' ' * self._token.at}^"
        return ExpressionError(f"--fail-if: at character {self._token.at + 1}: got {got}; {fix}\n{pointed}")
