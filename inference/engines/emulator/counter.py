"""The course of one request at any provider's counter: read it, script it, charge it, answer it."""

from __future__ import annotations

import logging
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from inference.engines.emulator.contracts.base import (
    BARREN,
    TURNS,
    Answer,
    Asked,
    Contract,
    Order,
    Receipt,
    Shot,
    Trouble,
    Turned,
    opaque,
)
from inference.engines.emulator.core import Emulator, Generation, Kept, seed_of
from inference.engines.emulator.delivery import delivered
from inference.engines.emulator.drawing import Drawing
from inference.engines.emulator.ledger import Outcome
from inference.engines.emulator.pictures import spoilt
from inference.engines.emulator.profiles import Profile, played_by
from inference.engines.emulator.scripts import HEADER, Script

PICTURES = "/api/images/ephemeral"
_SUFFIX = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
_ON_THE_WAY = frozenset({"slow", "cut", "endless", "html", "lost", "bad_gateway"})
_OUTCOMES: dict[str, Outcome] = {
    "auth": "auth",
    "quota": "quota",
    "rate": "rate",
    "refuse_prompt": "refused_prompt",
    "gone": "gone",
    "server_error": "failed",
    "overloaded": "failed",
    "hang_up": "hung_up",
    "withhold": "withheld",
    "no_image": "no_image",
}
_log = logging.getLogger(__name__)


async def serve(emulator: Emulator, contract: Contract, request: Request, body: bytes) -> Response:
    """Answers one request of that contract, and writes its row before the answer leaves.

    Raises:
        ScriptError: the request's own script is none.
    """
    asked = asked_of(request, body, emulator.clock())
    try:
        order = contract.order(asked)
    except Turned as turned:
        emulator.ledger.write(
            id=opaque(contract.name, asked.now, asked.body),
            contract=contract.name,
            outcome=turned.outcome,
            status=turned.answer.status,
        )
        return delivered(turned.answer, Script(), emulator.sleep)
    # A quote, and what is too much at once, are no askings: no script is used up by them.
    unscripted = _Call(emulator, contract, order, asked, Script(), -1 - len(emulator.ledger))
    if order.quote:
        return unscripted.quoted()
    if not emulator.in_flight.enter(contract.name, order.images):
        return unscripted.turned(Script(fault="rate"))
    try:
        header = asked.headers.get(HEADER, "")
        script, nth = emulator.scripts.next(contract.name, order.model, order.prompt, header)
        return await _Call(emulator, contract, order, asked, script, nth).run()
    finally:
        emulator.in_flight.leave(contract.name, order.images)


def asked_of(request: Request, body: bytes, now: float) -> Asked:
    return Asked(
        path=request.path_params,
        query=dict(request.query_params),
        headers=dict(request.headers),
        body=body,
        base=str(request.base_url).rstrip("/"),
        now=now,
    )


class _Call:
    """One request that was read."""

    def __init__(
        self, emulator: Emulator, contract: Contract, order: Order, asked: Asked, script: Script, nth: int
    ) -> None:
        self._emulator = emulator
        self._contract = contract
        self._asked = asked
        self._script = script
        self._profile: Profile = played_by(emulator.profiles, order.model)
        self._id = opaque(contract.name, order.model, order.prompt, nth)
        seed = order.seed
        if seed is None:
            # No seed in the request: each asking is a new picture, and the same in every run.
            seed = seed_of(contract.name, order.model, order.prompt, nth)
        thoughts = script.thoughts if order.thought_micros else 0
        self._order = replace(
            order,
            seed=seed,
            micros=order.micros + thoughts * order.thought_micros,
            options={**order.options, "thoughts": thoughts},
        )
        self._dice = self._profile.dice(order.model, seed, order.prompt)

    def quoted(self) -> Response:
        self._write("quoted", 200, 0)
        return self._delivered(self._contract.done(self._order, (), self._receipt(charged=False)), Script())

    async def run(self) -> Response:
        emulator, script = self._emulator, self._script
        delay = self._profile.delay(self._dice) * emulator.pace
        refusal = self._profile.refusal(self._order.prompt, self._dice)
        if not self._order.later:
            await emulator.sleep(delay + (0.0 if script.fault == "slow" else script.delay_s))
        ends = self._contract.ends.get(self._order.model)
        if emulator.today is not None and ends is not None and emulator.today >= ends:
            return self.turned(Script(fault="gone"))
        if script.fault is None and refusal is not None:
            return self.turned(Script(fault="refuse_prompt"))
        if script.fault in TURNS:
            return self.turned(script)
        if script.fault in BARREN:
            return self._barren(script, delay)
        try:
            return await self._drawn(delay)
        except Exception:
            _log.exception("drawing failed: %s, %s", self._contract.name, self._order.model)
            return self.turned(Script(fault="server_error"))

    def turned(self, script: Script) -> Response:
        """Not carried out, and charged only where the script says so."""
        assert script.fault is not None
        micros = self._order.micros if script.charge else 0
        outcome = _OUTCOMES[script.fault]
        if script.fault == "hang_up":
            self._write(outcome, 0, micros, script)
            return delivered(Answer(0, b""), script, self._emulator.sleep)
        answer = self._contract.without(self._order, _trouble(script), self._receipt(charged=micros > 0))
        self._write(outcome, answer.status, micros, script)
        return self._delivered(answer, Script())

    def _barren(self, script: Script, delay: float) -> Response:
        """Carried out without a picture: charged as the provider does, or as the script says."""
        assert script.fault is not None
        charge = self._contract.bills_withheld if script.charge is None else script.charge
        answer = self._contract.without(self._order, _trouble(script), self._receipt(charged=charge))
        withheld = self._order.images if script.fault == "withhold" else 0
        self._keep((Shot(self._order.seed or 0),) * withheld, delay)
        self._write(_OUTCOMES[script.fault], answer.status, self._order.micros if charge else 0, script)
        return self._delivered(answer, Script())

    async def _drawn(self, delay: float) -> Response:
        script, order = self._script, self._order
        shots = tuple([await self._shot(index) for index in range(order.images)])
        self._keep(shots, delay)
        charged = script.charge is not False
        answer = self._contract.done(order, shots, self._receipt(charged=charged))
        on_the_way = script.fault in _ON_THE_WAY and script.where == "answer"
        told = {"lost": 0, "bad_gateway": script.status or 502} if on_the_way else {}
        status = told.get(script.fault or "", answer.status)
        self._write("image", status, order.micros if charged else 0, script)
        return self._delivered(answer, script if on_the_way else Script())

    async def _shot(self, index: int) -> Shot:
        order, emulator, script = self._order, self._emulator, self._script
        seed = ((order.seed or 0) + index) & (2**32 - 1)
        misspell = self._profile.misspell if script.misspell is None else script.misspell
        drawing = Drawing(
            prompt=order.prompt,
            width=order.width,
            height=order.height,
            seed=seed,
            engine=order.model,
            misspell=misspell,
            style=self._profile.style or order.model,
        )
        if not order.by_url:
            data, media = spoilt(await emulator.drawn(drawing), order.media_type, script.fault)
            return Shot(seed, data, media)
        name = opaque(self._id, index)
        until = emulator.clock() + self._contract.keeps_s
        kept = Kept(drawing=drawing, media_type=order.media_type, until=until, script=script)
        emulator.shelf.put(name, kept)
        url = f"{self._asked.base}{PICTURES}/{name}.{_SUFFIX[order.media_type]}"
        return Shot(seed, media_type=order.media_type, url=url)

    def _keep(self, shots: tuple[Shot, ...], delay: float) -> None:
        """What can be polled, ready after `delay` where the answer did not wait for it."""
        if self._order.polled:
            now = self._emulator.clock()
            ready = now + (delay if self._order.later else 0.0)
            generation = Generation(order=self._order, shots=shots, created=now, ready=ready)
            self._emulator.shelf.put(self._id, generation)

    def _receipt(self, *, charged: bool) -> Receipt:
        return Receipt(id=self._id, now=self._emulator.clock(), charged=charged)

    def _delivered(self, answer: Answer, script: Script) -> Response:
        return delivered(answer, script, self._emulator.sleep)

    def _write(self, outcome: Outcome, status: int, micros: int, script: Script | None = None) -> None:
        self._emulator.ledger.write(
            id=self._id,
            contract=self._contract.name,
            outcome=outcome,
            status=status,
            model=self._order.model,
            prompt=self._order.prompt,
            images=self._order.images,
            micros=micros,
            seed=self._order.seed,
            fault=(script.fault if script else None) or "",
            key=self._asked.headers.get("idempotency-key", "")[:200],
        )


def _trouble(script: Script) -> Trouble:
    assert script.fault is not None
    return Trouble(fault=script.fault, reason=script.reason, status=script.status, after_s=script.after_s)


async def fetched(emulator: Emulator, name: str) -> Response:
    """A picture by its address; 404 once it is no longer kept."""
    kept = emulator.shelf.picture(name.partition(".")[0])
    gone = Answer(404, b"no such picture, or no longer", "text/plain")
    if kept is None or emulator.clock() > kept.until or kept.script.fault == "picture_gone":
        return delivered(gone, Script(), emulator.sleep)
    data, media = spoilt(await emulator.drawn(kept.drawing), kept.media_type, kept.script.fault)
    script = kept.script if kept.script.where == "fetch" else Script()
    return delivered(Answer(200, data, media), script, emulator.sleep)
