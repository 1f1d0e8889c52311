"""The engines at hand: which one answers to a name here and today, built late and owned in one place."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from inference.engines.base import Engine
from inference.engines.entries import (
    EngineGone,
    Entry,
    Field,
    Price,
    Registry,
    RegistryError,
    UnknownEngine,
    load_registry,
)
from inference.engines.resolved import EngineUnavailable, Hosted, Local, Resolved
from schemas.events import Spec

__all__ = [
    "OURS",
    "EngineGone",
    "EngineUnavailable",
    "Engines",
    "Entry",
    "Price",
    "Registry",
    "RegistryError",
    "Resolved",
    "UnknownEngine",
    "load_registry",
]

# Placeholders of the right order, for a rented GPU and a rented core: set your own.
USD_PER_GPU_HOUR = 3.0
USD_PER_CPU_HOUR = 0.05


# What these draw with is this machine: nobody is paid by the picture.
OURS = frozenset({"layout", "sd3_local"})


class Engines:
    """Builds engines when they are first asked for, and owns them."""

    def __init__(
        self,
        registry: Registry,
        *,
        today: Callable[[], dt.date],
        emulator_url: str | None = None,
        emulate_contracts: bool = False,
        render_url: str | None = None,
        usd_per_cpu_hour: float = USD_PER_CPU_HOUR,
        usd_per_gpu_hour: float = USD_PER_GPU_HOUR,
        environ: Mapping[str, str] = os.environ,
        local: Local | None = None,
        hosted: Hosted | None = None,
        calls_hosted: bool = True,
    ) -> None:
        """`emulator_url` is the emulator's base address. It is asked by its own contract, which draws once
        for a repeated request and takes any engine's fields, or, with `emulate_contracts`, as the providers
        are. `render_url` is where `http_render` posts to; `local` are the models on this machine, closed with
        the engines; `hosted` speaks to the providers, and without it, or without `calls_hosted`, none is
        called, whatever keys are set.
        """
        self.registry = registry
        self._today = today
        self._emulator_url = emulator_url
        self._emulate_contracts = emulate_contracts
        self._render_url = render_url
        self._usd_per_cpu_hour = usd_per_cpu_hour
        self._usd_per_gpu_hour = usd_per_gpu_hour
        self._environ = environ
        self._local = local
        self._hosted = hosted
        self._calls_hosted = calls_hosted
        self._built: dict[tuple[str, bool], Engine] = {}
        self._open = AsyncExitStack()
        self._adapters: dict[str, Callable[[Entry], Engine]] = {
            "layout": self._layout,
            "http_render": self._http_render,
            "sd3_local": self._sd3_local,
        }

    def resolve(self, name: str) -> Resolved:
        """Follows `name` to a living engine, and to the emulator where that cannot be called here.

        Raises:
            UnknownEngine, EngineGone
            EngineUnavailable: it cannot be called here and no emulator runs.
        """
        trail = self.registry.trail(name, today=self._today())
        entry = trail[-1]
        ended = [f"{dead.name} ended on {dead.not_after}; {dead.successor} follows it" for dead in trail[:-1]]
        names = tuple(dead.name for dead in trail[:-1])
        missing = self._missing(entry)
        if missing is None:
            model, why = self._model(entry)
            return Resolved(name, entry, model, "; ".join(filter(None, [*ended, why])), asked_as=names)
        if self._emulator_url is None or not entry.stands_in:
            stand_in = "" if not entry.stands_in else "; or run the emulator and set GLYPHSTREAM_EMULATOR_URL"
            raise EngineUnavailable("; ".join([*ended, f"{entry.name}: {missing}"]) + stand_in)
        reason = "; ".join([*ended, f"{missing}; the emulator stands in"])
        return Resolved(name, entry, f"emulator:{entry.name}", reason, emulated=True, asked_as=names)

    def engine(self, name: str) -> Engine:
        """The engine that draws for `name` now.

        Raises:
            UnknownEngine, EngineGone, EngineUnavailable
        """
        return self.engine_for(self.resolve(name))

    def engine_for(self, resolved: Resolved) -> Engine:
        """The one engine of this resolution, built at the first call."""
        key = (resolved.entry.name, resolved.emulated)
        if key not in self._built:
            self._built[key] = engine = self._build(resolved)
            self._open.push_async_callback(engine.aclose)
        return self._built[key]

    def most_usd(self, resolved: Resolved, spec: Spec) -> float | None:
        """US dollars that one picture may cost at most, as far as is published; None where nobody is paid.

        A server of our own that may name a price is taken to work until its time-out.
        """
        entry = resolved.entry
        if entry.adapter in OURS:
            return None
        if entry.price.per == "image":
            return entry.price.most_usd(spec.width, spec.height, len(spec.prompt.encode()))
        return entry.price.of(
            spec.width,
            spec.height,
            entry.timeout_s,
            usd_per_gpu_hour=self._usd_per_gpu_hour,
            usd_per_cpu_hour=self._usd_per_cpu_hour,
        )

    async def aclose(self) -> None:
        """Closes every engine that was built; the next call builds anew."""
        self._built.clear()
        await self._open.aclose()
        if self._local is not None:
            await self._local.aclose()

    def _build(self, resolved: Resolved) -> Engine:
        entry = resolved.entry
        if resolved.emulated:
            return self._emulated(entry)
        if entry.adapter in self._adapters:
            return self._adapters[entry.adapter](entry)
        key = self._environ.get(entry.key_env or "", "")
        if self._hosted is None or not key:
            raise EngineUnavailable(f"{entry.name}: {self._missing(entry)}")
        return self._hosted.engine(entry, key)

    def _missing(self, entry: Entry) -> str | None:
        """What keeps a living engine from being called here, with the way to get it."""
        is_hosted = self._hosted is not None and self._hosted.speaks(entry.adapter)
        if entry.adapter not in self._adapters and not is_hosted:
            return f"its adapter {entry.adapter!r} is not part of this version"
        if entry.adapter == "sd3_local":
            return (
                "its adapter 'sd3_local' was given no models"
                if self._local is None
                else (self._local.missing(entry.name))
            )
        if entry.adapter == "http_render" and self._url_of(entry) is None:
            return "no address is set: set GLYPHSTREAM_RENDER_URL"
        if not self._calls_hosted and (is_hosted or self._may_be_paid(entry)):
            return "hosted engines are not called here: set GLYPHSTREAM_HOSTED to true"
        if entry.key_env and not entry.key_optional and not self._environ.get(entry.key_env):
            return f"no key is set: set {entry.key_env}"
        return None

    def _may_be_paid(self, entry: Entry) -> bool:
        """A server that wants a key, or has a price for a picture, is somebody else's."""
        is_keyed = entry.key_env is not None and bool(self._environ.get(entry.key_env))
        return entry.adapter == "http_render" and (is_keyed or entry.price.per == "image")

    def _model(self, entry: Entry) -> tuple[str, str]:
        """What is asked, and why it is another than the entry says."""
        if entry.adapter == "sd3_local" and self._local is not None:
            return self._local.model(entry.name)
        return self._http_model(entry) if entry.adapter == "http_render" else entry.model, ""

    def _http_model(self, entry: Entry) -> str:
        address = urlsplit(self._url_of(entry) or "")
        return f"{entry.model}@{address.netloc.rpartition('@')[2]}{address.path}"

    def _url_of(self, entry: Entry) -> str | None:
        return entry.url or self._render_url

    def _layout(self, _entry: Entry) -> Engine:
        from inference.engines.layout import LayoutEngine

        return LayoutEngine(usd_per_cpu_hour=self._usd_per_cpu_hour)

    def _sd3_local(self, entry: Entry) -> Engine:
        if self._local is None:
            raise EngineUnavailable(f"{entry.name}: {self._missing(entry)}")
        return self._local.engine(
            entry.name, usd_per_gpu_hour=self._usd_per_gpu_hour, usd_per_cpu_hour=self._usd_per_cpu_hour
        )

    def _http_render(self, entry: Entry) -> Engine:
        url = self._url_of(entry)
        if url is None:
            raise EngineUnavailable(f"{entry.name}: {self._missing(entry)}")
        key = self._environ.get(entry.key_env) if entry.key_env else None
        return self._http(entry, url=url, model=self._http_model(entry), fields=entry.fields, key=key)

    def _emulated(self, entry: Entry) -> Engine:
        if self._emulate_contracts and self._hosted is not None and self._hosted.speaks(entry.adapter):
            return self._hosted.engine(entry, "emulated", address=self._emulator_url)
        url = f"{(self._emulator_url or '').rstrip('/')}/render"
        # Seeds are sent even for engines without: a stand-in should at least be repeatable.
        fields: tuple[Field, ...] = (*entry.fields, "seed", "engine")
        return self._http(entry, url=url, model=f"emulator:{entry.name}", fields=fields, emulated=True)

    def _http(
        self,
        entry: Entry,
        *,
        url: str,
        model: str,
        fields: tuple[Field, ...],
        key: str | None = None,
        emulated: bool = False,
    ) -> Engine:
        from inference.engines.http_render import HttpRenderEngine, Server

        def usd(width: int, height: int, seconds: float) -> float:
            return entry.price.of(
                width,
                height,
                seconds,
                usd_per_gpu_hour=self._usd_per_gpu_hour,
                usd_per_cpu_hour=self._usd_per_cpu_hour,
            )

        return HttpRenderEngine(
            Server(
                url=url,
                engine=entry.name,
                model=model,
                usd=usd,
                fields=fields,
                key=key,
                timeout_s=entry.timeout_s,
                in_flight=entry.in_flight,
                emulated=emulated,
                honours_key=emulated or entry.honours_key,
            )
        )
