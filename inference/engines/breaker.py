"""When not to ask an engine: open by the kind of what went wrong, closed by time, a change or a success.

A refused prompt says nothing about an engine, and neither does a request that was wrong.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from inference.engines.base import EngineError, Kind, Transient, Unsupported

# Nothing but a person's act closes it: another key, another model.
LASTING: Final[frozenset[Kind]] = frozenset({"auth", "gone"})
# The provider names the time.
TIMED: Final[frozenset[Kind]] = frozenset({"quota", "rate"})
# The far side is in trouble, or nothing comes back from it that can be used.
TROUBLE: Final[frozenset[Kind]] = frozenset({"transient", "unknown", "unclear"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """Opens after `failures` in `window_s`, for `open_s`, twice as long after each probe that failed.

    A probe whose outcome nobody told counts as lost after `probe_s`. Who was too fast and is told no time
    waits `pause_s`, twice as long each time it is too fast again.
    """

    failures: int = 5
    window_s: float = 60.0
    open_s: float = 15.0
    longest_s: float = 600.0
    quota_s: float = 3600.0
    probe_s: float = 300.0
    pause_s: float = 1.0
    longest_pause_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Open:
    """Why an engine is not asked now; `for_s` is None where only a change helps."""

    kind: Kind
    reason: str
    for_s: float | None

    def error(self, engine: str) -> EngineError:
        """What a call that is not made ends with: nothing was sent, nothing is paid."""
        text = f"{engine}: not asked, since it answered: {self.reason}"
        if self.for_s is None:
            return Unsupported(f"{text}; change what is wrong, then start anew", kind=self.kind)
        # Nothing was sent now, whatever became of the calls before.
        kind: Kind = self.kind if self.kind in TIMED else "transient"
        return Transient(f"{text}; asked again in {self.for_s:.0f} s", kind=kind, after_s=self.for_s)


@dataclass(slots=True)
class _State:
    troubles: deque[float] = field(default_factory=deque)
    kind: Kind | None = None
    reason: str = ""
    until: float | None = None
    open_s: float = 0.0
    pause_s: float = 0.0
    probe_since: float | None = None


class Breaker:
    """One for all engines of a process. Pure: it is told outcomes and asks only the clock (seconds)."""

    def __init__(self, clock: Callable[[], float], policy: BreakerPolicy | None = None) -> None:
        self._clock = clock
        self._policy = policy or BreakerPolicy()
        self._states: dict[str, _State] = {}

    def ask(self, engine: str) -> Open | None:
        """None where the engine may be called, which must then be told by `succeeded`, `failed` or `dropped`.

        After trouble, the first who asks when the time is over probes alone; the others wait for the outcome.
        """
        state = self._states.get(engine)
        if state is None or state.kind is None:
            return None
        if state.until is None:
            return Open(state.kind, state.reason, None)
        now = self._clock()
        if now < state.until:
            return Open(state.kind, state.reason, state.until - now)
        if state.kind in TIMED:
            state.kind = None
            return None
        probing = state.probe_since
        if probing is not None and now - probing < self._policy.probe_s:
            return Open(state.kind, state.reason, self._policy.open_s)
        state.probe_since = now
        return None

    def shut(self) -> dict[str, Kind]:
        """The engines that are not asked now, by the kind of what they answered. Changes nothing."""
        now = self._clock()
        return {
            engine: state.kind
            for engine, state in tuple(self._states.items())
            if state.kind is not None
            and (state.until is None or now < state.until or state.probe_since is not None)
        }

    def succeeded(self, engine: str) -> None:
        """It drew, or refused, or said what was wrong with the request: it lives.

        A call from before it opened does not close what waits for a change or for the provider's time.
        """
        state = self._states.get(engine)
        if state is None or state.kind in LASTING:
            return
        if state.kind in TIMED and state.until is not None and self._clock() < state.until:
            return
        del self._states[engine]

    def failed(self, engine: str, error: EngineError) -> None:
        """It ended with `error`."""
        if error.kind in LASTING:
            self._open(engine, error, None)
        elif error.kind in TIMED:
            self._wait(engine, error)
        elif error.kind in TROUBLE:
            self._trouble(engine, error)
        else:
            self.succeeded(engine)

    def dropped(self, engine: str) -> None:
        """The call was given up before its outcome was known."""
        state = self._states.get(engine)
        if state is not None:
            state.probe_since = None

    def changed(self, engine: str) -> None:
        """A person changed the key or the model: everything is forgotten."""
        self._states.pop(engine, None)

    def _wait(self, engine: str, error: EngineError) -> None:
        after_s = error.after_s if isinstance(error, Transient) else None
        if after_s is None and error.kind == "quota":
            after_s = self._policy.quota_s
        state = self._states.setdefault(engine, _State())
        if state.kind in LASTING:
            return
        now = self._clock()
        waiting = state.until if state.probe_since is None else None
        # Other processes may share the limit: without a pause, all of them would ask again at once.
        pause_s = 0.0 if after_s else self._pause_s(state, is_waiting=waiting is not None and now < waiting)
        until = now + (after_s or pause_s)
        # Answers cross: one to an earlier call must not shorten what a later one said.
        self._open(engine, error, max(until, waiting or until))
        self._states[engine].pause_s = pause_s

    def _pause_s(self, state: _State, *, is_waiting: bool) -> float:
        """Longer each time, but one time for all answers to calls that were under way together."""
        if is_waiting and state.pause_s:
            return state.pause_s
        return min(self._policy.longest_pause_s, max(self._policy.pause_s, 2 * state.pause_s))

    def _trouble(self, engine: str, error: EngineError) -> None:
        state = self._states.setdefault(engine, _State())
        now = self._clock()
        if state.kind is not None and state.probe_since is None:
            # A call from before it opened.
            return
        if state.probe_since is not None:
            longer = min(self._policy.longest_s, 2 * state.open_s)
            self._open(engine, error, now + longer, longer)
            return
        state.troubles.append(now)
        while state.troubles[0] < now - self._policy.window_s:
            state.troubles.popleft()
        if len(state.troubles) >= self._policy.failures:
            self._open(engine, error, now + self._policy.open_s, self._policy.open_s)

    def _open(self, engine: str, error: EngineError, until: float | None, open_s: float = 0.0) -> None:
        self._states[engine] = _State(kind=error.kind, reason=str(error), until=until, open_s=open_s)
