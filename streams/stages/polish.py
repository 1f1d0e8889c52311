"""polish: hosted engines, and the layout engine that sets true type over a background."""

from __future__ import annotations

from schemas.events import RenderJob
from schemas.topics import POLISH
from streams.runtime.stage import Stage
from streams.stages.draw import DrawDeps, draw_stage


def polish_stage(deps: DrawDeps) -> Stage[RenderJob]:
    return draw_stage("polish", POLISH, deps)
