"""The topics: what each carries and the limits every client is told."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.events import Event, PromptEvent, Render, RenderJob, Result, Review

DAY_MS = 86_400_000
MESSAGE_BYTES = 1_048_576
DEAD_LETTER_MARGIN = 65_536


@dataclass(frozen=True, slots=True)
class Topic:
    """`event` is None where a topic carries raw bytes (dead letters).

    `appended` says that the broker stamps records as it appends them. Kafka counts retention from a record's
    timestamp: a producer whose clock is wrong, or who sends what is a year old, would see it deleted at once.
    """

    name: str
    event: type[Event] | None
    retention_ms: int
    public: bool = False
    cleanup: str = "delete"
    max_message_bytes: int = MESSAGE_BYTES
    appended: bool = False

    def config(self, *, min_insync: int = 1) -> dict[str, str]:
        """The broker's topic settings, by their Kafka names."""
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
            "min.insync.replicas": str(min_insync),
            "message.timestamp.type": "LogAppendTime" if self.appended else "CreateTime",
            "compression.type": "producer",
        }


PROMPTS = Topic("prompts", PromptEvent, 30 * DAY_MS, public=True, appended=True)
PREVIEW = Topic("preview", RenderJob, 7 * DAY_MS)
POLISH = Topic("polish", RenderJob, 7 * DAY_MS)
RENDERS = Topic("renders", Render, 14 * DAY_MS)
RESULTS = Topic("results", Result, 90 * DAY_MS, public=True)
# Never expires: a person's judgement cannot be made again by replaying.
REVIEWS = Topic("reviews", Review, -1, public=True)
# Neither do these: each keeps the timestamp of its record, however old that is.
DEAD_LETTERS = Topic(
    "dead-letters", None, -1, public=True, max_message_bytes=MESSAGE_BYTES + DEAD_LETTER_MARGIN
)

TOPICS: tuple[Topic, ...] = (PROMPTS, PREVIEW, POLISH, RENDERS, RESULTS, REVIEWS, DEAD_LETTERS)
