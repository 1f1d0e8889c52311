"""What goes in and what is owed for it: pure functions of a job's number and the run's size.

Job N asks one engine for one picture under a prompt of its own, so that every line of a provider's bill names
its job. Of a hundred jobs five are produced twice and two more lie in two partitions at once.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.events import PromptRef, RenderJob, Spec

SOURCE: Final = "spend-audit"
THRIFTY: Final = "thrift"
CAPPED: Final = "gemini-3-pro-image"
# Of what the jobs would cost at list prices, what may be committed: each is passed before the jobs end.
OF_CAMPAIGN: Final = 0.5
OF_ENGINE: Final = 0.6
OF_DAY: Final = 0.78
RESEND_WITHIN: Final = 300


@dataclass(frozen=True, slots=True)
class Asked:
    """An engine, the model that its provider's bill names, and the list price of what is asked, in
    micro-dollars: written down here by hand, apart from the registry.
    """

    engine: str
    contract: str
    model: str
    size: int
    micros: int


ENGINES: Final = (
    Asked("imagen4_remote", "gemini_imagen", "imagen-4.0-generate-001", 512, 40_000),
    Asked("imagen4_ultra", "gemini_imagen", "imagen-4.0-ultra-generate-001", 512, 60_000),
    Asked("gemini-3.1-flash-image", "gemini", "gemini-3.1-flash-image", 512, 44_820),
    Asked(CAPPED, "gemini", "gemini-3-pro-image", 512, 134_400),
    Asked("dalle3_hd", "openai_images", "dall-e-3", 1024, 80_000),
    Asked("gpt-image-2.5-flare", "openai_images", "gpt-image-2.5-flare", 512, 13_200),
    Asked("ideogram_v2a_turbo", "ideogram_v1", "V_2A_TURBO", 512, 25_000),
    Asked("ideogram-4.5", "ideogram_v2", "ideogram-4-5", 512, 60_000),
    Asked("sd3.5_medium_hosted", "stability", "sd3.5-medium", 512, 35_000),
)


@dataclass(frozen=True, slots=True)
class Workload:
    """`jobs` numbers from 0 on, over `partitions` partitions."""

    jobs: int
    partitions: int = 6

    def stream(self) -> Iterator[tuple[int, int]]:
        """(partition, number) in the order of production; the same every time."""
        due: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for number in range(self.jobs):
            yield from due.pop(number, ())
            home = _mixed(number, 1) % self.partitions
            yield home, number
            if is_twin(number):
                yield (home + 1) % self.partitions, number
            if resent := resend_distance(number):
                due[min(number + resent, self.jobs)].append((home, number))
        for left in due.values():
            yield from left

    def owed(self, number: int) -> int:
        """How many Renders the job must leave: one for each partition that it lies in."""
        return 1 + is_twin(number)

    def budgets(self) -> Mapping[str, int]:
        """Micro-dollars that may be committed, by `SCOPE` or `SCOPE:NAME`."""
        listed = [(asked(number), campaign(number)) for number in range(self.jobs)]
        thrifty = sum(each.micros for each, name in listed if name == THRIFTY)
        capped = sum(each.micros for each, _ in listed if each.engine == CAPPED)
        return {
            f"campaign:{THRIFTY}": round(OF_CAMPAIGN * thrifty),
            f"engine:{CAPPED}": round(OF_ENGINE * capped),
            "day": round(OF_DAY * sum(each.micros for each, _ in listed)),
        }


def asked(number: int) -> Asked:
    return ENGINES[_mixed(number, 2) % len(ENGINES)]


def campaign(number: int) -> str:
    """One job in ten is of the campaign that has little money, three in ten of none."""
    share = _mixed(number, 3) % 10
    return THRIFTY if share == 0 else "" if share < 4 else "summer"


def is_twin(number: int) -> bool:
    """Whether the same job also lies in another partition, where nothing of the log can tell: two workers may
    have it at once, and only the ledger stands between them.
    """
    return _mixed(number, 4) % 50 == 0


def resend_distance(number: int) -> int:
    """After how many further jobs it is produced again; 0: never."""
    chosen = _mixed(number, 5)
    return 1 + chosen // 20 % RESEND_WITHIN if chosen % 20 == 0 else 0


def prompt(number: int) -> str:
    return f"a plain poster, number {number:06d}"


def number_in(prompt: str) -> int:
    """The job whose prompt that is.

    Raises:
        ValueError: it is no job's.
    """
    found = re.search(r"number (\d{6})\b", prompt)
    if found is None:
        raise ValueError(f"prompt {prompt!r}: names no job")
    return int(found[1])


def job_id(number: int) -> str:
    return f"job-{number:06d}"


def number_of(job_id: str) -> int:
    return int(job_id.removeprefix("job-"))


def job(number: int) -> RenderJob:
    wanted = asked(number)
    spec = Spec(
        prompt=prompt(number),
        texts=(),
        negative_prompt="",
        width=wanted.size,
        height=wanted.size,
        sampler="euler",
        steps=None,
        guidance=None,
        seed=number,
        locale="en",
    )
    return RenderJob(
        ref=PromptRef(SOURCE, job_id(number)),
        spec=spec,
        engine=wanted.engine,
        purpose="final",
        ordinal=0,
        route="audit",
        reason="",
        policy="audit",
        campaign=campaign(number),
    )


def _mixed(number: int, salt: int) -> int:
    """A well-spread 32-bit value, the same in every process."""
    return int.from_bytes(hashlib.blake2b(b"%d %d" % (number, salt), digest_size=4).digest())
