"""The spend ledger: nothing is paid that was not written down first, and nothing is paid twice."""

from inference.engines.ledger.address import holds_password
from inference.engines.ledger.asynchronous import AsyncLedger, LookUp, Reconciled
from inference.engines.ledger.budgets import Budget, check_budgets, parse_budget, told
from inference.engines.ledger.calls import (
    ANSWERABLE,
    Answer,
    Beginning,
    Begun,
    Busy,
    Call,
    Held,
    Known,
    LedgerError,
    LedgerUnavailable,
    NotOpen,
    OverBudget,
    Row,
)
from inference.engines.ledger.money import dollars, micros, spelled
from inference.engines.ledger.store import Leases, Ledger, LedgerMissing, Recovered

__all__ = [
    "ANSWERABLE",
    "Answer",
    "AsyncLedger",
    "Beginning",
    "Begun",
    "Budget",
    "Busy",
    "Call",
    "Held",
    "Known",
    "Leases",
    "Ledger",
    "LedgerError",
    "LedgerMissing",
    "LedgerUnavailable",
    "LookUp",
    "NotOpen",
    "OverBudget",
    "Reconciled",
    "Recovered",
    "Row",
    "check_budgets",
    "dollars",
    "holds_password",
    "micros",
    "parse_budget",
    "spelled",
    "told",
]
