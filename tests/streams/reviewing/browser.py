"""A headless Chromium, driven over its debugging pipe: no port, no package, no driver."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ANSWER_S = 60.0
# Chromium reads its commands from descriptor 3 and answers on 4.
HANDED_OVER = """
import fcntl, os, sys
given = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
os.dup2(given[0], 3)
os.dup2(given[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-extensions", "--no-proxy-server",
    "--remote-debugging-pipe",
)  # fmt: skip
KEYS = {"Enter": (13, "\r"), "Escape": (27, "")}


class Page:
    """One tab."""

    def __init__(self, commands: int, answers: asyncio.StreamReader) -> None:
        self._commands = commands
        self._answers = answers
        self._numbers = itertools.count(1)
        self._session = ""

    async def attach(self) -> None:
        target = await self.call("Target.createTarget", url="about:blank")
        told = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = told["sessionId"]
        await self.call("Page.enable")

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        asked = {"id": number, "method": method, "params": parameters} | session
        os.write(self._commands, json.dumps(asked).encode() + b"\0")
        async with asyncio.timeout(ANSWER_S):
            while True:
                told = json.loads((await self._answers.readuntil(b"\0"))[:-1])
                if told.get("id") == number:
                    assert "error" not in told, f"{method}: {told['error']}"
                    result: dict[str, Any] = told["result"]
                    return result

    async def open(self, address: str) -> None:
        await self.call("Page.navigate", url=address)

    async def value(self, script: str) -> Any:
        """What an expression is, a promise's own value where it is one."""
        told = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, script: str) -> Any:
        """Waits until an expression is true, asked anew at each frame of the page."""
        asked = (
            "new Promise((done) => { const look = () => { const found = (() => { try { return (%s); } catch "
            "{ return false; } })(); if (found) done(found); else requestAnimationFrame(look); }; look(); })"
        )
        return await self.value(asked % script)

    async def press(self, *keys: str, held: bool = False) -> None:
        for key in keys:
            code, text = KEYS[key] if key in KEYS else (ord(key.upper()), key)
            for kind in ("keyDown", "keyUp"):
                await self.call(
                    "Input.dispatchKeyEvent", type=kind, key=key, text=text if kind == "keyDown" else "",
                    windowsVirtualKeyCode=code, autoRepeat=held and kind == "keyDown",
                )  # fmt: skip

    async def text(self, id: str) -> str:
        found = await self.value(f"document.getElementById({json.dumps(id)}).innerText")
        assert isinstance(found, str)
        return found


@contextlib.asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Page]:
    """A browser of its own, with its profile in `folder`; the test is skipped where none is installed."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium here, so nobody runs the page's script: apt install chromium")
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HANDED_OVER, str(theirs_in), str(theirs_out),
        path, *FLAGS, f"--user-data-dir={folder}", "about:blank",
        pass_fds=(theirs_in, theirs_out), env=os.environ | {"HOME": str(folder)},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    os.close(theirs_in)
    os.close(theirs_out)
    answers = asyncio.StreamReader(limit=2**24)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(answers), os.fdopen(ours_in, "rb")
    )
    try:
        page = Page(ours_out, answers)
        await page.attach()
        yield page
    finally:
        transport.close()
        os.close(ours_out)
        # Its pipe closed, it ends by itself, and all its processes with it.
        try:
            await asyncio.wait_for(child.wait(), 10)
        except TimeoutError:
            child.kill()
            await child.wait()
