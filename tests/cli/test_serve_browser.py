"""The served console in a real Chromium, spoken to over its own debugging protocol."""

import asyncio
import base64
import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bmconsole.console.web import REFUSED
from tests.cli.test_serve import aiohttp, served
from tests.console.waiting import until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 30.0
KEPT = os.environ.get("BMCONSOLE_PICTURE")
"""A file in which what is seen is kept, to be looked at."""
WIDTH, HEIGHT = 1400, 900

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


class Page:
    """A page of the browser: what it shows, what it was sent, keys, a picture."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._numbers = itertools.count(1)
        self.screen = ""
        """All that the console sent, without its escape sequences."""
        self.asked: dict[str, str] = {}
        """The addresses that the page asked for, by the number of the request."""
        self.blocked: list[str] = []
        """Those that the page's own policy stopped."""
        self._loaded = 0

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command and return its result."""
        number = next(self._numbers)
        await self._pipe.send_json({"id": number, "method": method, "params": parameters})
        while True:
            told = await self._next()
            if told.get("id") == number:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result

    async def go(self, address: str) -> None:
        """Open an address, and return once all of its page is there."""
        loaded = self._loaded
        await self.call("Page.navigate", url=address)
        await self.until(lambda: self._loaded > loaded)

    async def until(self, what: Callable[[], bool]) -> None:
        """Take in what happens until something is so."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not what():
                    await self._next()
        except TimeoutError:
            pytest.fail(f"not in time; what was sent last: {self.screen[-3_000:]}")

    async def type(self, text: str) -> None:
        for key in text:
            await self.call("Input.dispatchKeyEvent", type="keyDown", text=key, key=key, unmodifiedText=key)
            await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def click(self, x: int, y: int) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def value(self, script: str) -> Any:
        """Return what a script gives."""
        return (await self.call("Runtime.evaluate", expression=script, returnByValue=True))["result"].get("value")

    async def picture(self) -> bytes:
        """Return what is seen, as PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])

    async def _next(self) -> dict[str, Any]:
        message = await self._pipe.receive(timeout=PATIENCE)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        told: dict[str, Any] = json.loads(message.data)
        match told.get("method"):
            case "Network.webSocketFrameReceived":
                frame = told["params"]["response"]
                if frame["opcode"] == 2:
                    text = base64.b64decode(frame["payloadData"]).decode("utf-8", "replace")
                    self.screen += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
            case "Network.requestWillBeSent":
                self.asked[told["params"]["requestId"]] = told["params"]["request"]["url"]
            case "Network.loadingFailed" if told["params"].get("blockedReason") == "csp":
                self.blocked.append(self.asked.pop(told["params"]["requestId"]))
            case "Page.loadEventFired":
                self._loaded += 1
        return told


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Page]:
    """Run a Chromium without a window, and give its page."""
    assert CHROMIUM is not None
    profile = folder / "profile"
    # Its sandbox refuses to run for root; nothing but the page of this test is ever opened.
    rooted = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    child = await asyncio.create_subprocess_exec(
        CHROMIUM,
        "--headless=new",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        f"--window-size={WIDTH},{HEIGHT}",
        "--no-first-run",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        *rooted,
        "about:blank",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port_file = profile / "DevToolsActivePort"
        await until(lambda: port_file.exists() and "\n" in port_file.read_text(), seconds=PATIENCE)
        port = port_file.read_text().splitlines()[0]
        async with aiohttp.ClientSession(trust_env=False) as http:
            async with http.get(f"http://127.0.0.1:{port}/json/list") as answer:
                (address,) = [page["webSocketDebuggerUrl"] for page in await answer.json() if page["type"] == "page"]
            async with http.ws_connect(address, max_msg_size=0) as pipe:
                page = Page(pipe)
                await page.call("Page.enable")
                await page.call("Network.enable")
                await page.call("Runtime.enable")
                yield page
    finally:
        child.terminate()
        await child.wait()


async def test_a_colleague_looks_in_chromium(tmp_path: Path) -> None:
    with served(tmp_path / "home") as told:
        async with browser(tmp_path) as page:
            await page.go(told["url"])
            assert (await page.value("document.body.innerText")).strip() == REFUSED.strip()
            assert not page.screen

            await page.go(told["address"])
            await page.until(lambda: "60 orders" in page.screen)
            assert "read-only" in page.screen
            await page.click(WIDTH // 2, HEIGHT // 2)
            await page.type("2")
            await page.until(lambda: "30 listings" in page.screen)
            picture = await page.picture()
            assert picture.startswith(b"\x89PNG")
            if KEPT:
                await asyncio.to_thread(Path(KEPT).write_bytes, picture)
            own = (told["url"], "data:", "blob:")
            assert not [url for url in page.asked.values() if not url.startswith(own)]
            assert not [url for url in page.blocked if url.startswith(own)]
