"""Processes of bmconsole that begin in milliseconds: forked from one that has imported everything.

What runs in them is the program's own `main`, with its arguments, environment and terminal; only the time that Python
takes to import is missing. `python -m tests.fire.forks` is the server: JSON lines in, JSON lines out.
"""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fcntl import ioctl
from importlib import import_module
from pathlib import Path
from struct import pack

_IMPORTED = (
    "bmconsole.backmarket.client",
    "bmconsole.cli.engine",
    "bmconsole.cli.listings",
    "bmconsole.cli.main",
    "bmconsole.console.app",
    "bmconsole.console.start",
    "bmconsole.traffic",
    "bmconsole.workspace",
    "filelock",
    "httpx",
    "textual.drivers.linux_driver",
)
_LOOK = 0.005
_SEQUENCES = re.compile(rb"\x1b\[[0-9;:?<>=]*[ -/]*[@-~]|\x1b[()][0-9A-B]|\x1b[=>]")
ROOT = Path(__file__).parents[2]


class Forked:
    """A process of ours. Its parent is the server, which tells when it ended."""

    def __init__(self, forks: "Forks", pid: int, began: float) -> None:
        self._forks = forks
        self.pid = pid
        self.began = began
        """`time.time()` right before it was asked for."""
        self.code: int | None = None

    def alive(self) -> bool:
        if self.code is None:
            self.code = self._forks.ask({"ended": self.pid})["code"]
        return self.code is None

    def signal(self, number: int) -> None:
        if self.alive():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it without warning, and return when the system has taken everything from it."""
        self.signal(signal.SIGKILL)
        self.wait(30.0)

    def wait(self, seconds: float) -> int:
        """Return how it ended: a number of a signal is negative.

        Raises:
            TimeoutError: It did not.
        """
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {self.pid} goes on")
            time.sleep(_LOOK)
        assert self.code is not None
        return self.code


class Screen:
    """A terminal on which a process paints; what is painted is kept as text since `forget`."""

    def __init__(self, columns: int = 100, rows: int = 30) -> None:
        self._master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, pack("HHHH", rows, columns, 0, 0))
        self.name = os.ttyname(slave)
        self._slave = slave
        self._painted = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def type(self, keys: str) -> None:
        with suppress(OSError):  # nobody is there any more
            os.write(self._master, keys.encode())

    def forget(self) -> None:
        """Let only count what is painted from now on."""
        self._painted.clear()

    def text(self) -> str:
        """Return what was painted, without escape sequences."""
        return _SEQUENCES.sub(b"", bytes(self._painted)).decode(errors="replace")

    def shows(self, text: str) -> bool:
        return text in self.text()

    def close(self) -> None:
        os.close(self._slave)
        self._reader.join(5)
        os.close(self._master)

    def _read(self) -> None:
        with suppress(OSError):  # the other end is closed
            while part := os.read(self._master, 65_536):
                self._painted += part


class Forks:
    """The server's other side; ends all that it began when it is closed."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.fire.forks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("BMCONSOLE_")},
        )
        assert self._server.stdout is not None
        self._server.stdout.readline()  # it has imported everything

    def __enter__(self) -> "Forks":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(30)
        self._server.stdout.close()

    def ask(self, asked: Mapping[str, object]) -> dict[str, int | None]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        answer: dict[str, int | None] = json.loads(self._server.stdout.readline())
        return answer

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        screen: Screen | None = None,
        output: Path = Path(os.devnull),
        errors: Path = Path(os.devnull),
    ) -> Forked:
        """Run bmconsole with these arguments, on a terminal or with files for what it says."""
        places = [screen.name] * 3 if screen is not None else [os.devnull, str(output), str(errors)]
        began = time.time()
        pid = self.ask({"arguments": list(arguments), "environment": dict(environment), "places": places})["pid"]
        assert pid is not None
        return Forked(self, pid, began)


def _serve() -> None:
    for name in _IMPORTED:
        import_module(name)
    print("{}", flush=True)
    children: set[int] = set()
    for line in sys.stdin:
        asked = json.loads(line)
        if "ended" in asked:
            pid, status = os.waitpid(asked["ended"], os.WNOHANG)
            children.discard(pid)
            answer = {"code": os.waitstatus_to_exitcode(status) if pid else None}
        else:
            pid = os.fork()
            if pid == 0:
                _become(asked["arguments"], asked["environment"], asked["places"])
            children.add(pid)
            answer = {"pid": pid}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _become(arguments: list[str], environment: Mapping[str, str], places: Sequence[str]) -> None:
    """Be a process of the program; never returns."""
    code = 1
    try:
        os.setsid()  # the first terminal that is opened now is this process's
        for number, place in enumerate(places):
            opened = os.open(place, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(opened, number)
            os.close(opened)
        # Made anew: those that the server began with believe that they can seek where it wrote into a file.
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            buffering = 1 if os.isatty(number) else -1
            stream = open(number, "w" if number else "r", buffering, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        os.environ.update(environment)
        sys.argv = ["bmconsole", *arguments]
        from bmconsole.__main__ import main

        code = main(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        for spoken in (sys.stdout, sys.stderr):
            with suppress(OSError):  # the terminal may be gone
                spoken.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
