"""The engines that run on our own machine: a checkpoint of Stable Diffusion 3 in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from inference.engines.base import Broken, Engine, Picture, Transient, Unsupported
from inference.sd3.base import CannotDraw, CheckpointError, Drawing, OutOfMemory
from inference.sd3.checkpoint import Checkpoint, Source, find
from inference.sd3.choosing import TINY, Chosen, Nothing, choose
from inference.sd3.defaults import TINY_LANGUAGE
from inference.sd3.device import Choice
from inference.sd3.process import CalledOff, DrawFailed, ProcessDied, Watch
from inference.sd3.service import ModelService, Painter
from schemas.events import Spec

# Raise it when the same spec, checkpoint and device would give another picture than before.
VERSION: Final = "sd3-1"


def model_name(checkpoint: Checkpoint, choice: Choice) -> str:
    """What a picture is asked of and signed with: all that shapes it and is not in the spec.

    The defaults belong to it: a spec without steps or guidance is drawn with them. So do the files that were
    read: one commit in the hub's cache may be there without T5, or with other files in their place.
    """
    defaults = checkpoint.defaults
    read = "" if checkpoint.has_t5 else "no T5; "
    read += f"{checkpoint.variant} files; " if checkpoint.variant else ""
    return (
        f"{checkpoint.model} ({choice.device} {choice.dtype}; {read}default {defaults.steps} steps, "
        f"guidance {defaults.guidance:g}; {VERSION})"
    )


def drawing_of(spec: Spec, checkpoint: Checkpoint) -> tuple[Drawing, dict[str, str | int | float]]:
    """The drawing that `spec` asks of this checkpoint, and what is done otherwise than it says.

    Steps and guidance that the spec leaves open are the checkpoint's and not named: they are what was asked.

    Raises:
        CannotDraw: the checkpoint's own language has no words for it.
    """
    defaults = checkpoint.defaults
    guidance = defaults.guidance if spec.guidance is None else spec.guidance
    used: dict[str, str | int | float] = {}
    prompt, negative = spec.prompt, spec.negative_prompt
    if defaults.language == TINY_LANGUAGE:
        from inference.sd3.tiny.phrasing import phrase

        phrased = phrase(spec)
        # It knows no word of what a negative prompt says.
        prompt, negative = phrased.prompt, ""
        if phrased.reason:
            used["phrasing"] = phrased.reason
    if guidance <= 1:
        negative = ""
    if prompt != spec.prompt:
        used["prompt"] = prompt
    if negative != spec.negative_prompt:
        used["negative_prompt"] = negative
    width, height = _nearest(spec.width, spec.height, defaults.sizes)
    drawing = Drawing(
        prompt=prompt,
        negative_prompt=negative,
        width=width,
        height=height,
        sampler=spec.sampler,
        steps=defaults.steps if spec.steps is None else spec.steps,
        guidance=guidance,
        seed=spec.seed,
    )
    return drawing, used


def _nearest(width: int, height: int, sizes: tuple[str, ...]) -> tuple[int, int]:
    """The size asked for, or of those that the model draws the one of the nearest shape, then area.

    Not noted as `used`: it is what this checkpoint always does with such an ask, and the picture shows it.
    """
    if not sizes or f"{width}x{height}" in sizes:
        return width, height
    known = [(int(wide), int(high)) for wide, _, high in (size.partition("x") for size in sizes)]
    return min(
        known,
        key=lambda size: (
            abs(size[0] * height - size[1] * width) / (size[1] * height),
            abs(size[0] * size[1] - width * height),
        ),
    )


class LocalSd3Engine:
    """One checkpoint; the process that draws belongs to `painter`, which others use too."""

    def __init__(
        self, painter: Painter, checkpoint: Checkpoint, choice: Choice, *, usd_per_hour: float
    ) -> None:
        """`usd_per_hour` is the price of the device's time."""
        self._painter = painter
        self._checkpoint = checkpoint
        self._model = model_name(checkpoint, choice)
        self._usd_per_second = usd_per_hour / 3600

    async def render(self, spec: Spec, *, background: bytes | None = None) -> Picture:
        """Draws `spec`; seconds and dollars are the drawing's, not those of waiting for others or of loading.

        Raises:
            Unsupported: no such drawing, or a checkpoint that cannot be used.
            Broken: the model failed, or the device has no room for the drawing even after all other models
                were dropped: the same would happen again, while another engine may do it at once.
            Transient: the process died; the next one may do better.
        """
        if background is not None:
            raise Unsupported(f"{self._model}: sets no type over a given background; `layout` does")
        try:
            drawing, used = drawing_of(spec, self._checkpoint)
            drawn = await self._painter.draw(self._checkpoint, drawing)
        except (CannotDraw, CheckpointError) as error:
            raise Unsupported(f"{self._checkpoint.model}: {error}") from error
        except (OutOfMemory, DrawFailed) as error:
            raise Broken(f"{self._checkpoint.model}: {error}") from error
        except ProcessDied as error:
            raise Transient(f"{self._checkpoint.model}: {error}", after_s=error.after_s) from error
        except CalledOff as error:
            raise Transient(str(error)) from error
        return Picture(
            data=drawn.png,
            media_type="image/png",
            model=self._model,
            usd=drawn.seconds * self._usd_per_second,
            seconds=drawn.seconds,
            used=used,
            note=str(used.get("phrasing", "")),
        )

    async def aclose(self) -> None:
        """Nothing: the process belongs to the painter."""


class LocalModels:
    """Which checkpoint draws for which engine here, and the one process in which they all draw."""

    def __init__(
        self,
        registered: Mapping[str, str],
        settings: Mapping[str, str],
        *,
        device: Callable[[], Choice],
        find: Callable[[Source], Checkpoint] = find,
        tiny: Mapping[str, Source] = TINY,
        painter: Callable[[Choice], Painter] | None = None,
        watch: Watch | None = None,
    ) -> None:
        """`registered` and `settings` are the models by the engines' names. Nothing is looked at yet."""
        self._registered = registered
        self._settings = settings
        self._device = device
        self._find = find
        self._tiny = tiny
        self._new_painter = painter or (lambda choice: ModelService(choice, watch=watch))
        self._choice: Choice | None = None
        self._chosen: dict[str, Chosen | Nothing] = {}
        self._painter: Painter | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._registered)

    @property
    def choice(self) -> Choice:
        """The device and the dtype, looked for once."""
        if self._choice is None:
            self._choice = self._device()
        return self._choice

    def registered(self, name: str) -> str:
        """The model that the registry names for the engine."""
        return self._registered[name]

    def chosen(self, name: str) -> Chosen | Nothing:
        """What draws for the engine `name`, chosen once. May read files for seconds, the first time.

        Raises:
            CheckpointError: the settings name something that cannot be used.
        """
        if name not in self._chosen:
            self._chosen[name] = choose(
                setting=self._settings.get(name, ""),
                registered=self._registered[name],
                tiny=self._tiny.get(name),
                gpu=self.choice.device == "cuda",
                find=self._find,
            )
        return self._chosen[name]

    def missing(self, name: str) -> str | None:
        """Why nothing can draw for `name` here; None where something can."""
        try:
            chosen = self.chosen(name)
        except CheckpointError as error:
            return str(error)
        return chosen.why if isinstance(chosen, Nothing) else None

    def model(self, name: str) -> tuple[str, str]:
        """The model's name, and why it is another than the registry's where it is one that stands in.

        Raises:
            LookupError: nothing can draw for `name`.
        """
        chosen = self._present(name)
        return model_name(chosen.checkpoint, self.choice), chosen.why if chosen.stands_in else ""

    def engine(self, name: str, *, usd_per_gpu_hour: float, usd_per_cpu_hour: float) -> Engine:
        """The engine, at the price of the device that draws.

        Raises:
            LookupError: nothing can draw for `name`.
        """
        usd = usd_per_gpu_hour if self.choice.device == "cuda" else usd_per_cpu_hour
        return LocalSd3Engine(
            self._shared_painter(), self._present(name).checkpoint, self.choice, usd_per_hour=usd
        )

    async def warm(self, name: str) -> None:
        """Loads the model of `name`, so that the first job need not wait for it.

        Raises:
            LookupError: nothing can draw for `name`.
            CheckpointError, OutOfMemory, DrawFailed, ProcessDied
        """
        await self._shared_painter().warm(self._present(name).checkpoint)

    async def aclose(self) -> None:
        """Ends the process; the next engine has another."""
        painter, self._painter = self._painter, None
        if painter is not None:
            await painter.aclose()

    def _shared_painter(self) -> Painter:
        if self._painter is None:
            self._painter = self._new_painter(self.choice)
        return self._painter

    def _present(self, name: str) -> Chosen:
        chosen = self.chosen(name)
        if isinstance(chosen, Nothing):
            raise LookupError(f"{name}: {chosen.why}")
        return chosen
