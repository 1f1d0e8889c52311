"""The page's server: pictures one at a time, answers back. Nothing of ours is written into HTML."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from inference.assets import AssetError, AssetStore
from inference.reviews.pictures import Picture
from streams.reviewing.guard import Guard
from streams.reviewing.records import WriteFailed
from streams.reviewing.session import Answer, NotJudged, Place, Session, Superseded

# No SVG: it can hold a script.
SHOWN_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/webp"})
BODY_BYTES: Final = 65_536
AHEAD: Final = 3


def make_app(session: Session, store: AssetStore, token: str, finish: Callable[[], None]) -> Starlette:
    """The server of one session; `finish` is called when the reviewer has had enough."""
    desk = _Desk(session, store, finish)
    routes = [
        Route("/", _static("page.html", "text/html")),
        Route("/page.css", _static("page.css", "text/css")),
        Route("/page.js", _static("page.js", "text/javascript")),
        Route("/session", desk.session),
        Route("/pictures/{number}", desk.picture),
        Route("/pictures/{number}/image", desk.image),
        Route("/pictures/{number}/review", desk.review, methods=["POST"]),
        Route("/pictures/{number}/reveal", desk.reveal, methods=["POST"]),
        Route("/finish", desk.finish, methods=["POST"]),
    ]
    return Starlette(
        routes=[Mount("/{token}", routes=routes)],
        middleware=[Middleware(Guard, token=token)],
        exception_handlers={HTTPException: _refused},
    )


class _Desk:
    def __init__(self, session: Session, store: AssetStore, finish: Callable[[], None]) -> None:
        self._session = session
        self._store = store
        self._finish = finish

    async def session(self, _request: Request) -> Response:
        session = self._session
        return JSONResponse(
            {"reviewer": session.reviewer, "sighted": session.sighted, "next": session.following(-1)}
            | self._progress()
        )

    async def picture(self, request: Request) -> Response:
        number = self._number(request)
        following = self._session.following(number)
        ahead = [] if following is None else range(following, len(self._session.places))[:AHEAD]
        told = (
            _described(self._session.places[number])
            | self._progress()
            | {"number": number, "next": following}
        )
        return JSONResponse(told | {"ahead": list(ahead)})

    async def image(self, request: Request) -> Response:
        image = self._session.places[self._number(request)].picture.image
        if image.media_type not in SHOWN_TYPES:
            raise HTTPException(404, f"{image.media_type} is not shown here")
        try:
            data = await self._store.get(image)
        except AssetError as error:
            raise HTTPException(404, f"{error}; is --assets the store that the line writes to?") from error
        return Response(
            data, media_type=image.media_type, headers={"cache-control": "private, max-age=86400, immutable"}
        )

    async def review(self, request: Request) -> Response:
        number = self._number(request)
        try:
            answer = msgspec.json.decode(await _body(request), type=Answer)
            await self._session.judge(number, answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HTTPException(400, f"answer: {error}") from error
        except Superseded as error:
            raise HTTPException(
                409, "this picture was judged in another window meanwhile; reload the page"
            ) from error
        except WriteFailed as error:
            raise HTTPException(503, f"not written: {error}; try again") from error
        return JSONResponse(self._progress() | {"next": self._session.following(number)})

    async def reveal(self, request: Request) -> Response:
        number = self._number(request)
        try:
            return JSONResponse(_revealed(self._session.reveal(number)))
        except NotJudged as error:
            raise HTTPException(403, "judge the picture first") from error

    async def finish(self, _request: Request) -> Response:
        self._finish()
        return JSONResponse(self._progress())

    def _number(self, request: Request) -> int:
        """Raises:
        HTTPException: there is no such picture.
        """
        given: str = request.path_params["number"]
        count = len(self._session.places)
        # A longer one is none, and Python reads no more than 4,300 digits.
        if not (given.isascii() and given.isdecimal() and len(given) <= 9 and int(given) < count):
            raise HTTPException(404, f"picture {given:.20}: there are {count}, numbered from 0")
        return int(given)

    def _progress(self) -> dict[str, Any]:
        return {"total": len(self._session.places), "judged": self._session.judged}


def _described(place: Place) -> dict[str, Any]:
    """What the page may know before the picture is judged, and what was said and shown of it already."""
    picture, last = place.picture, place.last
    reading = picture.legibility
    return {
        "turn": place.turn,
        "width": picture.image.width,
        "height": picture.image.height,
        "lang": picture.locale,
        # Of a picture that was never scored nobody knows here what it should say: that is not "nothing".
        "texts": reading and [{"text": each.text, "critical": each.critical} for each in reading.texts],
        "answer": last and {"score": last.score, "readable": last.readable, "comment": last.comment},
        "shown": _revealed(picture) if place.shown else None,
    }


def _revealed(picture: Picture) -> dict[str, Any]:
    reading = picture.legibility
    return {
        "engine": picture.engine,
        "model": picture.model,
        "emulated": picture.emulated,
        "status": picture.status or "preview",
        "score": picture.score,
        "usd": picture.usd,
        "reason": picture.reason,
        "texts": [
            {"text": each.text, "verdict": each.verdict, "read": each.read}
            for each in (reading.texts if reading is not None else ())
        ],
        "extra": list(reading.extra) if reading is not None else [],
    }


def _static(name: str, media_type: str) -> Callable[[Request], Response]:
    content = (files("streams.reviewing") / "page" / name).read_bytes()

    def answer(_request: Request) -> Response:
        return Response(content, media_type=media_type)

    return answer


async def _body(request: Request) -> bytes:
    """Raises:
    HTTPException: it is longer than any answer.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES:
            raise HTTPException(413, f"answer: longer than {BODY_BYTES:,} bytes; shorten the comment")
    return bytes(body)


def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)
