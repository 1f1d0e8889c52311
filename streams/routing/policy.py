"""The named policies: the brief's three architectures over the same stages.

A policy is data. What it leads to is decided by `table.decide_route` and `verdict.decide_verdict`, pure
functions of recorded inputs and of the policy's version: change a number here, raise the version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inference.legibility.acceptance import DEFAULT, Acceptance

LAYOUT_ENGINE = "layout"
LOCAL_ENGINES = frozenset({"sd3.5_local", "sd3.5_medium", "sd3.5_medium_text"})
SUCCESSION: Mapping[str, str] = {
    "sd3.5_local": "imagen4_remote",
    "sd3.5_medium": "imagen4_remote",
    "sd3.5_medium_text": "imagen4_remote",
    "imagen4_remote": "imagen4_ultra",
    "ideogram_v2a_turbo": "imagen4_ultra",
    "dalle3_hd": "imagen4_ultra",
    "http_render": "imagen4_ultra",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How bold a policy is with pictures and money.

    accept: what is accepted; every critical text must be exact besides.
    near_miss: the least score at which another seed of a local engine is worth a try.
    rerolls: further seeds of a local engine for one final.
    hosted_attempts: hosted renders for one final, the first included.
    preview_all: every prompt starts on the local engine.
    skip_preview: no prompt does.
    polish_winners: an accepted preview is drawn again by the hosted engine.
    escalate_losers: a preview that cannot be read goes to a hosted engine; else it is composed.
    """

    name: str
    version: str
    accept: Acceptance = DEFAULT
    near_miss: float = 0.55
    composed_score: float = 0.6
    rerolls: int = 1
    hosted_attempts: int = 2
    attempts: int = 6
    preview_all: bool = False
    skip_preview: bool = False
    polish_winners: bool = False
    escalate_losers: bool = True
    succession: Mapping[str, str] = field(default_factory=lambda: SUCCESSION)

    @property
    def label(self) -> str:
        """Recorded on every job and result."""
        return f"{self.name}-{self.version}"


HYBRID = Policy(name="hybrid", version="1")
LOCAL_FIRST = Policy(
    name="local-first", version="1", preview_all=True, polish_winners=True, escalate_losers=False, rerolls=2
)
HOSTED_FIRST = Policy(name="hosted-first", version="1", skip_preview=True)

POLICIES: Mapping[str, Policy] = {policy.name: policy for policy in (HYBRID, LOCAL_FIRST, HOSTED_FIRST)}

# Not a table: `streams.routing.expected` decides it by the numbers of its own file.
EXPECTED = "expected"
POLICY_NAMES = (*POLICIES, EXPECTED)


def policy_named(name: str) -> Policy:
    """Raises:
    KeyError: no such policy; the text lists those there are.
    """
    try:
        return POLICIES[name]
    except KeyError:
        raise KeyError(f"policy {name!r} is unknown; known: {', '.join(sorted(POLICY_NAMES))}") from None
