"""The error shape that all Google APIs share: google.rpc.Status with details (https://google.aip.dev/193)."""

from __future__ import annotations

import re
from typing import Final

from inference.engines.contract import NOT_JSON, Told, mapping_in, mappings_in, object_in, texts_in
from inference.engines.signals import header_delay_s, longest_duration_s, until_pacific_midnight_s
from inference.engines.transport import Answer

# The plan has none of this model: no wait helps, whatever RetryInfo says.
_NONE_AT_ALL: Final = re.compile(r"\blimit: 0\b")


def told_by(answer: Answer) -> Told:
    """What an answer with an error status says; the wait stands in the body, a daily quota's nowhere."""
    value = object_in(answer)
    if value is None:
        return Told(status=answer.status, words=(NOT_JSON,), after_s=header_delay_s(answer.headers))
    error = mapping_in(value, "error")
    details = mappings_in(error, "details")
    quotas = [
        word
        for item in details
        for one in mappings_in(item, "violations")
        for word in texts_in(one, "quotaId")
    ]
    message = " ".join(texts_in(error, "message"))
    if _NONE_AT_ALL.search(message):
        quotas.append("limit-0")
    words = (
        *texts_in(error, "status"),
        *(word for item in details for word in texts_in(item, "reason")),
        *quotas,
    )
    return Told(
        status=answer.status,
        words=words,
        message=message,
        after_s=_delay_s(answer, quotas, [word for item in details for word in texts_in(item, "retryDelay")]),
    )


def _delay_s(answer: Answer, quotas: list[str], delays: list[str]) -> float | None:
    # The body's delay is for the minute's quota, also where it is the day's that is used up.
    if any("PerDay" in quota for quota in quotas):
        return until_pacific_midnight_s(answer.headers)
    if "limit-0" in quotas:
        return None
    found = longest_duration_s(delays)
    return header_delay_s(answer.headers) if found is None else found
