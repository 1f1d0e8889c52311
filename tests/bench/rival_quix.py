"""Contestant: Quix Streams, exactly-once, raw bytes in and out."""

from __future__ import annotations

import argparse
import tempfile

from quixstreams import Application  # type: ignore[import-not-found]  # in the rivals' environment
from quixstreams.models import SerializationContext  # type: ignore[import-not-found]  # as above
from quixstreams.models.serializers import Serializer  # type: ignore[import-not-found]  # as above

from schemas.topics import PROMPTS
from tests.bench.job import JOB_TOPICS, Job, Router, group_of


class JobValue(Serializer):  # type: ignore[misc]  # not installed where mypy runs
    """Hands over the bytes that the job encoded, so that a job needs no second step to become its value."""

    def __call__(self, value: Job, ctx: SerializationContext) -> bytes:  # noqa: ARG002  # Quix names it
        return value.value


def main(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as state:
        app = Application(
            broker_address=options.bootstrap,
            consumer_group=group_of(options.prefix),
            auto_offset_reset="earliest",
            processing_guarantee="exactly-once",
            commit_every=options.commit_every,
            commit_interval=options.commit_interval,
            auto_create_topics=False,
            use_changelog_topics=False,
            state_dir=state,
            loglevel="WARNING",
            consumer_extra_config={"fetch.wait.max.ms": 200},
            producer_extra_config={"linger.ms": options.linger_ms},
        )
        router = Router()
        source = app.topic(
            options.prefix + PROMPTS.name, key_deserializer="bytes", value_deserializer="bytes"
        )
        targets = {
            topic.name: app.topic(
                options.prefix + topic.name, key_serializer="bytes", value_serializer=JobValue()
            )
            for topic in JOB_TOPICS
        }

        def jobs(value: bytes, _key: object, _timestamp: int, headers: list[tuple[str, bytes]]) -> list[Job]:
            return router.jobs(value, headers or ())

        frame = app.dataframe(source).apply(jobs, expand=True, metadata=True)
        frame = frame.set_headers(lambda job, _key, _timestamp, _headers: job.headers)
        frame.to_topic(lambda job, _key, _timestamp, _headers: targets[job.topic], key=lambda job: job.key)
        app.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--commit-every", type=int, default=0)
    parser.add_argument("--commit-interval", type=float, default=5.0)
    parser.add_argument("--linger-ms", type=int, default=5)
    main(parser.parse_args())
