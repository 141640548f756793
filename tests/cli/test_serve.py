"""The console in a browser: refused without the token, from another page or another name; seen with it."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bmconsole.console.web import REFUSED
from bmconsole.sandbox import Options, running_in_thread

aiohttp: Any = pytest.importorskip("aiohttp", reason="the extra “serve” is not installed")
pytest.importorskip("textual_serve", reason="the extra “serve” is not installed")
if sys.platform == "win32":
    pytest.skip("signals are other things there", allow_module_level=True)

MARKETS = ("fr-fr", "de-de")


@contextmanager
def served(home: Path, *arguments: str) -> Iterator[dict[str, str]]:
    """Serve a console over a sandbox and give what it announces."""
    options = Options(seed=7, orders=60, listings=30, markets=MARKETS, limits=False)
    with running_in_thread(options) as sandbox:
        settings = {
            "BMCONSOLE_HOME": str(home),
            "BMCONSOLE_BASE_URL": sandbox.url,
            "BMCONSOLE_TOKEN": sandbox.token,
            "BMCONSOLE_MARKETS": ",".join(MARKETS),
        }
        child = subprocess.Popen(
            [sys.executable, "-m", "bmconsole", "serve", "--json", *arguments],
            env=os.environ | settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert child.stdout is not None
            assert child.stderr is not None
            line = child.stdout.readline()
            assert line, child.stderr.read()
            yield json.loads(line) | {"api_token": sandbox.token}
        finally:
            child.terminate()
            out, err = child.communicate(timeout=20)
            assert child.returncode == 0, err
            assert sandbox.token not in out + err


async def test_without_the_token_nothing_is_given(tmp_path: Path) -> None:
    with served(tmp_path) as told:
        url, token = told["url"], told["token"]
        assert url.startswith("http://127.0.0.1:")
        async with httpx.AsyncClient(base_url=url, trust_env=False) as browser:
            for path in ("/", "/ws", "/static/js/textual.js", "/?token=", "/?token=wrong", f"/?token={token}x"):
                answer = await browser.get(path)
                assert (answer.status_code, answer.text) == (403, REFUSED), path
            foreign = await browser.get(f"/?token={token}", headers={"Host": "evil.example"})
            assert foreign.status_code == 403
            page = await browser.get(f"/?token={token}")
            assert page.status_code == 200
            assert told["api_token"] not in page.text
            assert page.headers["X-Frame-Options"] == "DENY"
            assert "HttpOnly" in page.headers["Set-Cookie"]
            assert "SameSite=Strict" in page.headers["Set-Cookie"]
            # From now on the cookie is enough.
            script = re.search(r'src="[^"]*(/static/[^"]+\.js)"', page.text)
            assert script is not None
            assert (await browser.get(script[1])).status_code == 200
            elsewhere = await browser.get("/ws", headers={"Origin": "http://evil.example"})
            assert elsewhere.status_code == 403


async def test_the_console_is_seen_and_answers_keys(tmp_path: Path) -> None:
    with served(tmp_path) as told:
        async with aiohttp.ClientSession(trust_env=False) as browser:
            address = f"{told['url']}/ws?token={told['token']}&width=100&height=30"
            async with browser.ws_connect(address, origin=told["url"]) as pipe:
                # Both may come with one paint, and the status line goes on being painted for ever
                seen = ""

                async def until(text: str) -> None:
                    nonlocal seen
                    async with asyncio.timeout(20):
                        while text not in seen:
                            message = await pipe.receive()
                            assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
                            if message.type is aiohttp.WSMsgType.BINARY:
                                shown = message.data.decode("utf-8", "replace")
                                seen += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)

                await until("60 orders")
                await until("read-only")
                await pipe.send_json(["stdin", "2"])
                await until("30 listings")
