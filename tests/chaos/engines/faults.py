"""What goes wrong at the providers: a seeded plan for the emulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import orjson

# Where nobody says whether a withheld picture is charged.
SILENT: Final = ("gemini_imagen", "gemini", "stability")
IDEOGRAM: Final = ("ideogram_v1", "ideogram_v2")
# Longer than any worker waits for an answer.
SLOW_S: Final = 8.0

# Shares of all requests. A withheld picture is charged as the provider says it does; where it says nothing,
# both ways. A spent quota is rare: whoever meets it lets that engine rest for an hour.
ODDS: Final[tuple[dict[str, Any], ...]] = (
    {"at": 0.0015, "fault": "quota"},
    {"at": 0.03, "fault": "rate", "after_s": 0.3},
    {"at": 0.02, "fault": "refuse_prompt"},
    {"at": 0.015, "fault": "server_error", "status": 503},
    {"at": 0.005, "fault": "overloaded"},
    {"at": 0.01, "fault": "hang_up"},
    {"at": 0.02, "fault": "lost"},
    {"at": 0.008, "fault": "cut"},
    {"at": 0.006, "fault": "slow", "delay_s": SLOW_S},
    {"at": 0.006, "fault": "html"},
    {"at": 0.006, "fault": "truncated"},
    {"at": 0.004, "fault": "wrong_type"},
    {"at": 0.005, "fault": "no_image"},
    {"at": 0.008, "fault": "withhold"},
    *({"at": 0.008, "fault": "withhold", "charge": True, "contract": name} for name in SILENT),
    *({"at": 0.01, "fault": "picture_gone", "contract": name} for name in IDEOGRAM),
)
FAULTS: Final = tuple(dict.fromkeys(str(odds["fault"]) for odds in ODDS))


def write_plan(path: Path, seed: int) -> None:
    """As the emulator reads it: JSON is YAML too."""
    path.write_bytes(orjson.dumps({"seed": seed, "odds": ODDS}))
