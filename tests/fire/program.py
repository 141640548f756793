"""The program as a function of its arguments, for rows that call it hundreds of times."""

import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from bmconsole.__main__ import main
from bmconsole.sandbox import RunningSandbox

MARKETS = "fr-fr"


@dataclass(frozen=True)
class Ended:
    """How a call ended, and what it printed."""

    code: int
    out: str
    err: str


def call(*arguments: str, stdin: str = "") -> Ended:
    """Call the program in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "stdin", io.StringIO(stdin)):
        code = main(list(arguments))
    return Ended(code, out.getvalue(), err.getvalue())


def account(shop: RunningSandbox, home: Path, **more: str) -> dict[str, str]:
    """Return the environment of an account at `shop`; `more` are settings without their prefix."""
    values = {
        "HOME": str(home),
        "BASE_URL": shop.url,
        "TOKEN": shop.token,
        "MARKETS": MARKETS,
        "TIMEZONE": "UTC",
        "LIMITS__EDGE": "100000/1",
        "LIMITS__SENSITIVE": "100000/1",
        "LIMITS__SKU_LINES": "1000000/3600",
    }
    return {f"BMCONSOLE_{name}": value for name, value in (values | more).items()}


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Have these variables, and no other setting of an account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BMCONSOLE_")}
    with patch.dict(os.environ, {**kept, **values}, clear=True):
        yield
