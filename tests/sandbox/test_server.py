"""The sandbox as a process, in a thread and in a test's loop: it listens on loopback only and ends when it should."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from bmconsole.sandbox import ManualClock, Options, PortInUse, running, running_in_thread
from bmconsole.sandbox.faults import Latency
from bmconsole.sandbox.process import listening_socket

from .conftest import TLS, USER_AGENT

Announced = dict[str, object]


@contextmanager
def process(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], Announced]]:
    child = subprocess.Popen(
        [sys.executable, "-m", "bmconsole.sandbox", "--orders", "50", "--listings", "20", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    with child:
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            yield child, json.loads(line) if line else {}
        finally:
            if child.poll() is None:
                child.kill()


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Basic {token}", "User-Agent": USER_AGENT}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
def test_it_announces_itself_and_ends_on_sigterm_with_connections_open() -> None:
    with process("--seed", "5", "--markets", "de-de,fr-fr") as (child, announced):
        assert announced["pid"] == child.pid
        assert announced["token"] == "sandbox-token-5"
        with httpx.Client(base_url=str(announced["url"]), headers=headers("sandbox-token-5")) as client:
            assert client.get("/ws/orders").json()["count"] == 50
            assert client.get("/_sandbox/counts").json()["markets"] == ["de-de", "fr-fr"]
            child.send_signal(signal.SIGTERM)
            assert child.wait(timeout=5) == 0
        _, errors = child.communicate()
        assert errors == ""


def test_it_ends_when_its_parent_lets_go_of_the_pipe() -> None:
    with process("--until-stdin-closes") as (child, announced):
        assert announced["url"]
        assert child.stdin is not None
        child.stdin.close()
        child.stdin = None
        assert child.wait(timeout=5) == 0


def test_the_token_may_come_from_the_environment() -> None:
    with process(BMCONSOLE_SANDBOX_TOKEN="of-my-own") as (_, announced):
        assert announced["token"] == "of-my-own"
        answer = httpx.get(f"{announced['url']}/ws/orders", headers=headers("of-my-own"))
        assert answer.status_code == 200


def test_a_taken_port_is_one_line_and_exit_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with process("--port", str(port)) as (child, announced):
            _, errors = child.communicate(timeout=5)
            assert child.returncode == 1
            assert announced == {}
            assert errors == f"sandbox: port {port} on 127.0.0.1 is in use\n"


def test_impossible_arguments_are_one_line_and_exit_2() -> None:
    with process("--markets", "xx-xx") as (child, _):
        _, errors = child.communicate(timeout=5)
        assert child.returncode == 2
        assert errors.startswith("sandbox: unknown market 'xx-xx'")
        assert errors.count("\n") == 1


async def test_a_taken_port_has_its_own_error() -> None:
    async with running(Options(orders=0, listings=1)) as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(PortInUse) as caught:
            async with running(Options(orders=0, listings=1, port=port)):
                raise AssertionError("two sandboxes on one port")
        assert caught.value.port == port
        assert str(port) in str(caught.value)


async def test_it_ends_in_the_middle_of_an_answer_that_takes_an_hour(clock: ManualClock) -> None:
    async with httpx.AsyncClient(headers=headers("t"), verify=TLS) as client:
        async with running(Options(orders=0, listings=1, clock=clock, token="t")) as sandbox:
            sandbox.faults.set(Latency(seconds=3600))
            slow = asyncio.ensure_future(client.get(f"{sandbox.url}/ws/orders"))
            await asyncio.wait_for(clock.wait_for_sleepers(1), 5)
        with pytest.raises(httpx.TransportError):
            await slow


def test_a_thread_serves_code_with_a_loop_of_its_own() -> None:
    with running_in_thread(Options(orders=30, listings=5)) as sandbox:
        answer = httpx.get(f"{sandbox.url}/ws/orders", headers=headers(sandbox.token))
        assert answer.json()["count"] == 30
        assert sandbox.journal.count("GET", "/ws/orders", 200) == 1
        port = int(sandbox.url.rpartition(":")[2])
        with pytest.raises(PortInUse), running_in_thread(Options(orders=0, listings=1, port=port)):
            raise AssertionError("two sandboxes on one port")
    with pytest.raises(OSError, match=r"\w"), socket.create_connection(("127.0.0.1", port), timeout=1):
        pass


async def test_small_answers_are_sent_without_delay() -> None:
    # asyncio switches Nagle's algorithm off only on sockets that say TCP; with it an answer takes 40 ms.
    accepted: asyncio.Queue[int] = asyncio.Queue()

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    bound = listening_socket(0)
    async with await asyncio.start_server(accept, sock=bound):
        _, writer = await asyncio.open_connection(*bound.getsockname())
        assert await asyncio.wait_for(accepted.get(), 5)
        writer.close()
        await writer.wait_closed()


def test_importing_the_package_loads_no_server() -> None:
    code = "import sys, bmconsole.sandbox; print(sorted({'starlette', 'uvicorn', 'asyncio'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_it_imports_nothing_of_the_client() -> None:
    code = (
        "import sys, bmconsole.sandbox.server, bmconsole.sandbox.__main__;"
        "print([n for n in sys.modules if n.startswith('bmconsole.') and not n.startswith('bmconsole.sandbox')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
