"""What an answer without a picture means: one table for every hosted API.

The first rule that fits holds: those of the provider first, then those by status. Sections in the comments
are of the research page "Hosted engines" (A1 to A7), where the shapes and their sources stand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from inference.engines.base import (
    Billed,
    Broken,
    EngineError,
    Kind,
    Refused,
    Transient,
    Uncertain,
    Unsupported,
)
from inference.engines.contract import NOT_JSON, Provider, Told
from inference.engines.redaction import Redactor
from inference.engines.terms import Billing

# Nobody says when an account will have credit again: it is looked at once an hour.
QUOTA_RECHECK_S: Final = 3600.0

_ALL: Final = range(100, 600)
_SERVER_ERROR: Final = range(500, 600)
_UNAVAILABLE: Final = 503
# A gateway's own: what is behind it may have drawn, and charged, when the gateway gave up on it.
_GATEWAY_GAVE_UP: Final = (502, 504, *range(520, 530))


@dataclass(frozen=True, slots=True)
class Rule:
    """Fits where all that it names fits: a whole word, a part of the message, the status."""

    kind: Kind
    words: str = ""
    message: str = ""
    statuses: range | tuple[int, ...] = _ALL

    def fits(self, told: Told) -> bool:
        return (
            told.status in self.statuses
            and (not self.words or any(re.fullmatch(self.words, word) for word in told.words))
            and (not self.message or re.search(self.message, told.message, re.IGNORECASE) is not None)
        )


_GOOGLE: Final = (  # A1, A2
    Rule("auth", "API_KEY_.*|UNAUTHENTICATED|PERMISSION_DENIED|SERVICE_DISABLED|BILLING_DISABLED"),
    Rule("auth", message="billed users|enable billing|location is not supported", statuses=(400, 403)),
    Rule("quota", ".*PerDay.*|limit-0", statuses=(429,)),
    Rule("refused_prompt", "blockReason=(SAFETY|OTHER|BLOCKLIST|PROHIBITED_CONTENT|IMAGE_SAFETY)"),
    Rule("refused_prompt", "blockReason=(MODEL_ARMOR|JAILBREAK)"),
    Rule("refused_prompt", message="responsible ai|sensitive words|safety (polic|filter)", statuses=(400,)),
    Rule("refused_output", "finishReason=(IMAGE_)?(SAFETY|PROHIBITED_CONTENT|RECITATION)"),
    Rule("refused_output", "finishReason=(BLOCKLIST|SPII)"),
    Rule("refused_output", "raiFilteredReason|no-predictions|prediction-without-bytes"),
    Rule("no_image", "no-candidates|finishReason=(NO_IMAGE|IMAGE_OTHER|OTHER|STOP|MAX_TOKENS)"),
    Rule("invalid", "finishReason=LANGUAGE"),
)
_OPENAI: Final = (  # A3
    Rule("quota", "insufficient_quota|billing_hard_limit_reached|billing_not_active"),
    Rule("quota", "rate_limit_exceeded", message=r"per day|\bRPD\b|\bIPD\b"),
    Rule("refused_output", "moderation_stage=output"),
    Rule("refused_prompt", "moderation_blocked|content_policy_violation"),
    Rule("gone", "model_not_found|model_deprecated"),
    Rule("no_image", "no-data"),
)
_IDEOGRAM: Final = (  # A4
    Rule("quota", "insufficient_funds|daily_limit"),
    Rule("rate", "inflight_limit"),
    Rule("refused_prompt", statuses=(422,)),
    Rule("refused_output", "is_image_safe=false"),
    Rule("no_image", "no-data|no-url"),
)
_STABILITY: Final = (  # A5
    Rule("refused_prompt", "content_moderation"),
    Rule("refused_output", "finish_reason=CONTENT_FILTERED"),
    Rule("no_image", "no-image"),
)
BY_PROVIDER: Final[Mapping[Provider, tuple[Rule, ...]]] = {
    "google": _GOOGLE,
    "openai": _OPENAI,
    "ideogram": _IDEOGRAM,
    "stability": _STABILITY,
}
BY_STATUS: Final = (  # A7
    # A page of somebody's gateway: the API itself would have answered in its own shape.
    Rule("unclear", NOT_JSON, statuses=(403, 404)),
    Rule("auth", statuses=(401, 403)),
    Rule("quota", statuses=(402,)),
    Rule("gone", statuses=(404, 410)),
    Rule("invalid", statuses=(400, 405, 406, 411, 413, 414, 415, 422, 431)),
    Rule("rate", statuses=(429,)),
    Rule("transient", statuses=(408, 409, 425)),
    # The far side went on drawing when the gateway hung up: it is our own time-out by another name.
    Rule("unknown", statuses=_GATEWAY_GAVE_UP),
    Rule("unknown", NOT_JSON, statuses=_SERVER_ERROR),
    Rule("transient", statuses=_SERVER_ERROR),
)

_HINTS: Final[Mapping[Kind, str]] = {
    "auth": "is the key right, and allowed to?",
    "quota": "the account has no credit, or no more of its quota",
    "gone": "the model or the address is no more; name its successor in the registry",
    "unknown": "it may have been drawn and billed",
    "unclear": "an answer of a shape that nobody has told us of",
}


def kind_of(provider: Provider, told: Told, billing: Billing) -> Kind:
    """The kind of outcome that `told` is.

    A server error is the provider's trouble, to be tried again, only where the provider says that it never
    bills such a call: it may have come after the picture.
    """
    rules = (*BY_PROVIDER[provider], *BY_STATUS)
    kind: Kind = next((rule.kind for rule in rules if rule.fits(told)), "unclear")
    if kind != "transient" or told.status not in _SERVER_ERROR:
        return kind
    is_safe = told.status == _UNAVAILABLE or billing.server_error == "never"
    return "transient" if is_safe and _is_own_error(told) else "unknown"


def _is_own_error(told: Told) -> bool:
    """Whether the provider itself says that it failed; a page, or `{}`, may be any gateway's."""
    is_worded = NOT_JSON not in told.words and bool(told.words or told.message)
    return is_worded and told.status not in _GATEWAY_GAVE_UP


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an engine's registry entry says of a call: its list price in dollars, and its billing."""

    billing: Billing
    list_usd: float = 0.0


def billed_by(kind: Kind, told: Told, billing: Billing) -> Billed:
    """Whether a call of that outcome is paid for, by the answer where it counts that, else by the registry.

    A count of nothing is an answer too: what is billed by tokens, and took none, is not paid for.
    """
    succeeded = 200 <= told.status < 300
    if told.usd is not None and succeeded:
        return "billed" if told.usd else "never"
    match kind:
        case "refused_prompt":
            return billing.prompt_refused
        case "refused_output" | "no_image":
            return billing.output_refused
        case "unknown":
            return billing.server_error if _is_own_error(told) else billing.time_out
        case "unclear":
            return "unknown" if succeeded else "never"
        case _:
            return "never"


def error_of(
    engine: str,
    provider: Provider,
    told: Told,
    *,
    body: bytes,
    redact: Redactor,
    terms: Terms,
    request_id: str = "",
) -> EngineError:
    """The error for `told`, read from `body`, with what it says in a line that is free of secrets.

    What is billed without a price of its own is billed at the list price.
    """
    error = _error_of(engine, provider, told, body, redact, terms.billing)
    error.usd = terms.list_usd if told.usd is None and error.billed == "billed" else told.usd
    error.request_id = request_id
    return error


def _error_of(
    engine: str, provider: Provider, told: Told, body: bytes, redact: Redactor, billing: Billing
) -> EngineError:
    kind = kind_of(provider, told, billing)
    billed = billed_by(kind, told, billing)
    said = ": ".join(filter(None, [", ".join(told.words), told.message]))
    # A shape that nobody knows is shown as it came.
    quoted = redact.quoted(body) if kind == "unclear" or not said else redact.line(said)
    text = f"{engine}: HTTP {told.status}, {kind}" + (f": {quoted}" if quoted else "")
    text += f"; {_HINTS[kind]}" if kind in _HINTS else ""
    match kind:
        case "refused_prompt" | "refused_output":
            return Refused(text, kind=kind, billed=billed)
        case "auth" | "gone" | "invalid":
            return Unsupported(text, kind=kind, billed=billed)
        case "no_image" | "unclear":
            return Broken(text, kind=kind, billed=billed)
        case "unknown":
            return Uncertain(text, kind=kind, billed=billed)
        case "quota" | "rate" | "transient":
            if not told.again:
                return Broken(f"{text}; the provider says not to try again", kind=kind, billed=billed)
            after_s = QUOTA_RECHECK_S if kind == "quota" and told.after_s is None else told.after_s
            return Transient(text, kind=kind, billed=billed, after_s=after_s)
