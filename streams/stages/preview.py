"""preview: the local engine's jobs, for its own process beside a GPU."""

from __future__ import annotations

from schemas.events import RenderJob
from schemas.topics import PREVIEW
from streams.runtime.stage import Stage
from streams.stages.draw import DrawDeps, draw_stage


def preview_stage(deps: DrawDeps) -> Stage[RenderJob]:
    return draw_stage("preview", PREVIEW, deps)
