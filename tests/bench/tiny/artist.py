"""The product's path from a checkpoint to pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inference.sd3.checkpoint import Source, find
from inference.sd3.device import Choice, detect
from inference.sd3.loading import load
from inference.sd3.rendering import Renderer
from inference.typography.canvas import Pixels
from tests.bench.tiny.pictures import Picture


def chosen() -> Choice:
    """The device and dtype the product takes on this machine."""
    return detect()


@dataclass(frozen=True, slots=True)
class Artist:
    """One checkpoint, loaded and drawing as the local engine has it."""

    model: str
    pipeline: Any
    renderer: Renderer

    @classmethod
    def of(cls, source: Source, choice: Choice) -> Artist:
        loaded = load(find(source), choice)
        return cls(loaded.checkpoint.model, loaded.pipeline, Renderer(loaded))

    @property
    def dtype(self) -> str:
        """The networks', and the decoder's where it is another."""
        main, last = (
            str(each.dtype).removeprefix("torch.") for each in (self.pipeline.transformer, self.pipeline.vae)
        )
        return main if main == last else f"{main} (the decoder in {last})"

    def draw(self, picture: Picture) -> Pixels:
        return self.renderer.draw(picture.drawing)
