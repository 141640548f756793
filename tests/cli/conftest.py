"""A shop, and the command line as a function of its arguments."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from bmconsole.__main__ import main
from bmconsole.sandbox import Options, RunningSandbox
from bmconsole.sandbox.server import running_in_thread

MARKETS = ("fr-fr", "de-de", "en-gb")


@dataclass(frozen=True)
class Result:
    """What a call of the program left behind."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The JSON lines of stdout."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> dict[str, Any]:
        """The JSON error, which is all that stderr may hold."""
        told = json.loads(self.err)
        assert set(told) == {"error"}
        error = told["error"]
        assert isinstance(error, dict)
        return error


Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call the program in this process: `run("orders", "list", stdin="…")`."""

    def call(*arguments: str, stdin: str = "") -> Result:
        capsys.readouterr()
        monkeypatch.setattr(sys, "stdin", StringIO(stdin))
        code = main(list(arguments))
        told = capsys.readouterr()
        return Result(code, told.out, told.err)

    return call


@pytest.fixture(scope="module")
def shop() -> Iterator[RunningSandbox]:
    """A shop for a whole module. Its limits are off and ours high: what they do is tested elsewhere."""
    options = Options(seed=11, orders=60, listings=30, markets=MARKETS, backbox_settle=(0.0, 0.0), limits=False)
    with running_in_thread(options) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def filled(shop: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that was synced once; tests get a copy."""
    home = tmp_path_factory.mktemp("filled") / "home"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account(shop, home).items():
            patch.setenv(name, value)
        assert main(["sync", "orders", "listings", "backbox"]) == 0
    return home


@pytest.fixture
def home(filled: Path, shop: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A filled home of the test's own, and the environment of its account."""
    copy = tmp_path / "home"
    shutil.copytree(filled, copy)
    for name, value in account(shop, copy).items():
        monkeypatch.setenv(name, value)
    return copy


@pytest.fixture
def empty(shop: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that does not exist yet, and the environment of its account."""
    for name, value in account(shop, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    return tmp_path / "home"


def account(shop: RunningSandbox, home: Path) -> Mapping[str, str]:
    """Return the environment of an account at `shop`."""
    return {
        "BMCONSOLE_HOME": str(home),
        "BMCONSOLE_BASE_URL": shop.url,
        "BMCONSOLE_TOKEN": shop.token,
        "BMCONSOLE_MARKETS": ",".join(MARKETS),
        "BMCONSOLE_TIMEZONE": "UTC",
        "BMCONSOLE_LIMITS__COMPETITORS": "100/1",
        "BMCONSOLE_LIMITS__SENSITIVE": "1000/1",
    }
